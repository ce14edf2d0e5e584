//! What a file system keeps of a file beside its mode.

use std::ffi::OsStr;
use std::os::fd::AsFd;

/// Tells whether what is there may not be replaced, by root either: it only grows (`chattr +a`), or
/// stays as it is (`chattr +i`). Of a directory: whether the names in it stay. A link is not
/// followed. Where the system does not tell, it is not so.
#[cfg(target_os = "linux")]
pub(crate) fn is_kept(directory: impl AsFd, name: &OsStr) -> bool {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;

    use nix::libc;

    let Ok(name) = std::ffi::CString::new(name.as_bytes()) else { return false };
    let directory = directory.as_fd().as_raw_fd();
    // SAFETY: `statx` is plain data for which all zeroes is valid.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: `name` ends in NUL, and `found` has room for what is written.
    let status = unsafe {
        libc::statx(directory, name.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, 0, &raw mut found)
    };
    let kept = (libc::STATX_ATTR_APPEND | libc::STATX_ATTR_IMMUTABLE).unsigned_abs();
    status == 0 && found.stx_attributes & u64::from(kept) != 0
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn is_kept(_: impl AsFd, _: &OsStr) -> bool {
    false
}
