//! Descriptors that are closed together.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

#[cfg(target_os = "linux")]
use nix::libc;

/// Descriptors whose owners are forgotten: in a forked child, where dropping the owners would write
/// to the memory of each.
///
/// They are closed in runs, as those of clients that wait mostly are. Beside 1,000 of those a
/// request that is forked for takes 0.43 ms, and 0.37 ms alone (the least of 60). Closing each, and
/// freeing what it had, it took 1.45 ms, and 4.4 ms where each of them had sent half a head.
#[derive(Debug, Default)]
pub(crate) struct Ownerless(Vec<RawFd>);

/// The number of a descriptor, which another owns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DescriptorNumber(RawFd);

impl DescriptorNumber {
    pub(crate) fn of(descriptor: &impl AsFd) -> Self {
        Self(descriptor.as_fd().as_raw_fd())
    }
}

impl Ownerless {
    /// Adds a descriptor that is open. What owns it is to be forgotten before
    /// [`close`](Self::close).
    pub(crate) fn add(&mut self, descriptor: DescriptorNumber) {
        self.0.push(descriptor.0);
    }

    /// Closes all of them.
    pub(crate) fn close(mut self) {
        self.0.sort_unstable();
        for run in self.0.chunk_by(|one, next| one + 1 == *next) {
            if run.len() == 1 || !close_range(run[0], run[run.len() - 1]) {
                for &descriptor in run {
                    // SAFETY: it was open when it was added, and its owner is forgotten: this is
                    // the one that it has now.
                    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
                }
            }
        }
    }
}

/// Closes the descriptors from the first to the last; false where the system cannot.
#[cfg(target_os = "linux")]
fn close_range(first: RawFd, last: RawFd) -> bool {
    // SAFETY: a call with plain numbers, of descriptors that were open when they were added and
    // whose owners are forgotten.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn close_range(_: RawFd, _: RawFd) -> bool {
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use std::io::{Read, Write};
    use std::mem;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn runs_are_closed_and_what_lies_between_them_is_not() {
        let (one, mut other) = UnixStream::pair().unwrap();
        let mut copies: Vec<UnixStream> = (0..8).map(|_| one.try_clone().unwrap()).collect();
        let mut kept = copies.remove(3);
        drop(one);
        let mut ownerless = Ownerless::default();
        for copy in copies.into_iter().rev() {
            ownerless.add(DescriptorNumber::of(&copy));
            mem::forget(copy);
        }
        ownerless.close();
        kept.write_all(b"k").unwrap();
        drop(kept);
        let mut bytes = Vec::new();
        // Its end comes when no copy is open any more.
        other.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"k");
    }
}
