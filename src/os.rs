//! What the crate names of the operating system where it needs no more than that: descriptors,
//! pairs of sockets, names as bytes. Unix has them here; another system has a file of its own.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read};
use std::num::NonZero;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{MsgFlags, recv};
#[cfg(feature = "auth")]
use nix::{sys::signal::kill, unistd::Pid};

mod file_identity;

#[cfg(feature = "files")]
pub(crate) use file_identity::FileIdentity;
pub(crate) use file_identity::OpenFile;
pub(crate) use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
/// One end of a [`pair`].
pub(crate) use std::os::unix::net::UnixStream as PairEnd;

/// Two sockets that are connected to each other.
pub(crate) fn pair() -> io::Result<(PairEnd, PairEnd)> {
    PairEnd::pair()
}

/// Tells whether there is something to read, or an end, without waiting.
pub(crate) fn is_readable(descriptor: &impl AsFd) -> bool {
    let mut descriptors = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    poll(&mut descriptors, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

/// Tells whether there is room for what is written, or no use in waiting for some.
pub(crate) fn is_writable(descriptor: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLOUT)];
    poll(&mut polled, PollTimeout::ZERO) != Ok(0)
}

/// Tells whether there is something to read on an end of a pair, and not its end.
pub(crate) fn holds_bytes(end: &impl AsFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(end.as_fd().as_raw_fd(), &mut [0], flags).is_ok_and(|count| count > 0)
}

/// Waits until the other end of a pair is closed.
pub(crate) fn wait_for_hangup(end: &impl AsFd) {
    loop {
        let mut end = [PollFd::new(end.as_fd(), PollFlags::empty())];
        match poll(&mut end, PollTimeout::NONE) {
            Ok(0) | Err(Errno::EINTR) => {}
            // That of a descriptor that cannot be watched does not come to pass.
            Ok(_) | Err(_) => return,
        }
    }
}

/// The bytes of a name.
pub(crate) fn name_bytes<N: AsRef<OsStr> + ?Sized>(name: &N) -> &[u8] {
    name.as_ref().as_bytes()
}

/// The name with these bytes.
pub(crate) fn name_of(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// Reads from that position in a file, wherever its own is.
pub(crate) fn read_at(file: &File, target: &mut [u8], position: u64) -> io::Result<usize> {
    file.read_at(target, position)
}

/// Reads a regular file of at most 1 MiB whole.
pub(crate) fn read_small_file(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    let flags = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(unfit("it is no regular file"));
    }
    read_small(file)
}

/// Reads a regular file or a pipe of at most 1 MiB to its end, and waits for the pipe's writers.
pub(crate) fn read_small_input(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_fifo() {
        return Err(unfit("it is neither a regular file nor a pipe"));
    }
    read_small(file)
}

fn read_small(file: File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(LARGEST_SMALL_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST_SMALL_FILE {
        return Err(unfit("it is longer than 1 MiB"));
    }
    Ok(content)
}

fn unfit(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// Bytes.
const LARGEST_SMALL_FILE: u64 = 1 << 20;

/// The permissions of a new file.
pub(crate) fn new_permissions() -> Permissions {
    Permissions::from_mode(0o666)
}

/// The permissions of that file for its readers and writers, without bits that change the user.
pub(crate) fn plain_permissions(file: &Metadata) -> Permissions {
    Permissions::from_mode(file.permissions().mode() & 0o777)
}

/// Tells whether every user of this machine may read that file.
pub(crate) fn is_for_everybody(file: &Metadata) -> bool {
    file.permissions().mode() & 0o004 != 0
}

/// Processors that this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// The number of this process.
#[cfg(feature = "auth")]
pub(crate) fn process_number() -> u32 {
    std::process::id()
}

/// Tells whether there is no process of this number any more. One that its parent has not reaped is
/// still there.
#[cfg(feature = "auth")]
pub(crate) fn has_ended(process: u32) -> bool {
    let number = i32::try_from(process).unwrap_or(0);
    // 0 and less are groups of processes.
    number <= 0 || kill(Pid::from_raw(number), None) == Err(Errno::ESRCH)
}

/// Waits for nothing but time.
#[cfg(feature = "auth")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// How many descriptors the process may have, where the system tells.
pub(crate) fn descriptor_limit() -> Option<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    #[allow(clippy::useless_conversion, reason = "FreeBSD's limits are signed")]
    u64::try_from(soft).ok()
}

/// Tells whether the kernel cannot send a file by itself, as of some file systems.
#[cfg(target_os = "linux")]
pub(crate) fn cannot_send_file(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EINVAL | Errno::ENOSYS))
}

/// Tells whether the process or the system has run out of what opening a file takes.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
}

/// Tells whether a link was in the way of what follows none.
#[cfg(feature = "files")]
pub(crate) fn is_link_refused(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

/// A wait in whole milliseconds, so that it does not end just before what it waits for.
pub(crate) fn rounded_up(wait: Duration) -> Duration {
    wait.saturating_add(Duration::from_micros(999))
}

/// The name of this host, if it has one that is text.
pub(crate) fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

/// The flag by which a write to a socket whose peer is gone is an error and no signal.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;

/// There is no such flag; Rust's runtime ignores the signal.
#[cfg(target_vendor = "apple")]
pub(crate) const NO_SIGNAL: libc::c_int = 0;
