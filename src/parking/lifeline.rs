//! Tells jobs in child processes that their server stops, or is gone.

use std::io;
use std::net::Shutdown;
use std::sync::Mutex;

use super::lock;

use crate::os::{self, AsFd, BorrowedFd, PairEnd};

/// A descriptor that becomes readable, in every process that has a copy, when it is cut or when
/// the last holder of its other end is gone. Children let go of that end, so the server is the
/// holder.
#[derive(Debug)]
pub(super) struct Lifeline {
    servers_end: Mutex<Option<PairEnd>>,
    childrens_end: PairEnd,
}

impl Lifeline {
    pub(super) fn new() -> io::Result<Self> {
        let (servers_end, childrens_end) = os::pair()?;
        Ok(Self { servers_end: Mutex::new(Some(servers_end)), childrens_end })
    }

    /// Tells all children, even where another process holds a copy of this end.
    pub(super) fn cut(&self) {
        if let Some(servers_end) = &*lock(&self.servers_end) {
            // Fails only where it was cut before.
            let _ = servers_end.shutdown(Shutdown::Both);
        }
    }

    /// In a child process: lets go of the server's end.
    pub(super) fn leave_to_parent(&self) {
        drop(lock(&self.servers_end).take());
    }

    /// Tells whether it was cut, or the server is gone.
    pub(super) fn is_cut(&self) -> bool {
        os::is_readable(self)
    }
}

impl AsFd for Lifeline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.childrens_end.as_fd()
    }
}
