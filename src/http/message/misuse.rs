//! The error of a call that the protocol does not allow.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

/// A call of a handler that HTTP does not allow: a header after the head has ended, a body that is
/// longer than its `Content-Length`.
///
/// It is inside the [`io::Error`] that the call returns, which is of the kind `InvalidInput`.
///
/// ```
/// use std::io;
/// use socketserver::http::{Exchange, HttpRequestHandler, Misuse, MisuseKind};
///
/// struct Late;
///
/// impl HttpRequestHandler for Late {
///     fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
///         http.send_response(200)?;
///         http.end_headers()?;
///         let error = http.send_header("X-Late", "yes").unwrap_err();
///         assert_eq!(Misuse::inside(&error).map(Misuse::kind), Some(MisuseKind::HeadEnded));
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse {
    kind: MisuseKind,
    what: Cow<'static, str>,
}

/// What a [`Misuse`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MisuseKind {
    /// A response is begun, by `send_response` or `send_error`, and one was begun before.
    ResponseBegun,
    /// A header, the head's end or a body comes, and no response was begun.
    NoResponse,
    /// A body, or `flush_headers`, comes before `end_headers`.
    HeadNotEnded,
    /// A header or a head's end comes after `end_headers`.
    HeadEnded,
    /// The response is complete, or the connection was taken over.
    ResponseEnded,
    /// A number is not a status.
    InvalidStatus,
    /// A header's name or value, or a reason, cannot be sent.
    InvalidHeader,
    /// Two headers contradict each other on where the body ends, or one of them is malformed.
    InvalidLength,
    /// The handler writes chunks by itself, and they are malformed.
    InvalidChunk,
    /// The body is longer than its `Content-Length`.
    TooLong,
}

impl Misuse {
    /// What it is about.
    pub fn kind(&self) -> MisuseKind {
        self.kind
    }

    /// The misuse inside an error, if that is what it is.
    pub fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Misuse {}

/// The error of a call that the protocol does not allow, by a handler.
pub(crate) fn misuse(kind: MisuseKind, what: impl Into<Cow<'static, str>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, Misuse { kind, what: what.into() })
}
