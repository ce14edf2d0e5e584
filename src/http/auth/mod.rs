//! Users and passwords in front of any other handler: Basic authentication, RFC 7617.

mod clock;
mod credentials;
mod hash;
mod precedence;
mod turns;
mod users;
mod verified;

pub use users::Users;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::http::exchange::{Exchange, HttpRequestHandler, Refused, RequestHead};
use crate::http::message::headers::Headers;
use crate::http::message::status::Status;
use crate::http::message::target::{canonical, canonical_page};
use crate::os::processors;
use crate::signal::Signal;
use crate::stderr::report;
use crate::sys::SharedCounters;
use credentials::Credentials;
use hash::PasswordHash;
use precedence::{Login, Precedence, client};
use turns::Turns;
use verified::{Mark, Verified};

/// Lets only [`Users`] with their password reach another handler.
///
/// The password is checked before the method, and before a body is asked for. If it is missing or
/// wrong, the response to any request is 401. If it is right, [`Exchange::remote_user`] is the
/// user's name. Passwords are not encrypted: serve HTTPS, or loopback and Unix sockets only.
///
/// Verifying a password takes milliseconds to seconds, which is the purpose of its hash. So
///
/// - credentials that were right are [remembered](Self::remember_for) for 5 minutes, as a hash with
///   a secret of this server, in memory of a fixed size that the processes of a server share;
/// - [only so many](Self::verifications) are verified at the same time, by default on half of the
///   processors, and 24 wait, all in half of the server's threads or children at most; up to 512
///   wait beside them, in what is left of that half, for the verification of the same credentials
///   by another request. Further requests are answered 503 with `Retry-After`, and so are those
///   that wait when the server is to end. Logins of a client whose password was wrong in the last
///   minute give way to those of others that were refused so;
/// - an unknown name takes the time of a known one.
///
/// On SIGHUP, where the program [watches](crate::Server::watch_signals) it, the users' files are
/// read again, in all of the server's processes, also for connections that are open. If they cannot
/// be used, the old users stay. If they have no users, no password is right.
///
/// Python has nothing alike.
///
/// ```
/// use socketserver::ThreadingHttpServer;
/// use socketserver::http::{BasicAuth, SimpleHttpRequestHandler, Users};
///
/// let ada = "ada:$2y$04$O8pJIkw5mkYa4CCue8PCNuoLVRn7geZk01PDZYq6dufIcuWk5nh8C";
/// let users = Users::default().user(ada)?;
/// let handler = BasicAuth::new(SimpleHttpRequestHandler::new("/srv/www"), users);
/// let server = ThreadingHttpServer::bind("127.0.0.1:0", handler)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
pub struct BasicAuth<H> {
    handler: H,
    challenge: String,
    users: RwLock<Arc<Users>>,
    /// How often the users were read again, by any process, and by this one.
    readings: SharedCounters,
    seen: AtomicU64,
    verified: Verified,
    /// What was wrong a moment ago, for those that wait with the same credentials.
    wrong: Verified,
    turns: Turns,
    precedence: Precedence,
    time: Duration,
    /// Paths without a password, in their canonical spelling.
    open: Vec<Vec<u8>>,
}

impl<H: HttpRequestHandler> BasicAuth<H> {
    /// Lets these users reach this handler. Without users every request is answered 401.
    pub fn new(handler: H, users: Users) -> Self {
        Self {
            handler,
            challenge: challenge("Files"),
            users: RwLock::new(Arc::new(users)),
            readings: SharedCounters::new(1),
            seen: AtomicU64::new(0),
            verified: Verified::new(),
            wrong: Verified::new(),
            turns: Turns::new(processors() / 2, WAITING),
            precedence: Precedence::new(),
            time: REMEMBERED,
            open: Vec::new(),
        }
    }

    /// What browsers show and remember passwords for. Defaults to `Files`. Characters beyond
    /// printable ASCII are left out.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.challenge = challenge(realm);
        self
    }

    /// Answers GET and HEAD of this path, however it is spelled, without a password: for balancers
    /// that ask whether all is well.
    ///
    /// A path that does not begin with a slash, as `""`, is that of no request: nothing is open by
    /// it, and there is a warning in the log.
    #[must_use]
    pub fn open_to_all(mut self, path: impl Into<String>) -> Self {
        self.open.extend(canonical_page(&path.into()));
        self
    }

    /// How long credentials that were right are not verified again. Defaults to 5 minutes; with
    /// zero each request is verified.
    #[must_use]
    pub fn remember_for(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// How many passwords are verified at the same time in all processes of this server, at least
    /// one, and how many requests wait for that, beside those that wait for the verification of
    /// the same credentials by another request.
    ///
    /// Each of them holds a thread or a child. Of the requests that the server may run at once
    /// ([`ServerInfo::max_workers`](crate::ServerInfo::max_workers)) half are kept for those whose
    /// password need not be verified, whatever is said here; but one may always verify, and of
    /// three workers another may wait. Defaults to half of the processors, and 24.
    #[must_use]
    pub fn verifications(mut self, at_once: usize, waiting: usize) -> Self {
        self.turns = Turns::new(at_once, waiting);
        self
    }

    /// The handler within.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Reads the files of the users again, in this process and those forked from it.
    ///
    /// # Errors
    ///
    /// They cannot be used. The old users stay. Files without users are no error: no password is
    /// right then.
    pub fn reload(&self) -> io::Result<()> {
        self.read_again()?;
        let before = self.readings.cells()[0].fetch_add(1, Ordering::AcqRel);
        self.seen.store(before + 1, Ordering::Release);
        Ok(())
    }

    fn read_again(&self) -> io::Result<()> {
        let users = self.users().read_again()?;
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(users);
        Ok(())
    }

    fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The users as any process of this server has read them last.
    fn present_users(&self) -> Arc<Users> {
        let readings = self.readings.cells()[0].load(Ordering::Acquire);
        if self.seen.swap(readings, Ordering::AcqRel) != readings
            && let Err(error) = self.read_again()
        {
            report_kept(&error);
        }
        self.users()
    }

    /// Tells whether the password of these fields was verified a while ago.
    fn knows(&self, headers: &Headers) -> bool {
        let Some(credentials) = Credentials::of(headers) else { return false };
        let users = self.present_users();
        let compared = self.compared(&users, &credentials);
        compared.is_some_and(|(_, _, mark)| self.verified.knows(mark))
    }

    /// The hash that these credentials are compared with, whether it is that of their user, and
    /// what stands for both.
    fn compared<'u>(
        &self,
        users: &'u Users,
        credentials: &Credentials,
    ) -> Option<(&'u PasswordHash, bool, Mark)> {
        let number = self.verified.mark_of_name(&credentials.name).number();
        let (hash, is_users) = users.hash_for(&credentials.name, number)?;
        Some((hash, is_users, self.verified.mark(credentials, hash)))
    }

    /// The user who asks, if the password is right.
    fn user(&self, http: &Exchange<'_>) -> Result<String, Refused> {
        let credentials = Credentials::of(&http.headers).ok_or(Refused::Unknown)?;
        let users = self.present_users();
        let (hash, is_users, mark) = self.compared(&users, &credentials).ok_or(Refused::Unknown)?;
        let is_known = || self.verified.knows(mark);
        if is_known() {
            return Ok(credentials.name);
        }
        // A server that is to end would wait for all of them, one after the other.
        let is_wrong = || self.wrong.knows(mark);
        let is_over = || is_known() || is_wrong() || http.is_draining();
        let address = self.verified.mark_of_name(&client(http.client_address.ip())).number();
        let login = Login { address, credentials: mark.number() };
        let gives_way = self.precedence.gives_way(login);
        let wait = || self.turns.wait(login.credentials, http.server.max_workers(), is_over);
        let Some(_turn) = (!gives_way).then(wait).flatten() else {
            // Another request with these credentials may have been verified meanwhile.
            if is_known() {
                return Ok(credentials.name);
            }
            if !gives_way && is_wrong() {
                self.precedence.wrong(login);
                return Err(Refused::Unknown);
            }
            self.precedence.refused(login);
            return Err(Refused::Busy);
        };
        // Verified also for an unknown name, so that it takes the same time.
        if hash.is_of(&credentials.password) && is_users {
            self.verified.remember(mark, self.time);
            return Ok(credentials.name);
        }
        // With a time of zero each request is verified.
        self.wrong.remember(mark, self.time.min(TOLD_WRONG));
        self.precedence.wrong(login);
        Err(Refused::Unknown)
    }

    fn is_open(&self, http: &Exchange<'_>) -> bool {
        !self.open.is_empty()
            && matches!(http.command.as_str(), "GET" | "HEAD")
            && self.open.contains(&canonical(http.target().path()))
    }
}

impl<H: HttpRequestHandler> HttpRequestHandler for BasicAuth<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.handler
    }

    fn handle_one_request(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if self.is_open(http) {
            return self.handler.handle_one_request(http);
        }
        let refused = match self.user(http) {
            Ok(name) => {
                http.set_remote_user(name);
                return self.handler.handle_one_request(http);
            }
            Err(refused) => refused,
        };
        http.notes.refused = Some(refused);
        http.send_error(match refused {
            Refused::Unknown => Status::UNAUTHORIZED,
            Refused::Busy => Status::SERVICE_UNAVAILABLE,
        })
    }

    /// What a client sends whose password was not verified yet is not waited for.
    fn body_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        if self.knows(head.headers) { self.handler.body_buffer_size(head) } else { 0 }
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.notes.refused {
            Some(Refused::Unknown) => http.set_header("WWW-Authenticate", &self.challenge)?,
            Some(Refused::Busy) => http.set_header("Retry-After", 1)?,
            None => {}
        }
        self.handler.end_headers(http)
    }

    fn handle_signal(&self, signal: Signal) {
        if signal == Signal::HUP && self.users().has_files() {
            match self.reload() {
                Ok(()) if self.users().is_empty() => {
                    report(format_args!("there are no users now: every password is refused"));
                }
                Ok(()) => {}
                Err(error) => report_kept(&error),
            }
        }
        self.handler.handle_signal(signal);
    }
}

impl<H: fmt::Debug> fmt::Debug for BasicAuth<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth")
            .field("handler", &self.handler)
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

fn report_kept(error: &io::Error) {
    report(format_args!("the old users stay: {error}"));
}

fn challenge(realm: &str) -> String {
    let is_plain =
        |character: &char| matches!(character, ' '..='~') && !"\"\\".contains(*character);
    let realm: String = realm.chars().filter(is_plain).collect();
    format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")
}

/// How long credentials that were right are not verified again.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// How long those that wait hear that their credentials were wrong: a moment is enough. A request
/// that finds a turn has them verified again.
const TOLD_WRONG: Duration = Duration::from_secs(1);

/// Requests that wait for a verification.
const WAITING: usize = 24;
