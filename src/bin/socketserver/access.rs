//! Options about who may ask for files.

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use socketserver::Address;
use socketserver::http::{BaseHttpRequestHandler, BasicAuth, Cors, HttpRequestHandler, Users};

use crate::complain;
use crate::header::Header;
use crate::host_text::is_number;

/// The options, and what was read because of them.
#[derive(Args, Debug)]
#[command(next_help_heading = "Access")]
pub(crate) struct Access {
    /// let pages of other origins read responses; may be repeated
    ///
    /// The scripts of a page at ORIGIN, such as https://example.org, may read every response,
    /// errors included, and send the passwords and cookies of their users. Without an origin those
    /// of every page may, and send none; nor do those of the origin null. Preflights are answered
    /// without a password; other requests with OPTIONS are 501, as without --cors.
    #[arg(long, value_name = "ORIGIN", num_args = 0..=1, default_missing_value = ALL)]
    cors: Vec<String>,

    /// ask for a user and a password; may be repeated
    ///
    /// HASH is a hash of the password: htpasswd -nB USER prints both, openssl passwd -6 a hash.
    /// For a shell it has to be in single quotes. Hashes of bcrypt and of SHA-256 and SHA-512 crypt
    /// are accepted. Every request needs a password, but for the path of --healthz. All users of
    /// this machine can read the hash in the output of ps; --auth-file keeps it from them.
    #[arg(long, value_name = "USER:HASH", allow_hyphen_values = true)]
    auth: Vec<String>,

    /// ask for a user and a password of this file; may be repeated
    ///
    /// A line for each user, USER:HASH, as htpasswd -B writes it. The users of all files may enter;
    /// none may be named twice. The file may not be in the directory that is served. SIGHUP reads
    /// it again; users that came through a pipe stay. If it has no users then, every password is
    /// refused; if it cannot be used, the old users stay.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) auth_file: Vec<PathBuf>,

    /// take passwords over HTTP from other machines, too
    ///
    /// Without it, --auth and --auth-file need HTTPS, an address such as 127.0.0.1 or ::1, or a
    /// Unix socket. It is for servers behind a proxy that speaks HTTPS.
    #[arg(long)]
    auth_in_clear_text: bool,

    /// Those who may enter.
    #[arg(skip)]
    users: Option<Users>,
}

impl Access {
    /// Reads who may enter.
    ///
    /// # Errors
    ///
    /// The text is the line for the user, and does not repeat what may be a password.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.check_cors()?;
        if self.auth.is_empty() && self.auth_file.is_empty() {
            return Ok(());
        }
        let mut users = Users::default();
        for line in &self.auth {
            users = users.user(line).map_err(|error| format!("--auth: {error}"))?;
        }
        for path in &self.auth_file {
            users = users.file(path).map_err(|error| format!("--auth-file: {error}"))?;
        }
        if users.is_empty() {
            return Err("--auth-file: there is no user in it; add one with htpasswd -B".to_owned());
        }
        self.users = Some(users);
        Ok(())
    }

    /// Checks that no header takes the place of what `--cors` sends.
    ///
    /// # Errors
    ///
    /// The text names the header.
    pub(crate) fn check_headers(&self, headers: &[Header]) -> Result<(), String> {
        let own = ["Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"];
        let taken = own.iter().find(|name| headers.iter().any(|header| header.is_named(name)));
        match taken {
            Some(name) if !self.cors.is_empty() => {
                Err(format!("--cors sends {name} itself; leave out one of the two"))
            }
            _ => Ok(()),
        }
    }

    fn check_cors(&self) -> Result<(), String> {
        if self.cors.len() > 1 && self.cors.iter().any(|origin| origin == ALL) {
            let message = "--cors without an origin is for all pages; leave the others out";
            return Err(message.to_owned());
        }
        if self.cors.iter().any(String::is_empty) {
            let message = "--cors: the origin is empty; --cors alone is for all pages";
            return Err(message.to_owned());
        }
        if let Some(port) = self.cors.iter().find(|origin| is_number(origin)) {
            return Err(format!(
                "{port} is taken as the origin of --cors; give the port first: \
                 socketserver {port} --cors"
            ));
        }
        self.with_cors(BaseHttpRequestHandler).map(drop).map_err(|error| format!("--cors: {error}"))
    }

    /// Lets pages of other origins read a handler's responses, if that is asked for.
    ///
    /// # Errors
    ///
    /// None, as the origins were checked.
    pub(crate) fn share(
        &self,
        handler: Box<dyn HttpRequestHandler>,
    ) -> io::Result<Box<dyn HttpRequestHandler>> {
        if self.cors.is_empty() {
            return Ok(handler);
        }
        Ok(Box::new(self.with_cors(handler)?))
    }

    fn with_cors<H: HttpRequestHandler>(&self, handler: H) -> io::Result<Cors<H>> {
        let named = self.cors.iter().filter(|origin| *origin != ALL);
        named
            .into_iter()
            .try_fold(Cors::new(handler).with_credentials(), |cors, origin| cors.only_for(origin))
    }

    /// Says which files with hashes everybody on this machine can read.
    pub(crate) fn warn(&self) {
        for path in self.users.iter().flat_map(Users::files_for_everybody) {
            let name = path.display();
            complain(&format_args!(
                "every user of this machine can read '{name}'; change that with chmod o-r"
            ));
        }
    }

    /// Checks that no password is asked for in clear text over a network. `near` says how this
    /// machine alone is served.
    ///
    /// # Errors
    ///
    /// The text says what to do.
    pub(crate) fn check_clear_text(&self, address: &Address, near: &str) -> io::Result<()> {
        let is_far = address.ip().is_some_and(|ip| !ip.to_canonical().is_loopback());
        if self.users.is_some() && !self.auth_in_clear_text && is_far {
            return Err(crate::wrong_usage(&format!(
                "passwords would cross the network in clear text: serve HTTPS with --tls-cert or \
                 --tls-self-signed, or this machine only with {near}; behind a proxy that speaks \
                 HTTPS, add --auth-in-clear-text"
            )));
        }
        Ok(())
    }

    /// Tells whether a password is asked for.
    pub(crate) fn asks_for_password(&self) -> bool {
        self.users.is_some()
    }

    /// Tells whether SIGHUP has something to read.
    pub(crate) fn has_files(&self) -> bool {
        !self.auth_file.is_empty()
    }

    /// Asks for passwords in front of a handler, if that is asked for.
    pub(crate) fn guard(
        &self,
        handler: Box<dyn HttpRequestHandler>,
        healthz: Option<&str>,
    ) -> Box<dyn HttpRequestHandler> {
        let Some(users) = self.users.clone() else { return handler };
        let guarded = BasicAuth::new(handler, users);
        Box::new(match healthz {
            Some(path) => guarded.open_to_all(path),
            None => guarded,
        })
    }

    /// Tells whether any handler is put around that of the files.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.users.is_some() || !self.cors.is_empty()
    }
}

/// Stands for every origin.
const ALL: &str = "*";
