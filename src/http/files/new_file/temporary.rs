//! Names of files that are being written, and what is left under them when a server is killed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;

use nix::fcntl::{AtFlags, FlockArg, OFlag, openat};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Removes a file unless a server holds it: those that write have it locked.
pub(super) fn remove_left(directory: &File, name: &OsStr) -> bool {
    let open = |access: OFlag| {
        let flags = access | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(directory, name, flags, Mode::empty()).map(File::from)
    };
    // It may have the mode of a file that it was to replace, which may be written to alone.
    let Ok(file) = open(OFlag::O_RDONLY).or_else(|_| open(OFlag::O_WRONLY)) else { return false };
    file.metadata().is_ok_and(|metadata| metadata.is_file())
        && lock(&file).is_ok()
        // Another process may have removed it before it was locked, and the name may be another
        // file's. From here on that does not happen, as it would have to be locked for that.
        && is_named(&file, directory, name)
        && unlinkat(directory, name, UnlinkatFlags::NoRemoveDir).is_ok()
}

/// Tells whether an open file has this name.
pub(super) fn is_named(file: &File, directory: &File, name: &OsStr) -> bool {
    let found = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    match (fstat(file), found) {
        (Ok(file), Ok(found)) => (file.st_dev, file.st_ino) == (found.st_dev, found.st_ino),
        _ => false,
    }
}

/// The name with this number of a file that is being written.
pub(super) fn temporary(number: u32) -> OsString {
    format!("{TEMPORARY}{number:016x}").into()
}

/// Tells whether a path is that of a file that is being written, or was left.
pub(in super::super) fn is_temporary_path(path: &[u8]) -> bool {
    let start = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
    is_temporary(&path[start..])
}

/// Tells whether this is the name of a file that is being written, or was left: on some file
/// system, of which some ignore the case of letters, some characters that are not ASCII, or dots at
/// the end.
pub(in super::super) fn is_temporary(name: &[u8]) -> bool {
    let is_possible = name.first().is_some_and(|&byte| byte == b'.' || !byte.is_ascii());
    if !is_possible || name.len() < TEMPORARY.len() + DIGITS {
        return false;
    }
    let folded = |character: char| match character {
        '\u{17f}' => Some('s'),
        '\u{212a}' => Some('k'),
        _ => character.is_ascii().then(|| character.to_ascii_lowercase()),
    };
    let name: String = String::from_utf8_lossy(name).chars().filter_map(folded).collect();
    let digits = name.trim_end_matches(['.', ' ']).strip_prefix(TEMPORARY);
    digits.is_some_and(|it| it.len() == DIGITS && it.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Locks an open file until it is closed; fails at once if it is locked elsewhere.
pub(super) fn lock(file: &File) -> nix::Result<()> {
    #[allow(deprecated, reason = "the other one panics where a lock cannot be given back")]
    nix::fcntl::flock(file.as_raw_fd(), FlockArg::LockExclusiveNonblock)
}

/// What stands at the front of the name of a file that is being written; digits follow.
const TEMPORARY: &str = ".socketserver-upload-";

/// How long the number in a name is.
const DIGITS: usize = 16;

/// Files that are being written under names in one directory at once, at most.
pub(super) const NAMES: u32 = 1024;

/// Names under which leftovers are looked for where files have names while they are written. One
/// beyond is removed when its number is the lowest that is free.
pub(super) const LOOKS: u32 = 64;
