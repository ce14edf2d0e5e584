//! Sends a file, by the kernel alone where it can.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use super::client_socket::ClientSocket;
use super::line_out::Sent;
#[cfg(target_os = "linux")]
use crate::os::cannot_send_file;
use crate::os::read_at;

/// Has the kernel send `count` bytes of a file from `offset` on. Adds to `taken` what it has taken,
/// also where it fails then.
#[cfg(target_os = "linux")]
pub(super) fn send_by_kernel(
    socket: &ClientSocket,
    limit: Option<Duration>,
    (file, offset, count): (&File, u64, u64),
    taken: &mut u64,
) -> io::Result<Sent> {
    if socket.is_secure() {
        // The kernel does not encrypt.
        return Ok(Sent::Part(0));
    }
    {
        let mut unsent = socket.unsent();
        let sent = socket.send_all_more(&unsent, limit);
        unsent.clear();
        sent?;
    }
    let out_of_range = |_| io::Error::new(io::ErrorKind::InvalidInput, "file offset out of range");
    let mut position = i64::try_from(offset).map_err(out_of_range)?;
    let mut left = count;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(MAX_SENDFILE);
        match socket.send_some_of_file(file, &mut position, piece, limit) {
            Ok(0) => break,
            Ok(sent) => {
                left -= sent as u64;
                *taken += sent as u64;
            }
            Err(error) if cannot_send_file(&error) => return Ok(Sent::Part(count - left)),
            Err(error) => return Err(error),
        }
    }
    Ok(Sent::All(count - left))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn send_by_kernel(
    _: &ClientSocket,
    _: Option<Duration>,
    _: (&File, u64, u64),
    _: &mut u64,
) -> io::Result<Sent> {
    Ok(Sent::Part(0))
}

/// Writes `count` bytes of a file from `offset` on, or as many as there are; returns how many.
pub(crate) fn copy_file(
    target: &mut impl Write,
    file: &File,
    offset: u64,
    count: u64,
) -> io::Result<u64> {
    let size = usize::try_from(count).unwrap_or(usize::MAX).min(COPY_BUFFER);
    let mut buffer = vec![0; size];
    let mut sent = 0;
    while sent < count {
        let wanted = usize::try_from(count - sent).unwrap_or(usize::MAX).min(size);
        let read = read_at(file, &mut buffer[..wanted], offset + sent)?;
        if read == 0 {
            break;
        }
        target.write_all(&buffer[..read])?;
        sent += read as u64;
    }
    Ok(sent)
}

/// Bytes of a file that are in memory at once.
const COPY_BUFFER: usize = 64 * 1024;

/// Bytes that one sendfile call is asked for; the kernel's own limit is just under 2 GiB.
#[cfg(target_os = "linux")]
const MAX_SENDFILE: usize = 1 << 30;
