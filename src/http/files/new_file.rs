//! A file that appears under its name when it is complete, in a directory that was opened without
//! following a link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, fchown};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::poll::{PollTimeout, poll};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, geteuid, unlinkat};

use super::cache::is_small;
use super::etag::{EntityTag, Identity};
use crate::http::arriving::{
    NEW, begin_named, copy_named, lacks_links, link_nameless, lock, named, nameless, rename_new,
    set_mode,
};
use crate::sys::is_kept;

/// Where a file is to be made: a directory that is open, and a name in it.
#[derive(Debug)]
pub(super) struct Place {
    directory: File,
    name: OsString,
}

/// What is at a place.
#[derive(Debug)]
pub(super) struct Existing {
    pub(super) is_file: bool,
    pub(super) is_directory: bool,
    pub(super) identity: Identity,
    size: u64,
    mode: u32,
    owner: u32,
    group: u32,
}

impl Place {
    /// A place in a directory, which is open for reading or without any right.
    pub(super) fn new(directory: File, name: &OsStr) -> Self {
        Self { directory, name: name.to_owned() }
    }

    /// The name.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// What is there now; a link is not followed.
    pub(super) fn look(&self) -> io::Result<Option<Existing>> {
        self.look_beside(&self.name)
    }

    /// What has another name in the directory; a link is not followed.
    #[allow(clippy::useless_conversion, reason = "modes are not as wide on every system")]
    pub(super) fn look_beside(&self, name: &OsStr) -> io::Result<Option<Existing>> {
        let stat = match fstatat(&self.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        Ok(Some(Existing {
            is_file: kind == SFlag::S_IFREG,
            is_directory: kind == SFlag::S_IFDIR,
            identity: Identity::of_stat(&stat),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mode: u32::from(Mode::from_bits_truncate(stat.st_mode).bits()),
            owner: stat.st_uid,
            group: stat.st_gid,
        }))
    }

    /// The content of what is there, where that is in its tag and has not changed since.
    pub(super) fn small_content(&self, found: &Existing) -> Option<Vec<u8>> {
        if !found.is_file || !is_small(found.size) {
            return None;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.directory, &*self.name, flags, Mode::empty()).ok()?);
        let content = small_content(&file, found.size);
        content.filter(|_| file.metadata().is_ok_and(|it| Identity::of(&it) == found.identity))
    }

    /// Tells whether this is its directory.
    pub(super) fn is_in(&self, directory: &File) -> io::Result<bool> {
        let (ours, other) = (self.directory.metadata()?, directory.metadata()?);
        Ok((ours.dev(), ours.ino()) == (other.dev(), other.ino()))
    }

    /// Tells whether this process may make files in the directory, and write to the one that is
    /// there and replace it.
    pub(super) fn check_rights(&self, found: Option<&Existing>) -> io::Result<()> {
        let may =
            |name: &OsStr, rights| faccessat(&self.directory, name, rights, AtFlags::AT_EACCESS);
        may(OsStr::new("."), AccessFlags::W_OK | AccessFlags::X_OK)?;
        let Some(found) = found else { return Ok(()) };
        may(&self.name, AccessFlags::W_OK)?;
        // What may be added to alone: a new name could be given there, and not be taken away.
        if self.keeps_names() || is_kept(&self.directory, &self.name) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // In a sticky directory files are replaced by their owner, or by that of the directory.
        let (directory, user) = (self.directory.metadata()?, geteuid().as_raw());
        let is_sticky = directory.mode() & STICKY != 0;
        if is_sticky && ![found.owner, directory.uid()].contains(&user) && !acts_for_owners() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }

    fn keeps_names(&self) -> bool {
        is_kept(&self.directory, OsStr::new("."))
    }

    /// Fails where uploads cannot wait for each other: the directory may not be read, or the system
    /// does not lock it.
    pub(super) fn check_turns(&self) -> io::Result<()> {
        match lock(&opened_again(&self.directory)?.into()) {
            Ok(()) | Err(Errno::EWOULDBLOCK) => Ok(()),
            Err(_) => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// Bytes that there is room for, where the file system tells: those that have no disk say that
    /// they have no blocks at all. Some of it may be for the system's own use.
    #[allow(clippy::useless_conversion, reason = "these are not as wide on every system")]
    pub(super) fn room(&self) -> Option<u64> {
        let disk = fstatvfs(&self.directory).ok()?;
        if disk.blocks() == 0 {
            return None;
        }
        let (blocks, size) = (disk.blocks_free(), disk.fragment_size());
        u64::from(blocks).checked_mul(u64::from(size))
    }

    /// Begins a file that is to have this place.
    ///
    /// Without a name where the system can do that, so that nothing is left whatever happens;
    /// elsewhere with a name of its own, that is neither served nor listed.
    ///
    /// Names are numbered from 0, and each has the lowest that is free. What a killed server has
    /// left is so found under few names, whatever else the directory contains.
    pub(super) fn begin(&self, way: Way) -> io::Result<NewFile<'_>> {
        let begun = |file, temporary| NewFile { place: self, file, temporary, modified: None };
        if way == Way::Nameless
            && let Some(file) = nameless(&self.directory, NEW)?
        {
            return Ok(begun(file, None));
        }
        if self.keeps_names() {
            // Its first name would stay.
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (name, file) = begin_named(&self.directory, NEW)?;
        Ok(begun(file, Some(name)))
    }

    /// Waits until no other upload, of any process, is taking a place in this directory.
    ///
    /// Ends with what is returned. Where a directory may not be read, or the system cannot lock it,
    /// nothing is waited for: see [`check_turns`](Self::check_turns).
    fn wait_for_turn(&self, limit: Duration) -> io::Result<Option<File>> {
        let directory = match opened_again(&self.directory) {
            Ok(directory) => File::from(directory),
            Err(Errno::EACCES) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let deadline = Instant::now() + limit;
        loop {
            match lock(&directory) {
                Ok(()) => return Ok(Some(directory)),
                Err(Errno::EWOULDBLOCK) if Instant::now() < deadline => {
                    let _ = poll(&mut [], PollTimeout::from(1_u8));
                }
                Err(Errno::EWOULDBLOCK) => return Err(io::ErrorKind::ResourceBusy.into()),
                Err(_) => return Ok(None),
            }
        }
    }
}

/// How a file is written that has not its name yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Nameless,
    /// For file systems and kernels that know no other; and for tests.
    #[cfg_attr(not(test), allow(dead_code, reason = "it is what remains where the other fails"))]
    Named,
}

/// A file that is being written. It is removed where it does not get to its place.
#[derive(Debug)]
pub(super) struct NewFile<'a> {
    place: &'a Place,
    file: File,
    temporary: Option<OsString>,
    /// What its time was set to.
    modified: Option<SystemTime>,
}

impl NewFile<'_> {
    /// What is written to.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Puts the file in its place, at once, and tells what was there before.
    ///
    /// `admit` is asked about what is there; between its answer and the change no other upload can
    /// put anything in that place.
    pub(super) fn publish(
        &mut self,
        admit: impl Fn(Option<&Existing>) -> io::Result<()>,
    ) -> io::Result<Option<Existing>> {
        let _turn = self.place.wait_for_turn(TURN)?;
        // The kernel's times are those of its last tick. This one is no other content's, so that
        // a tag can be given at once.
        let now = SystemTime::now();
        self.modified = self.file.set_modified(now).is_ok().then_some(now);
        let mut attempts = 0;
        loop {
            let found = self.place.look()?;
            admit(found.as_ref())?;
            let taken = match &found {
                None => self.take_name(),
                // An upload makes no program, nor a file that others may write who might not
                // before.
                Some(found) => {
                    keep_owner(&self.file, found);
                    set_mode(&self.file, found.mode & 0o666, found.mode)
                        .and_then(|()| self.replace())
                }
            };
            match taken {
                Ok(()) => return Ok(found),
                // A program that is no upload was faster.
                Err(error) if is_taken(&error) && found.is_none() && attempts < ATTEMPTS => {
                    attempts += 1;
                }
                Err(error) if self.temporary.is_none() && lacks_links(&error) => {
                    let (name, file) = copy_named(&self.place.directory, &self.file)?;
                    (self.temporary, self.file) = (Some(name), file);
                    self.modified = self.file.set_modified(now).is_ok().then_some(now);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The file's tag, if it certainly still has the content that was written.
    pub(super) fn tag(&self, length: u64) -> Option<EntityTag> {
        let content =
            if is_small(length) { Some(small_content(&self.file, length)?) } else { None };
        let metadata = self.file.metadata().ok()?;
        let has_own_time = self.modified.is_some() && metadata.modified().ok() == self.modified;
        let is_as_written = has_own_time && metadata.len() == length;
        is_as_written.then(|| EntityTag::of_file(&Identity::of(&metadata), content.as_deref()))
    }

    /// Takes the place, where nothing is.
    fn take_name(&mut self) -> io::Result<()> {
        let (directory, name) = (&self.place.directory, &self.place.name);
        match &self.temporary {
            None => link_nameless(&self.file, directory, name)?,
            Some(temporary) => rename_new(directory, temporary, name)?,
        }
        self.temporary = None;
        Ok(())
    }

    /// Takes the place of what is there.
    fn replace(&mut self) -> io::Result<()> {
        let (directory, place) = (&self.place.directory, self.place);
        if self.temporary.is_none() {
            let linked = named(directory, |name| link_nameless(&self.file, directory, name));
            self.temporary = Some(linked?.0);
        }
        if let Some(temporary) = &self.temporary {
            renameat(directory, &**temporary, directory, &*place.name)?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            let _ = unlinkat(&self.place.directory, &**name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// The same directory, open for reading, with a place and a lock of its own.
fn opened_again(directory: &File) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(directory, ".", flags, Mode::empty())
}

/// Tells whether this process may do with files what their owners may (capabilities(7)).
fn acts_for_owners() -> bool {
    let has_capability = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
        let digits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?.trim();
        Some(u64::from_str_radix(digits, 16).ok()? & CAP_FOWNER != 0)
    };
    geteuid().is_root() || has_capability() == Some(true)
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

/// Gives a file the owner and the group of the one whose place it takes, as far as this process may
/// do that. Rights to run it as them are not kept.
fn keep_owner(file: &File, found: &Existing) {
    let group = Some(found.group);
    if fchown(file, Some(found.owner), group).is_err() {
        // The group alone may be one of this process.
        let _ = fchown(file, None, group);
    }
}

fn small_content(file: &File, size: u64) -> Option<Vec<u8>> {
    let mut content = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut content, 0).ok().map(|()| content)
}

const ATTEMPTS: usize = 64;

/// The longest that an upload waits for others to get to their places, each of which takes
/// microseconds. Another program may hold the lock.
const TURN: Duration = Duration::from_secs(5);

/// The bit of a directory in which only the owner of a file may remove it.
const STICKY: u32 = 0o1000;

const CAP_FOWNER: u64 = 1 << 3;

#[cfg(test)]
mod tests;
