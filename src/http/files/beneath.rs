//! Opening what is below a directory, and nothing else, however its links and names change.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// Opens `relative` from `root`.
///
/// On Linux the kernel itself keeps the path below the root (openat2(2), `RESOLVE_BENEATH`):
/// symbolic links are followed as long as they stay there. Elsewhere, and on kernels before 5.6,
/// no link is followed at all.
pub(super) fn open(root: &File, relative: &Path, flags: OFlag) -> io::Result<File> {
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    match open_by_kernel(root, relative, flags, Links::Followed) {
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(walk(root, relative, flags)?.into()),
        opened => Ok(opened?.into()),
    }
}

/// Opens the directory `relative` from `root`, to which no link leads.
pub(super) fn open_directory(root: &File, relative: &Path) -> io::Result<File> {
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let flags = STAT_FLAGS | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match open_by_kernel(root, relative, flags, Links::Refused) {
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(walk(root, relative, flags)?.into()),
        opened => Ok(opened?.into()),
    }
}

/// What becomes of symbolic links that stay below the root.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

#[cfg(target_os = "linux")]
fn open_by_kernel(
    root: &File,
    relative: &Path,
    flags: OFlag,
    links: Links,
) -> nix::Result<OwnedFd> {
    use nix::fcntl::{OpenHow, ResolveFlag, openat2};

    let mut resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    if links == Links::Refused {
        resolve |= ResolveFlag::RESOLVE_NO_SYMLINKS;
    }
    let mut attempts = 0;
    loop {
        match openat2(root, relative, OpenHow::new().flags(flags).resolve(resolve)) {
            // A name on the path was moved meanwhile, and the kernel is not sure any more.
            Err(Errno::EAGAIN) if attempts < ATTEMPTS => attempts += 1,
            opened => return opened,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn open_by_kernel(_: &File, _: &Path, _: OFlag, _: Links) -> nix::Result<OwnedFd> {
    Err(Errno::ENOSYS)
}

/// Opens one name after the other, and refuses links.
fn walk(root: &File, relative: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let names = relative.components().filter(|component| *component != Component::CurDir);
    let names: Vec<Component<'_>> = names.collect();
    if names.iter().any(|name| !matches!(name, Component::Normal(_))) {
        return Err(Errno::EXDEV);
    }
    let directory = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let Some((last, before)) = names.split_last() else {
        return openat(root, ".", flags, Mode::empty());
    };
    let mut here = root.as_fd().try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
    for name in before {
        here = openat(&here, name.as_os_str(), directory, Mode::empty())?;
    }
    openat(&here, last.as_os_str(), flags | OFlag::O_NOFOLLOW, Mode::empty())
}

#[cfg(target_os = "linux")]
const ATTEMPTS: usize = 8;

/// Flags to open what is only examined, or where a path begins.
#[cfg(target_os = "linux")]
pub(super) const STAT_FLAGS: OFlag = OFlag::O_PATH;

/// Opens it for reading where nothing less is to be had; a pipe is not waited for.
#[cfg(not(target_os = "linux"))]
pub(super) const STAT_FLAGS: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK);

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_walk_follows_no_link_and_no_way_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let inside = directory.path().join("inside");
        std::fs::create_dir_all(inside.join("sub")).expect("a directory");
        std::fs::write(directory.path().join("secret"), "s").expect("a file");
        std::fs::write(inside.join("sub/file"), "f").expect("a file");
        symlink("../secret", inside.join("link")).expect("a link");
        symlink("sub", inside.join("way")).expect("a link");
        symlink("file", inside.join("sub/near")).expect("a link");
        let root = File::open(&inside).expect("a directory");
        let walked = |relative: &str| {
            walk(&root, Path::new(relative), OFlag::O_RDONLY).map(|opened| {
                let mut text = String::new();
                // A directory cannot be read, and has no text.
                let _ = File::from(opened).read_to_string(&mut text);
                text
            })
        };
        assert_eq!(walked("sub/file").as_deref(), Ok("f"));
        assert_eq!(walked("./sub/./file").as_deref(), Ok("f"));
        assert_eq!(walked("sub").as_deref(), Ok(""));
        assert_eq!(walked(".").as_deref(), Ok(""));
        for outside in
            ["link", "way/file", "sub/near", "../secret", "sub/../../secret", "/etc/passwd"]
        {
            assert!(walked(outside).is_err(), "{outside}");
        }
    }
}
