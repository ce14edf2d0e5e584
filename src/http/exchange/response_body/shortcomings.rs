//! How a response falls short, for the log.

use std::io;

use super::{Framing, ResponseBody, Stage};

impl ResponseBody {
    /// Tells whether the response has ended as its head says, and the kernel has taken all of it:
    /// not so in [`finish`](crate::http::HttpRequestHandler::finish) for a download that was left.
    pub fn is_complete(&self) -> bool {
        let is_whole = self.framing.is_whole() && !self.is_coded() && !self.has_left();
        self.stage == Stage::Done && self.failure.is_none() && is_whole
    }

    /// How the body falls short of what its head has said, where the client could have read it.
    pub(crate) fn shortfall(&self) -> Option<String> {
        if self.failure.is_some() {
            return None;
        }
        let (written, length) = match self.framing {
            _ if self.is_coded() => self.coded_shortfall()?,
            _ if self.framing.is_whole() => return None,
            Framing::Length(left) => (self.written, self.written + left),
            _ => return Some("the response ended without its last chunk".to_owned()),
        };
        Some(format!("the response ended after {written} of {length} bytes of its Content-Length"))
    }

    /// How much was sent when the client took too little of the body, if that is how it ended.
    pub(crate) fn stall(&self) -> Option<String> {
        self.failure.filter(|kind| *kind == io::ErrorKind::TimedOut)?;
        let sent = self.written;
        let of_all = match self.framing {
            Framing::Length(left) => format!("{sent} of {}", sent + left),
            _ => sent.to_string(),
        };
        let shortcoming = self.output.shortcoming()?;
        Some(format!("gave up after {of_all} bytes: the client {shortcoming}"))
    }
}
