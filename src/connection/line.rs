//! Lines with a limit.

use std::io::{self, BufRead, Read};

use super::rfile::Rfile;

impl Rfile {
    /// Reads a line, its end (`\n`) included, or `limit` bytes of it: Python's
    /// `self.rfile.readline(limit)`.
    ///
    /// Empty at the end of the stream; the last line may lack its end. A line that was cut by the
    /// limit has no line end either, and the next call goes on with its rest. `BufRead::read_until`
    /// and `lines` have no limit but the memory.
    ///
    /// # Errors
    ///
    /// `TimedOut` when the client sends nothing for the stall limit, and what the socket reports.
    /// What had come of the line is lost then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{self, Write};
    /// use socketserver::{Connection, handler_fn};
    ///
    /// let echo = handler_fn(|mut connection: Connection| {
    ///     loop {
    ///         let line = connection.rfile.readline(1024)?;
    ///         match line.last() {
    ///             None => return Ok(()),
    ///             Some(b'\n') => connection.wfile.write_all(&line)?,
    ///             Some(_) => return Err(io::ErrorKind::InvalidData.into()), // too long, or cut
    ///         }
    ///     }
    /// });
    /// # let _ = echo;
    /// ```
    pub fn readline(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        readline(self, limit)
    }
}

/// Reads a line, or `limit` bytes of it.
pub(crate) fn readline(input: &mut impl BufRead, limit: usize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    Read::take(input, limit as u64).read_until(b'\n', &mut line)?;
    Ok(line)
}
