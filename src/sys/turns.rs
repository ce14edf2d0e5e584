//! Turns that processes take by a lock on a file.

use std::fs::File;
use std::io;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// A file without a name, by which this process and those that are forked of it later take turns.
///
/// By a record lock of POSIX: it belongs to a process, is not inherited, and ends with it. Other
/// locks belong to an opened file, which a fork shares.
#[derive(Debug)]
pub(crate) struct TurnFile(File);

/// The turn of this process, until it is dropped.
#[derive(Debug)]
pub(crate) struct FileTurn<'a>(&'a TurnFile);

impl TurnFile {
    pub(crate) fn new() -> io::Result<Self> {
        unnamed_file().map(Self)
    }

    /// The turn, unless another process has it. Threads of one process must not call this at once.
    pub(crate) fn try_take(&self) -> Option<FileTurn<'_>> {
        self.set(libc::F_WRLCK as _).ok().map(|()| FileTurn(self))
    }

    fn set(&self, kind: libc::c_short) -> nix::Result<()> {
        // SAFETY: `flock` is plain data for which all zeroes is valid: from the start to the end.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = kind;
        lock.l_whence = libc::SEEK_SET as _;
        fcntl(&self.0, FcntlArg::F_SETLK(&lock)).map(drop)
    }
}

impl Drop for FileTurn<'_> {
    fn drop(&mut self) {
        // Fails for wrong arguments only.
        let _ = self.0.set(libc::F_UNLCK as _);
    }
}

#[cfg(target_os = "linux")]
fn unnamed_file() -> io::Result<File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};

    Ok(memfd_create(c"socketserver-log", MFdFlags::MFD_CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn unnamed_file() -> io::Result<File> {
    use nix::unistd::{mkstemp, unlink};

    // The system has it closed at an exec only where that is asked for.
    let (file, path) = mkstemp(&std::env::temp_dir().join("socketserver-log-XXXXXX"))?;
    unlink(&path)?;
    fcntl(&file, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    Ok(file.into())
}
