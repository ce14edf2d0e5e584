//! The command line: Python's options first, then our own.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use clap_complete::Shell;
use socketserver::http::ProtocolVersion;
use socketserver::{ForwardedHeader, Overload, TrustedProxies};

use crate::complain;
use crate::header::{Header, in_two_words, number_as_value};
use crate::usage::in_one_line;
use crate::values::{absolute_path, address, count, mode, port, processes, seconds};
use crate::variable::Variable;

/// Serve the files of a directory over HTTP or HTTPS, as python -m http.server does
#[derive(Debug, Parser)]
#[command(version, args_override_self = true, infer_long_args = true)]
pub(crate) struct Args {
    /// bind to this port; 0 picks a free one [default: 8000]
    #[arg(value_name = "port", allow_negative_numbers = true, value_parser = port)]
    pub(crate) port: Option<u16>,

    /// bind to this address [default: all interfaces]
    #[arg(short, long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) bind: Option<String>,

    /// bind to a Unix socket at this path instead of a port
    #[arg(long, value_name = "PATH", conflicts_with_all = ["bind", "port"])]
    pub(crate) unix: Option<PathBuf>,

    /// set the mode of the Unix socket's file, in octal as for chmod [default: by the umask]
    #[arg(long, value_name = "MODE", requires = "unix", value_parser = mode)]
    pub(crate) unix_mode: Option<u32>,

    /// serve this directory [default: current directory]
    #[arg(short, long)]
    pub(crate) directory: Option<PathBuf>,

    /// conform to this HTTP version; 1.1 keeps connections open
    #[arg(short, long, value_name = "VERSION", value_enum)]
    #[arg(default_value_t = Protocol::Http10, ignore_case = true)]
    protocol: Protocol,

    /// send this header with every response, replacing the server's own; headers about the content
    /// (Content-Type …) go with successful responses only; repeatable
    #[arg(
        short = 'H',
        long = "header",
        num_args = 2,
        value_names = ["NAME", "VALUE"],
        allow_hyphen_values = true
    )]
    header: Vec<String>,

    /// serve HTTPS with the certificate in this file, which may hold the key, too; SIGHUP reads it
    /// anew
    #[arg(long, value_name = "PATH", conflicts_with = "tls_self_signed")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// the certificate's private key is in this file
    #[arg(long, value_name = "PATH")]
    pub(crate) tls_key: Option<PathBuf>,

    /// the private key's password is in this file
    #[arg(long, value_name = "PATH")]
    tls_password_file: Option<PathBuf>,

    /// what that file holds
    #[arg(skip)]
    pub(crate) tls_password: Option<String>,

    /// serve HTTPS with a certificate made now, and print its fingerprint; for development
    #[arg(long)]
    pub(crate) tls_self_signed: bool,

    /// serve only clients with a certificate that was issued by one in this file
    #[arg(long, value_name = "PATH")]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// reach nothing outside the directory, wherever symbolic links lead
    #[arg(long)]
    pub(crate) confine: bool,

    /// serve no file whose name begins with a dot, nor list it
    #[arg(long)]
    pub(crate) hide_dot_files: bool,

    /// run the programs in /cgi-bin and /htbin
    #[arg(long)]
    pub(crate) cgi: bool,

    /// let a program run this many seconds; 0 is for ever [default: 300]
    #[arg(long, value_name = "SECONDS", requires = "cgi", value_parser = seconds)]
    pub(crate) cgi_timeout: Option<u32>,

    /// run programs as this user when started by root; say `root` to keep root [default: nobody]
    #[arg(long, value_name = "USER", requires = "cgi")]
    pub(crate) cgi_user: Option<String>,

    /// pass this variable of the server's own on to programs, or set it; may be repeated
    #[arg(
        long,
        value_name = "NAME[=VALUE]",
        requires = "cgi",
        value_parser = OsStringValueParser::new().try_map(|text| Variable::new(&text))
    )]
    pub(crate) cgi_env: Vec<Variable>,

    /// store a chunked body of up to this many bytes before its program starts; with 0 it is passed
    /// on as it comes, without a length [default: 67108864]
    #[arg(long, value_name = "BYTES", requires = "cgi")]
    pub(crate) cgi_chunked_limit: Option<u64>,

    /// do not log requests
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// run requests one by one, on threads or in child processes
    #[arg(long, value_name = "STRATEGY", value_enum, default_value_t = Strategy::Threading)]
    pub(crate) concurrency: Strategy,

    /// run at most this many threads [default: 1024]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) max_threads: Option<u32>,

    /// run at most this many child processes [default: 40]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) max_children: Option<u32>,

    /// serve in this many supervised processes, which SIGHUP replaces one by one; auto is one on
    /// each processor
    #[arg(long, value_name = "COUNT", value_parser = processes)]
    pub(crate) processes: Option<u32>,

    /// keep at most this many connections open [default: 3/4 of the descriptor limit]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) max_connections: Option<u32>,

    /// what to do with clients beyond --max-connections: close the oldest idle one, let clients
    /// wait, or answer 503
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = OverloadPolicy::Shed)]
    overload: OverloadPolicy,

    /// believe the client addresses that these proxies report; comma-separated addresses and
    /// networks, `unix:` for any peer on a Unix socket
    #[arg(long, value_name = "LIST")]
    trusted_proxies: Option<TrustedProxies>,

    /// take the client's address from this header only [default: both; they must agree]
    #[arg(long, value_name = "NAME", value_enum, ignore_case = true, requires = "trusted_proxies")]
    forwarded_header: Option<Forwarded>,

    /// take connections from trusted proxies only, which begin them with a PROXY header, before TLS
    #[arg(long, requires = "trusted_proxies")]
    pub(crate) proxy_protocol: bool,

    /// answer this path with numbers for Prometheus
    #[arg(long, value_name = "PATH", value_parser = absolute_path)]
    pub(crate) metrics: Option<String>,

    /// answer this path with 200 as long as the server is not being stopped
    #[arg(long, value_name = "PATH", value_parser = absolute_path)]
    pub(crate) healthz: Option<String>,

    /// print completions for this shell and exit
    #[arg(long, value_name = "SHELL")]
    pub(crate) completions: Option<Shell>,

    /// print the manual page and exit
    #[arg(long)]
    pub(crate) man: bool,
}

/// Where requests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    Sequential,
    Threading,
    Forking,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OverloadPolicy {
    Shed,
    Wait,
    Refuse,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Protocol {
    #[value(name = "HTTP/1.0", alias = "1.0")]
    Http10,
    #[value(name = "HTTP/1.1", alias = "1.1")]
    Http11,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Forwarded {
    #[value(name = "Forwarded")]
    Forwarded,
    #[value(name = "X-Forwarded-For")]
    XForwardedFor,
}

impl Args {
    /// Reads the command line. Where there is nothing to serve, it has said why or shown the
    /// help, and returns the status to exit with.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        let words: Vec<OsString> = env::args_os().collect();
        let number = number_as_value(&words);
        let read = Self::try_parse_from(in_two_words(words)).and_then(|mut args| {
            args.check()?;
            args.check_tls()?;
            if let Some((name, value)) = number
                && args.port.is_none()
                && args.unix.is_none()
            {
                complain(&format_args!(
                    "{value} is the value of the header {name}, and no port is given"
                ));
            }
            Ok(args)
        });
        read.map_err(|error| {
            if error.use_stderr() {
                complain(&in_one_line(&error));
                ExitCode::from(2)
            } else {
                // Nobody may be reading.
                let _ = error.print();
                ExitCode::SUCCESS
            }
        })
    }

    /// Tells whether TLS is spoken.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls_cert.is_some() || self.tls_self_signed
    }

    pub(crate) fn wants_documents(&self) -> bool {
        self.man || self.completions.is_some()
    }

    pub(crate) fn protocol_version(&self) -> ProtocolVersion {
        match self.protocol {
            Protocol::Http10 => ProtocolVersion::Http10,
            Protocol::Http11 => ProtocolVersion::Http11,
        }
    }

    /// Who is believed about clients, and where they say it.
    pub(crate) fn trusted_proxies(&self) -> TrustedProxies {
        let trusted = self.trusted_proxies.clone().unwrap_or_default();
        match self.forwarded_header {
            None => trusted,
            Some(Forwarded::Forwarded) => trusted.reading_only(ForwardedHeader::Forwarded),
            Some(Forwarded::XForwardedFor) => trusted.reading_only(ForwardedHeader::XForwardedFor),
        }
    }

    pub(crate) fn overload(&self) -> Overload {
        match self.overload {
            OverloadPolicy::Shed => Overload::Shed,
            OverloadPolicy::Wait => Overload::Wait,
            OverloadPolicy::Refuse => Overload::Refuse,
        }
    }

    /// The headers to add to every response.
    ///
    /// # Errors
    ///
    /// Says which one cannot be sent, and why.
    pub(crate) fn headers(&self) -> Result<Vec<Header>, String> {
        let pairs = self.header.chunks_exact(2);
        pairs.map(|pair| Header::new(&pair[0], &pair[1])).collect()
    }

    fn check(&self) -> Result<(), clap::Error> {
        let refuse = |kind, message: String| Err(Self::command().error(kind, message));
        if let Err(message) = self.headers() {
            return refuse(ErrorKind::ValueValidation, message);
        }
        for (limit, option, strategy) in [
            (self.max_threads, "--max-threads", Strategy::Threading),
            (self.max_children, "--max-children", Strategy::Forking),
        ] {
            if limit.is_some() && self.concurrency != strategy {
                let name = format!("{strategy:?}").to_lowercase();
                let message = format!("{option} goes with --concurrency {name} only");
                return refuse(ErrorKind::ArgumentConflict, message);
            }
        }
        Ok(())
    }

    /// Checks in the order and with the words of Python 3.14, and reads the password.
    fn check_tls(&mut self) -> Result<(), clap::Error> {
        let refuse = |message: String| {
            Err(Self::command().error(ErrorKind::MissingRequiredArgument, message))
        };
        for (given, option) in [
            (self.tls_key.is_some(), "--tls-key"),
            (self.tls_password_file.is_some(), "--tls-password-file"),
        ] {
            if given && self.tls_cert.is_none() {
                return refuse(format!("{option} requires --tls-cert to be set"));
            }
        }
        if self.tls_client_ca.is_some() && self.tls_cert.is_none() && !self.tls_self_signed {
            let message = "--tls-client-ca requires --tls-cert or --tls-self-signed to be set";
            return refuse(message.to_owned());
        }
        if self.unix.is_some() && self.is_secure() {
            return refuse("HTTPS goes with a port, not with --unix".to_owned());
        }
        if let Some(path) = &self.tls_password_file {
            match fs::read_to_string(path) {
                Ok(text) => self.tls_password = Some(text.trim().to_owned()),
                Err(error) => {
                    let name = path.display();
                    return refuse(format!("Failed to read TLS password file: {error}: '{name}'"));
                }
            }
        }
        Ok(())
    }
}
