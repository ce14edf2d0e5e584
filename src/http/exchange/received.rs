//! What a client has sent so far.

use std::io;
use std::time::Instant;

use crate::connection::WaitFor;
use crate::http::message::framing::BodyLength;
use crate::http::message::parse::{Head, Refusal};

/// What a client has sent so far: a request, or less.
pub(super) enum Received {
    /// A request, and as much of its body as is waited for.
    Request(Request),
    /// One that is not served.
    Refused(Refusal, Box<Head>),
    /// One whose body cannot be received.
    Failed(Box<Request>, io::Error),
    /// Less than a request. What was read is kept with the connection.
    Part(WaitFor),
    /// No request, and no further one will come.
    End,
}

/// A request that its handler can be called for.
pub(super) struct Request {
    pub(super) head: Head,
    pub(super) body: BodyLength,
    /// It came in clear text where TLS is expected.
    pub(super) in_clear: bool,
    /// When its head was complete, where that was some time ago.
    pub(super) since: Option<Instant>,
}
