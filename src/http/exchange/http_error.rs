//! An error that says how its request is to be answered.

use std::error::Error;
use std::fmt;
use std::io;

use crate::http::message::status::Status;
use crate::http::url::ValueError;

/// An error that a handler returns with `?`, and that says how the request is answered.
///
/// The client gets [`send_error`](crate::http::Exchange::send_error) with this status and message,
/// and the connection is closed. [`handle_error`](crate::http::HttpRequestHandler::handle_error)
/// does not hear of it: that a client is mistaken is no failure of the server, and the log has its
/// line from `send_error`. Where a response has left already, the client can be told no more; then
/// the error is reported as any other.
///
/// It is found inside an [`io::Error`], however deep other errors wrap it. Python has no such
/// thing; there a handler calls `send_error` and returns.
///
/// ```
/// use std::io;
/// use socketserver::http::{Exchange, HttpError, HttpRequestHandler};
///
/// struct Squares;
///
/// impl HttpRequestHandler for Squares {
///     fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
///         let number: u32 = http.path[1..].parse().map_err(|_| HttpError::new(404, "No number"))?;
///         http.send_response(200)?;
///         http.send_header("X-Square", u64::from(number).pow(2))
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpError {
    /// The status of the answer.
    pub status: Status,
    /// The message in its status line and on its page.
    pub message: String,
}

impl HttpError {
    /// An error that is answered with this status and message; with 500 where the number is not a
    /// status.
    pub fn new(status: impl TryInto<Status>, message: impl Into<String>) -> Self {
        let status = status.try_into().unwrap_or(Status::INTERNAL_SERVER_ERROR);
        Self { status, message: message.into() }
    }

    /// What a client is told when there is no room on the disk for its `what`; `None` where storing
    /// that failed otherwise, as the state of the server's files does not concern the client.
    pub(crate) fn no_room(what: &str, error: &io::Error) -> Option<Self> {
        is_full(error).then(|| Self::new(507, format!("No room for the {what}")))
    }

    /// Finds the first such error inside another one, or an error that an [`Answer`] belongs to.
    pub(crate) fn inside(error: &io::Error) -> Option<Self> {
        let mut next = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found.clone());
            }
            if let Some(answer) = error.source().and_then(|source| source.downcast_ref()) {
                let Answer { status, message } = answer;
                return Some(match message {
                    Some(message) => Self::new(*status, *message),
                    None => Self::new(*status, error.to_string()),
                });
            }
            // The source of an `io::Error` is not what it holds, but the source of that.
            next = match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
                Some(inner) => inner.map(|inner| inner as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

/// How a request is answered that failed with the error whose `source` this is: for the errors of
/// rooms above, which have types of their own and are not known here.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    /// The error's own words where there are no others for the client.
    pub(crate) message: Option<&'static str>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered {}", self.status)
    }
}

impl Error for Answer {}

/// Tells whether a file has no room left to grow.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// As in a status line: `404 No number`.
impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.message)
    }
}

impl Error for HttpError {}

impl From<HttpError> for io::Error {
    fn from(error: HttpError) -> Self {
        Self::other(error)
    }
}

/// A URL that cannot be taken apart is most likely its client's.
impl From<ValueError> for io::Error {
    fn from(error: ValueError) -> Self {
        HttpError::new(400, error.to_string()).into()
    }
}
