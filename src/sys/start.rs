//! Starting programs: with three descriptors alone, and a limit of them.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::unistd::{Pid, getpid};

/// Has a program begin with three descriptors alone and, if one is given, with this soft limit of
/// them; and has it killed when the thread ends that starts it. What the system cannot do, or
/// forbids as a filter of system calls may, is left out: the program starts all the same.
///
/// Where descriptors have to be known to be closed, those are that were there when
/// [`note_descriptors`] was called first: what the server opens itself is closed by any exec.
pub(crate) fn isolate(command: &mut Command, descriptor_limit: Option<u64>) {
    let limits = descriptor_limit.and_then(|limit| limits(limit).ok());
    let (server, inherited) = (getpid(), note_descriptors());
    let prepare = move || {
        end_with(server)?;
        if let Some((soft, hard)) = limits {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
        // Marked, not closed: by one of them `std` hears of an exec that fails.
        close_range_at_exec(3);
        for &descriptor in inherited {
            // SAFETY: a plain call with plain numbers; it fails for what is closed by now.
            unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
        Ok(())
    };
    // SAFETY: between fork and exec, where another thread may hold any lock, the closure makes
    // async-signal-safe calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// The soft limit that is wanted, as far as the hard one allows it, and that.
fn limits(wanted: u64) -> nix::Result<(rlim_t, rlim_t)> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok((rlim_t::try_from(wanted).map_or(hard, |soft| soft.min(hard)), hard))
}

/// Has the kernel kill this process when the thread that has forked it ends.
#[cfg(target_os = "linux")]
fn end_with(parent: Pid) -> io::Result<()> {
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    // Otherwise it has ended already.
    if nix::unistd::getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

#[cfg(not(target_os = "linux"))]
fn end_with(_: Pid) -> io::Result<()> {
    Ok(())
}

/// Has descriptors from this one on closed by an exec; false where the system has no such call.
#[cfg(target_os = "linux")]
fn close_range_at_exec(first: libc::c_uint) -> bool {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: a plain call with plain numbers, which closes nothing here.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn close_range_at_exec(_: libc::c_uint) -> bool {
    false
}

/// The children of a process that it has forked and that have executed no program. None are found
/// where the system does not tell.
#[cfg(target_os = "linux")]
pub(crate) fn copies_of(parent: Pid) -> Vec<Pid> {
    // proc_pid_stat(5): the ninth field, of which this flag is `PF_FORKNOEXEC`. The second one is
    // in parentheses and may have any bytes.
    let is_copy = |child: &Pid| {
        let status = std::fs::read(format!("/proc/{child}/stat")).unwrap_or_default();
        let end = status.iter().rposition(|byte| *byte == b')').unwrap_or(0);
        let fields = String::from_utf8_lossy(&status[end..]);
        let flags = fields.split(' ').nth(7).and_then(|flags| flags.parse::<u32>().ok());
        flags.is_some_and(|flags| flags & 0x40 != 0)
    };
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap_or_default();
    let numbers = children.split(' ').filter_map(|number| number.parse().ok());
    numbers.map(Pid::from_raw).filter(is_copy).collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn copies_of(_: Pid) -> Vec<Pid> {
    Vec::new()
}

/// Takes note of the descriptors beside the first three that an exec leaves open, where they have
/// to be known. Looking takes time in proportion to all that are open, so it is done once.
pub(crate) fn note_descriptors() -> &'static [RawFd] {
    static NOTED: OnceLock<Vec<RawFd>> = OnceLock::new();
    // There is no such descriptor from here on, so that this only asks whether it can be done.
    let has_to_know = || !close_range_at_exec(libc::c_uint::MAX);
    NOTED.get_or_init(|| if has_to_know() { inheritable_descriptors() } else { Vec::new() })
}

/// What becomes readable when a child of this process ends, which is not reaped by that.
///
/// # Errors
///
/// The system has no such descriptor (Linux before 5.3), forbids it or has no descriptor left.
#[cfg(target_os = "linux")]
pub(crate) fn exit_notice(child: Pid) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;

    // SAFETY: a plain call with plain numbers.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, child.as_raw(), 0) };
    let opened = RawFd::try_from(Errno::result(opened)?).map_err(io::Error::other)?;
    // SAFETY: it was just opened, and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(opened) })
}

#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
))]
pub(crate) fn exit_notice(child: Pid) -> io::Result<OwnedFd> {
    use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

    let queue = Kqueue::new()?;
    let child = usize::try_from(child.as_raw()).map_err(io::Error::other)?;
    let (filter, flags) = (EventFilter::EVFILT_PROC, EvFlags::EV_ADD);
    let ends = KEvent::new(child, filter, flags, FilterFlag::NOTE_EXIT, 0, 0);
    match queue.kevent(&[ends], &mut [], None) {
        Ok(_) => Ok(queue.into()),
        // Some do not find a child that has ended already. The end of a pipe is readable.
        Err(Errno::ESRCH) => Ok(nix::unistd::pipe()?.0),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
pub(crate) fn exit_notice(_: Pid) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

fn inheritable_descriptors() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/dev/fd").into_iter().flatten();
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // SAFETY: a plain call with a plain number.
    let flags = |number: RawFd| unsafe { libc::fcntl(number, libc::F_GETFD) };
    let is_left = |&number: &RawFd| number > 2 && flags(number) & libc::FD_CLOEXEC == 0;
    numbers.filter(is_left).collect()
}
