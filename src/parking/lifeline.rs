//! Tells jobs in child processes that their server stops, or is gone.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

/// A descriptor that becomes readable, in every process that has a copy, when it is cut or when
/// the last holder of its other end is gone. Children close that end, so the server is the holder.
#[derive(Debug)]
pub(super) struct Lifeline {
    servers_end: UnixStream,
    childrens_end: UnixStream,
}

impl Lifeline {
    pub(super) fn new() -> io::Result<Self> {
        let (servers_end, childrens_end) = UnixStream::pair()?;
        Ok(Self { servers_end, childrens_end })
    }

    /// Tells everybody, whoever else holds copies.
    pub(super) fn cut(&self) {
        // Fails only where it was cut before.
        let _ = self.servers_end.shutdown(Shutdown::Both);
    }

    /// What a child closes first.
    pub(super) fn servers_end(&self) -> RawFd {
        self.servers_end.as_raw_fd()
    }
}

impl AsFd for Lifeline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.childrens_end.as_fd()
    }
}
