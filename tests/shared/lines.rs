//! Handlers of lines.

use std::io::{self, BufRead, Write};

use socketserver::Connection;

/// Answers a line with the same line and parks. Waits with the server for lines that are
/// incomplete.
pub(crate) fn echo_lines(mut connection: Connection) -> io::Result<()> {
    if !connection.rfile.unread().contains(&b'\n') {
        match connection.rfile.receive() {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
    if !connection.rfile.unread().contains(&b'\n') {
        return connection.park_for_more();
    }
    let line = read_line(&mut connection)?;
    connection.wfile.write_all(line.as_bytes())?;
    connection.park()
}

/// Reads a line with its end, or what comes before the end of the stream.
pub(crate) fn read_line(connection: &mut Connection) -> io::Result<String> {
    let mut line = String::new();
    connection.rfile.read_line(&mut line)?;
    Ok(line)
}
