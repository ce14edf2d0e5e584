//! What a script writes to its standard error: lines for the log, within bounds.

use std::io::{self, Read};
use std::process::ChildStderr;

use memchr::memchr;

use crate::http::exchange::Exchange;

/// Splits standard error into lines and logs them.
#[derive(Debug)]
pub(super) struct ErrorLines {
    /// A line without its end so far.
    line: Vec<u8>,
    /// Bytes that may still be logged.
    left: usize,
    is_over: bool,
}

impl ErrorLines {
    /// Bytes that are read at once.
    pub(super) const READ_SIZE: usize = 4096;

    pub(super) fn new(limit: usize) -> Self {
        Self { line: Vec::new(), left: limit, is_over: false }
    }

    /// Reads once, from a pipe that is ready, and closes it at its end.
    pub(super) fn read(
        &mut self,
        pipe: &mut Option<ChildStderr>,
        http: &Exchange<'_>,
    ) -> io::Result<()> {
        let Some(source) = pipe else { return Ok(()) };
        let mut buffer = [0; Self::READ_SIZE];
        let count = source.read(&mut buffer)?;
        if count == 0 {
            *pipe = None;
            self.end_line(http);
        }
        self.take(&buffer[..count], http);
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], http: &Exchange<'_>) {
        while let Some(end) = memchr(b'\n', bytes) {
            self.extend(&bytes[..end], http);
            self.end_line(http);
            // A line costs the log more than its bytes.
            self.left = self.left.saturating_sub(1);
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes, http);
    }

    fn extend(&mut self, bytes: &[u8], http: &Exchange<'_>) {
        for piece in bytes.chunks(LONGEST_LINE) {
            if self.line.len() + piece.len() > LONGEST_LINE {
                self.end_line(http);
            }
            let kept = piece.len().min(self.left);
            self.line.extend_from_slice(&piece[..kept]);
            self.left -= kept;
            if kept < piece.len() && !self.is_over {
                self.is_over = true;
                self.end_line(http);
                http.log_error(format_args!("CGI script: more on standard error is not logged"));
            }
        }
    }

    fn end_line(&mut self, http: &Exchange<'_>) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if !line.is_empty() {
            http.log_error(format_args!("{}", String::from_utf8_lossy(line)));
        }
    }
}

/// Bytes of a line that are logged together.
const LONGEST_LINE: usize = 4096;
