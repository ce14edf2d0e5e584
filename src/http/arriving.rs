//! Files that are being written: without a name, or under names that are neither served nor listed,
//! and what is left under those when a server is killed.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FlockArg, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

/// Begins a file under a name of its own.
///
/// Names are numbered from 0, and each has the lowest that is free. What a killed server has left
/// is so found under few names, whatever else the directory contains.
pub(crate) fn begin_named(directory: &File, mode: Mode) -> io::Result<(OsString, File)> {
    for number in 0..LOOKS {
        remove_left(directory, &temporary(number));
    }
    for _ in 0..ATTEMPTS {
        let (name, file) = named(directory, |name| create(directory, name, mode))?;
        // Another process may have taken it for left before it was locked.
        if lock(&file) != Err(Errno::EWOULDBLOCK) && is_named(&file, directory, &name) {
            return Ok((name, file));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Makes something under a name of its own.
pub(crate) fn named<T>(
    directory: &File,
    make: impl Fn(&OsStr) -> nix::Result<T>,
) -> io::Result<(OsString, T)> {
    let mut number = 0;
    for _ in 0..NAMES {
        let name = temporary(number);
        match make(&name) {
            // By another upload, unless it is left.
            Err(Errno::EEXIST) if remove_left(directory, &name) => {}
            Err(Errno::EEXIST) => number += 1,
            made => return Ok((name, made?)),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// A file without a name, where the file system has them, and a name can be given to it later.
#[cfg(target_os = "linux")]
pub(crate) fn nameless(directory: &File, mode: Mode) -> io::Result<Option<File>> {
    let flags = OFlag::O_RDWR | OFlag::O_TMPFILE | OFlag::O_CLOEXEC;
    let file = match openat(directory, ".", flags, mode) {
        Ok(file) => File::from(file),
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if std::fs::symlink_metadata(name_in_proc(&file)).is_err() {
        return Ok(None);
    }
    // So that one that has just got a name is not taken for left.
    let _ = lock(&file);
    // Those have a name only while they replace another file, one at a time.
    remove_left(directory, &temporary(0));
    Ok(Some(file))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn nameless(_: &File, _: Mode) -> io::Result<Option<File>> {
    Ok(None)
}

/// Gives a file without a name one that is not taken.
pub(crate) fn link_nameless(file: &File, directory: &File, name: &OsStr) -> nix::Result<()> {
    linkat(directory, &*name_in_proc(file), directory, name, AtFlags::AT_SYMLINK_FOLLOW)
}

fn name_in_proc(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Tells whether an error says that no hard links are made here, or no modes set: the file system
/// has none, or the process may not do that. A process that may not write to the directory has the
/// same error, and has it again when it makes a file there.
pub(crate) fn lacks_links(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::EPERM | Errno::EACCES | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EMLINK)
    )
}

/// Makes a file with a name of its own that has the content of one that none can be given to.
pub(crate) fn copy_named(directory: &File, mut file: &File) -> io::Result<(OsString, File)> {
    let mode = file.metadata()?.mode();
    let (name, copy) = begin_named(directory, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let copied = file
        .rewind()
        .and_then(|()| io::copy(&mut file, &mut &copy))
        .and_then(|_| set_mode(&copy, mode & 0o777, mode));
    match copied {
        Ok(()) => Ok((name, copy)),
        Err(error) => {
            let _ = unlinkat(directory, &*name, UnlinkatFlags::NoRemoveDir);
            Err(error)
        }
    }
}

/// Gives a file a mode. Some file systems know none but that of all their files: that has to do,
/// unless the file has rights by it that are not in this other mode.
pub(crate) fn set_mode(file: &File, mode: u32, allowed: u32) -> io::Result<()> {
    match file.set_permissions(Permissions::from_mode(mode)) {
        Err(error) if lacks_links(&error) && file.metadata()?.mode() & 0o777 & !allowed == 0 => {
            Ok(())
        }
        set => set,
    }
}

/// Gives a file the permissions of one that it is to replace.
pub(crate) fn keep_permissions(file: &File, kept: &Permissions) -> io::Result<()> {
    set_mode(file, kept.mode(), kept.mode())
}

/// Gives a file another name, unless that is taken.
pub(crate) fn rename_new(directory: &File, from: &OsStr, to: &OsStr) -> nix::Result<()> {
    match rename_unless_taken(directory, from, to) {
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EPERM | Errno::EOPNOTSUPP) => {}
        renamed => return renamed,
    }
    match linkat(directory, from, directory, to, AtFlags::empty()) {
        Ok(()) => unlinkat(directory, from, UnlinkatFlags::NoRemoveDir),
        Err(error) if lacks_links(&error.into()) => {
            // An empty file takes the name first.
            drop(create(directory, to, NEW)?);
            renameat(directory, from, directory, to).inspect_err(|_| {
                let _ = unlinkat(directory, to, UnlinkatFlags::NoRemoveDir);
            })
        }
        Err(error) => Err(error),
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn rename_unless_taken(directory: &File, from: &OsStr, to: &OsStr) -> nix::Result<()> {
    use nix::fcntl::{RenameFlags, renameat2};

    renameat2(directory, from, directory, to, RenameFlags::RENAME_NOREPLACE)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn rename_unless_taken(_: &File, _: &OsStr, _: &OsStr) -> nix::Result<()> {
    Err(Errno::ENOSYS)
}

/// A file that there was not.
pub(crate) fn create(directory: &File, name: &OsStr, mode: Mode) -> nix::Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    openat(directory, name, flags | OFlag::O_NOFOLLOW, mode).map(File::from)
}

/// Removes a file unless a server holds it: those that write have it locked.
pub(crate) fn remove_left(directory: &File, name: &OsStr) -> bool {
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
fn is_named(file: &File, directory: &File, name: &OsStr) -> bool {
    let found = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    match (fstat(file), found) {
        (Ok(file), Ok(found)) => (file.st_dev, file.st_ino) == (found.st_dev, found.st_ino),
        _ => false,
    }
}

/// The name with this number of a file that is being written.
pub(crate) fn temporary(number: u32) -> OsString {
    format!("{TEMPORARY}{number:016x}").into()
}

/// Tells whether a path is that of a file that is being written, or was left.
#[cfg(feature = "files")]
pub(crate) fn is_temporary_path(path: &[u8]) -> bool {
    let start = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
    is_temporary(&path[start..])
}

/// Tells whether this is the name of a file that is being written, or was left: on some file
/// system, of which some ignore the case of letters, some characters that are not ASCII, or dots at
/// the end.
#[cfg(feature = "files")]
pub(crate) fn is_temporary(name: &[u8]) -> bool {
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
pub(crate) fn lock(file: &File) -> nix::Result<()> {
    #[allow(deprecated, reason = "the other one panics where a lock cannot be given back")]
    nix::fcntl::flock(file.as_raw_fd(), FlockArg::LockExclusiveNonblock)
}

/// What stands at the front of the name of a file that is being written; digits follow.
const TEMPORARY: &str = ".socketserver-upload-";

/// How long the number in a name is.
#[cfg(feature = "files")]
const DIGITS: usize = 16;

/// Files that are being written under names in one directory at once, at most.
const NAMES: u32 = 1024;

/// Names under which leftovers are looked for where files have names while they are written. One
/// beyond is removed when its number is the lowest that is free.
pub(crate) const LOOKS: u32 = 64;

const ATTEMPTS: usize = 64;

/// What any new file has; the process's mask applies.
pub(crate) const NEW: Mode = Mode::from_bits_truncate(0o666);

/// A file that takes the place of whatever has its path, once it is complete. It is removed where
/// it does not get there; a process that is killed leaves it behind only where the file system has
/// no files without a name.
#[derive(Debug)]
pub(crate) struct Arriving<'a> {
    directory: File,
    name: &'a OsStr,
    file: File,
    temporary: Option<OsString>,
}

impl<'a> Arriving<'a> {
    /// Begins the file, with permissions of which the process's mask may take some.
    pub(crate) fn begin(path: &'a Path, permissions: &Permissions) -> io::Result<Self> {
        let whole = path.as_os_str().as_bytes();
        let (directory, name) = match memchr::memrchr(b'/', whole) {
            Some(slash) => whole.split_at(slash + 1),
            None => (&b"."[..], whole),
        };
        if matches!(name, b"" | b"." | b"..") {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let flags = DIRECTORY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = File::from(open(OsStr::from_bytes(directory), flags, Mode::empty())?);
        #[allow(clippy::useless_conversion, reason = "modes are not as wide on every system")]
        let mode = Mode::from_bits_truncate((permissions.mode() & 0o777) as nix::libc::mode_t);
        let (temporary, file) = match nameless(&directory, mode)? {
            Some(file) => (None, file),
            None => begin_named(&directory, mode).map(|(name, file)| (Some(name), file))?,
        };
        Ok(Self { directory, name: OsStr::from_bytes(name), file, temporary })
    }

    /// What is written to.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the file in its place.
    pub(crate) fn publish(mut self) -> io::Result<()> {
        if self.temporary.is_none() {
            let (directory, file) = (&self.directory, &self.file);
            let name = match link_nameless(file, directory, self.name) {
                Err(Errno::EEXIST) => {
                    named(directory, |name| link_nameless(file, directory, name))?.0
                }
                Err(error) if lacks_links(&error.into()) => copy_named(directory, file)?.0,
                linked => return Ok(linked?),
            };
            self.temporary = Some(name);
        }
        if let Some(temporary) = &self.temporary {
            renameat(&self.directory, &**temporary, &self.directory, self.name)?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            let _ = unlinkat(&self.directory, &**name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// How a directory is opened that is only a place for files: it may not be readable.
#[cfg(target_os = "linux")]
const DIRECTORY: OFlag = OFlag::O_PATH;
#[cfg(not(target_os = "linux"))]
const DIRECTORY: OFlag = OFlag::O_RDONLY;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    /// As where the file system has no files without a name.
    fn begin_with_name(path: &Path) -> Arriving<'_> {
        let mut arriving = Arriving::begin(path, &Permissions::from_mode(0o666)).expect("a file");
        let (name, file) = begin_named(&arriving.directory, NEW).expect("a file");
        (arriving.file, arriving.temporary) = (file, Some(name));
        arriving
    }

    fn names(directory: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(directory).expect("a directory");
        entries.map(|entry| entry.expect("an entry").file_name()).collect()
    }

    #[test]
    fn a_file_gets_to_its_place_whatever_is_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        let begin_any: fn(&Path) -> Arriving<'_> =
            |path| Arriving::begin(path, &Permissions::from_mode(0o666)).expect("a file");
        for (number, begin) in
            [begin_with_name, begin_any, begin_any, begin_with_name].into_iter().enumerate()
        {
            if number == 2 {
                fs::remove_file(&path).expect("a file");
            }
            let mut arriving = begin(&path);
            write!(arriving.file(), "{number}").expect("room");
            arriving.publish().expect("its place");
            assert_eq!(fs::read_to_string(&path).expect("a file"), number.to_string());
            assert_eq!(names(directory.path()), ["a"]);
        }
    }

    #[test]
    fn a_new_name_is_taken_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let opened = File::open(directory.path()).expect("a directory");
        for name in ["a", "b"] {
            fs::write(directory.path().join(name), name).expect("a file");
        }
        let taken = rename_new(&opened, OsStr::new("a"), OsStr::new("b"));
        assert_eq!(taken, Err(Errno::EEXIST));
        rename_new(&opened, OsStr::new("a"), OsStr::new("c")).expect("a name");
        assert_eq!(fs::read_to_string(directory.path().join("c")).expect("a file"), "a");
        assert_eq!(fs::read_to_string(directory.path().join("b")).expect("a file"), "b");
        assert_eq!(names(directory.path()).len(), 2);
    }

    #[test]
    fn a_file_that_does_not_get_there_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        drop(begin_with_name(&path));
        assert!(names(directory.path()).is_empty());
        fs::create_dir(&path).expect("a directory");
        begin_with_name(&path).publish().expect_err("there is a directory");
        let any = Arriving::begin(&path, &Permissions::from_mode(0o666)).expect("a file");
        any.publish().expect_err("there is a directory");
        assert_eq!(names(directory.path()), ["a"]);
        for name in ["", "a/", "a/.", "a/.."] {
            let path = directory.path().join(name);
            Arriving::begin(&path, &Permissions::from_mode(0o666)).expect_err(name);
        }
    }
}
