//! The error of a request that failed, with the line that says which one it was.

use std::error::Error;
use std::fmt;
use std::io;

use super::Exchange;
use crate::printable::quoted;

/// Adds to an error which request it is about. Its kind stays, and it is the source of the new one.
pub(crate) fn while_answering(requestline: &str, error: io::Error) -> io::Error {
    let requestline = quoted(requestline, '"');
    io::Error::new(error.kind(), Failure { requestline, error })
}

/// Logs what became of a response that has begun, and of which request that is.
pub(crate) fn log_while_answering(http: &Exchange<'_>, what: fmt::Arguments<'_>) {
    let requestline = quoted(http.requestline(), '"');
    http.log_error(format_args!("while answering {requestline}: {what}"));
}

#[derive(Debug)]
struct Failure {
    requestline: String,
    error: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "while answering {}: {}", self.requestline, self.error)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_request_and_stays_what_it_was() {
        let inner = io::Error::from_raw_os_error(nix::libc::ENOENT);
        let error = while_answering("GET /\x1b[31m\"\\\r HTTP/1.1", inner);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let text = error.to_string();
        assert_eq!(
            text.split_once(": ").map(|(before, _)| before),
            Some(r#"while answering "GET /\x1b[31m\"\\\r HTTP/1.1""#)
        );
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.and_then(io::Error::raw_os_error), Some(nix::libc::ENOENT));
    }
}
