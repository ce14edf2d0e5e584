//! The command line: Python's options first, then our own.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueHint};
use clap_complete::Shell;
use socketserver::http::ProtocolVersion;
use socketserver::{ForwardedHeader, TrustedProxies};

use crate::access::Access;
use crate::choices::{Forwarded, Protocol, Strategy};
use crate::examples::examples;
use crate::header::{Header, in_two_words, number_as_value};
use crate::monitoring::Monitoring;
use crate::pages::Pages;
use crate::running::Running;
use crate::secrets;
use crate::together;
use crate::usage::in_one_line;
use crate::values::{address, content_type, count, mode, port, processes, seconds, size};
use crate::variable::Variable;
use crate::{complain, documents};

/// Serve the files of a directory over HTTP or HTTPS, as python -m http.server does
///
/// The options of python -m http.server have the same names and meanings here, and the output is
/// the same. The options under the other headings are additions.
#[derive(Debug, Parser)]
#[command(version, args_override_self = true, infer_long_args = true, max_term_width = 100)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = examples())]
pub(crate) struct Args {
    /// bind to this port; 0 chooses a free one [default: 8000]
    #[arg(value_name = "port", allow_negative_numbers = true, value_parser = port)]
    pub(crate) port: Option<u16>,

    /// bind to this address [default: all interfaces]
    ///
    /// An IP address of this machine, or a name that leads to one.
    #[arg(short, long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) bind: Option<String>,

    /// serve this directory or file [default: current directory]
    #[arg(short, long, value_hint = ValueHint::AnyPath)]
    pub(crate) directory: Option<PathBuf>,

    /// conform to HTTP/1.0 or HTTP/1.1
    ///
    /// HTTP/1.1 keeps a connection open for further requests. 1.0 and 1.1 are accepted, too.
    #[arg(short, long, value_name = "VERSION", value_enum, hide_possible_values = true)]
    #[arg(default_value_t = Protocol::Http10, ignore_case = true)]
    protocol: Protocol,

    /// send this header with every response; may be repeated
    ///
    /// It replaces a header of this name that the server would send by itself; Vary is added. A
    /// header that describes content (Content-Type, Content-Encoding, ETag and the like) is sent
    /// with successful responses only; conditions such as If-None-Match are about the server's own
    /// ETag. -H 'NAME: VALUE' means the same as -H NAME VALUE.
    #[arg(
        short = 'H',
        long = "header",
        num_args = 2,
        value_names = ["NAME", "VALUE"],
        allow_hyphen_values = true
    )]
    header: Vec<String>,

    /// send this content type with files of unknown kind
    ///
    /// Without it, that is application/octet-stream. A file whose name tells its kind keeps its
    /// type.
    #[arg(long, value_name = "TYPE", value_parser = content_type)]
    pub(crate) content_type: Option<String>,

    /// run the programs in /cgi-bin and /htbin
    #[arg(long)]
    pub(crate) cgi: bool,

    /// serve HTTPS with the certificate in this file
    ///
    /// The file is in the PEM format: the certificate of the server, then the certificates that
    /// lead to its issuer, and the private key unless --tls-key names its file. SIGHUP reads
    /// the files again. A private key may not be in the directory that is served.
    #[arg(long, value_name = "PATH", conflicts_with = "tls_self_signed")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// read the private key of the certificate from this file
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) tls_key: Option<PathBuf>,

    /// read the password of the private key from this file
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) tls_password_file: Option<PathBuf>,

    /// The content of that file.
    #[arg(skip)]
    pub(crate) tls_password: Option<String>,

    /// print a summary of the options (-h) or all about them (--help)
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,

    /// serve nothing outside the directory, wherever symbolic links lead
    ///
    /// Links that stay inside are followed on Linux 5.6 and later; on other systems they are not.
    #[arg(long, help_heading = "Files")]
    pub(crate) confine: bool,

    /// neither serve nor list files whose name begins with a dot
    ///
    /// The same holds for what is below such a directory. /.well-known is served (RFC 8615).
    #[arg(long, help_heading = "Files")]
    pub(crate) hide_dot_files: bool,

    #[command(flatten)]
    pub(crate) pages: Pages,

    #[command(flatten)]
    pub(crate) access: Access,

    #[command(flatten)]
    pub(crate) running: Running,

    /// bind to a Unix socket at this path instead of a port
    #[arg(long, value_name = "PATH", help_heading = "Network", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["bind", "port"])]
    pub(crate) unix: Option<PathBuf>,

    /// set the mode of the socket's file, such as 660 [default: by the umask]
    #[arg(long, value_name = "MODE", help_heading = "Network")]
    #[arg(value_parser = mode)]
    pub(crate) unix_mode: Option<u32>,

    /// serve HTTPS with a certificate that is made now, for development
    ///
    /// Its SHA-256 fingerprint is printed, for comparison with what a browser shows. The
    /// certificate is not stored: the next start makes another one.
    #[arg(long, help_heading = "TLS")]
    pub(crate) tls_self_signed: bool,

    /// serve only clients with a certificate that one in this file issued
    #[arg(long, value_name = "PATH", help_heading = "TLS", value_hint = ValueHint::FilePath)]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// end a program after this many seconds; 0 is never [default: 300]
    #[arg(long, value_name = "SECONDS", help_heading = "CGI")]
    #[arg(value_parser = seconds)]
    pub(crate) cgi_timeout: Option<u32>,

    /// run programs as this user if started by root [default: nobody]
    ///
    /// With "root" programs keep the rights of root.
    #[arg(long, value_name = "USER", help_heading = "CGI", value_hint = ValueHint::Username)]
    pub(crate) cgi_user: Option<String>,

    /// pass this variable to programs, or set it; may be repeated
    ///
    /// NAME passes the value that the server was started with, NAME=VALUE sets another one.
    /// Without this option programs get PATH, LD_LIBRARY_PATH, TZ, LANG, LC_ALL and LC_CTYPE,
    /// beside the variables that describe their request.
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = "CGI")]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| Variable::new(&text)))]
    pub(crate) cgi_env: Vec<Variable>,

    /// store chunked bodies of up to this size [default: 64M]
    ///
    /// A number of bytes, or one with K, M, G or T, as for --upload-limit. A program starts when
    /// such a body has been received, as it is told the length. A longer one is answered 413. With
    /// 0 the body is passed on as it arrives, without a length.
    #[arg(long, value_name = "SIZE", help_heading = "CGI", value_parser = size)]
    pub(crate) cgi_chunked_limit: Option<u64>,

    /// the strategy: sequential, threading or forking
    ///
    /// It decides where requests run. sequential: one after the other. threading: on a pool of
    /// threads. forking: in a child process for each connection.
    #[arg(long, value_name = "STRATEGY", help_heading = "Concurrency")]
    #[arg(value_enum, hide_possible_values = true, default_value_t = Strategy::Threading)]
    pub(crate) concurrency: Strategy,

    /// run at most this many threads [default: 1024]
    #[arg(long, value_name = "COUNT", help_heading = "Concurrency", value_parser = count)]
    pub(crate) max_threads: Option<u32>,

    /// run at most this many child processes [default: 40]
    #[arg(long, value_name = "COUNT", help_heading = "Concurrency", value_parser = count)]
    pub(crate) max_children: Option<u32>,

    /// serve in this many processes; auto is one for each processor
    ///
    /// A supervisor replaces a process that crashes. SIGHUP replaces all of them, one by one, and
    /// no client is refused meanwhile. --max-threads, --max-children and --max-connections hold
    /// for each process.
    #[arg(long, value_name = "COUNT", help_heading = "Concurrency", value_parser = processes)]
    pub(crate) processes: Option<u32>,

    /// believe the client addresses that these proxies report
    ///
    /// A list of IP addresses and networks, separated by commas, such as 127.0.0.1,10.0.0.0/8;
    /// unix: stands for every client of a Unix socket.
    #[arg(long, value_name = "LIST", help_heading = "Proxies")]
    trusted_proxies: Option<TrustedProxies>,

    /// read only Forwarded, or only X-Forwarded-For
    ///
    /// By default both headers are read, and have to agree if a request has both.
    #[arg(long, value_name = "NAME", help_heading = "Proxies")]
    #[arg(value_enum, hide_possible_values = true, ignore_case = true)]
    forwarded_header: Option<Forwarded>,

    /// expect a PROXY header first, and from trusted proxies alone
    ///
    /// The header (version 1 or 2) comes before the request, and before TLS. Connections without
    /// it, or from others, are closed.
    #[arg(long, help_heading = "Proxies")]
    pub(crate) proxy_protocol: bool,

    /// do not log requests
    ///
    /// Warnings, such as that a process has crashed or a CGI program has failed, are still
    /// written to standard error.
    #[arg(short, long, help_heading = "Logging and monitoring")]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) monitoring: Monitoring,

    /// print completions for bash, elvish, fish, powershell or zsh
    #[arg(long, value_name = "SHELL", help_heading = "Documentation")]
    #[arg(hide_possible_values = true)]
    pub(crate) completions: Option<Shell>,

    /// print the manual page in the format of man(7)
    #[arg(long, help_heading = "Documentation")]
    pub(crate) man: bool,

    /// print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Documentation")]
    version: Option<bool>,
}

impl Args {
    /// Reads the command line. If there is nothing to serve, writes the reason or the help, and
    /// returns the status to exit with.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        let words: Vec<OsString> = env::args_os().collect();
        let number = number_as_value(&words);
        let words = in_two_words(words);
        let read = Self::command().try_get_matches_from(&words).and_then(|given| {
            let mut args = Self::from_arg_matches(&given)?;
            together::check(&given).map_err(Self::refusal)?;
            args.check()?;
            args.check_tls()?;
            if let Some((name, value)) = number
                && args.port.is_none()
                && args.unix.is_none()
            {
                complain(&format_args!(
                    "{value} is taken as the value of the header {name}, and no port is given"
                ));
            }
            Ok(args)
        });
        read.map_err(|error| {
            if error.use_stderr() {
                complain(&in_one_line(&error, &words));
                ExitCode::from(2)
            } else {
                documents::printed(error.print()).map_or_else(
                    |error| {
                        complain(&error);
                        ExitCode::FAILURE
                    },
                    |()| ExitCode::SUCCESS,
                )
            }
        })
    }

    /// Tells whether HTTPS is served.
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

    /// The proxies whose reports of client addresses are believed, and the header to read.
    pub(crate) fn trusted_proxies(&self) -> TrustedProxies {
        let trusted = self.trusted_proxies.clone().unwrap_or_default();
        match self.forwarded_header {
            None => trusted,
            Some(Forwarded::Forwarded) => trusted.reading_only(ForwardedHeader::Forwarded),
            Some(Forwarded::XForwardedFor) => trusted.reading_only(ForwardedHeader::XForwardedFor),
        }
    }

    /// The headers to add to every response.
    ///
    /// # Errors
    ///
    /// The text names the header that cannot be sent, and the reason.
    pub(crate) fn headers(&self) -> Result<Vec<Header>, String> {
        let pairs = self.header.chunks_exact(2);
        pairs.map(|pair| Header::new(&pair[0], &pair[1])).collect()
    }

    fn check(&mut self) -> Result<(), clap::Error> {
        let checked = self.headers().and_then(|headers| self.access.check_headers(&headers));
        let checked = checked.and_then(|()| self.pages.check());
        let checked = checked.and_then(|()| self.monitoring.check());
        let checked = checked.and_then(|()| self.running.check(self.quiet));
        checked.and_then(|()| self.access.check()).map_err(Self::refusal)?;
        for (limit, option, strategy) in [
            (self.max_threads, "--max-threads", Strategy::Threading),
            (self.max_children, "--max-children", Strategy::Forking),
        ] {
            if limit.is_some() && self.concurrency != strategy {
                let message = format!("{option} works with --concurrency {strategy} only");
                return Err(Self::refusal(message));
            }
        }
        Ok(())
    }

    fn refusal(message: String) -> clap::Error {
        Self::command().error(ErrorKind::ValueValidation, message)
    }

    /// Checks in the order and with the messages of Python 3.14, and reads the password.
    fn check_tls(&mut self) -> Result<(), clap::Error> {
        let refuse = |message: String| Err(Self::refusal(message));
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
            return refuse("HTTPS needs a port and does not work with --unix".to_owned());
        }
        if let Some(path) = &self.tls_password_file {
            match secrets::password(path) {
                Ok(password) => self.tls_password = Some(password),
                Err(error) => {
                    let name = path.display();
                    return refuse(format!("Failed to read TLS password file: {error}: '{name}'"));
                }
            }
        }
        Ok(())
    }
}
