//! A filter of system calls, as container runtimes install one, and as some file systems answer.
#![allow(unsafe_code, reason = "there is no safe call for it, and only tests install one")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::libc::{self, sock_filter};

/// Has a program run under a filter: the pieces that [`call`] returns.
pub(crate) fn install(command: &mut Command, pieces: Vec<sock_filter>) {
    let mut filter = [vec![load(0)], pieces, vec![allow()]].concat();
    let do_install = move || {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).unwrap_or_default(),
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: plain numbers, and a filter that lives during the call.
        let installed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
        };
        if installed { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes two system calls.
    unsafe { command.pre_exec(do_install) };
}

/// What becomes of one system call. The last of the steps is an answer.
pub(crate) fn call(number: libc::c_long, steps: &[sock_filter]) -> Vec<sock_filter> {
    let mut piece = vec![skip_unless(number.try_into().unwrap(), steps.len().try_into().unwrap())];
    piece.extend_from_slice(steps);
    piece
}

pub(crate) fn refuse(errno: i32) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs())
}

pub(crate) const fn allow() -> sock_filter {
    answer(libc::SECCOMP_RET_ALLOW)
}

/// Looks at the lower half of an argument from here on.
pub(crate) const fn argument(index: u32) -> sock_filter {
    load(16 + 8 * index + if cfg!(target_endian = "big") { 4 } else { 0 })
}

/// Goes on with the next one if the value is this one, and leaves out `count` of them otherwise.
pub(crate) const fn skip_unless(value: u32, count: u8) -> sock_filter {
    statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, count, value)
}

/// Leaves out `count` of the next ones if the value is this one.
pub(crate) const fn jump_if(value: u32, count: u8) -> sock_filter {
    statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, count, 0, value)
}

/// Goes on with the next one if the value has one of these bits, and leaves out `count` of them
/// otherwise.
pub(crate) const fn skip_without(bits: u32, count: u8) -> sock_filter {
    statement(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, count, bits)
}

/// Looks at a part of `struct seccomp_data`, whose first one is the number of the call.
const fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

const fn answer(what: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, 0, 0, what)
}

const fn statement(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
