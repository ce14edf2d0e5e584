//! How the files below a directory are reached, and which of them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, SFlag, fstatat};

use super::beneath;
use super::new_file::Place;
use crate::http::arriving::{is_temporary, is_temporary_path};
use crate::http::message::text::is_safe_name;

/// A directory, and what of it may be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) directory: PathBuf,
    /// Nothing outside the directory is reached, wherever symbolic links lead.
    pub(super) is_confined: bool,
    pub(super) hides_dot_files: bool,
    /// Files may be made in it.
    pub(super) takes_uploads: bool,
    /// Files that stand compressed beside others are sent in their place.
    pub(super) is_precompressed: bool,
    /// The only file in it that is there.
    pub(super) sole: Option<PathBuf>,
}

/// A name in a [`Directory`](super::Directory).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// The name, without the path of its directory.
    pub name: OsString,
    /// It is a symbolic link.
    pub is_link: bool,
    /// It is a directory, or a link to one that may be reached.
    pub is_directory: bool,
}

impl Tree {
    /// What there is at a path; links are followed.
    pub(super) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.refuse_hidden(path)?;
        let found = if self.is_confined {
            self.open_beneath(path, beneath::STAT_FLAGS)?.metadata()?
        } else {
            fs::metadata(path)?
        };
        // What was the only file may be a directory by now, whose names are not told.
        if self.sole.is_some() && found.is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(found)
    }

    /// The device and the inode of what there is at a path, if it is a directory.
    #[cfg(feature = "cgi")]
    pub(super) fn directory_identity(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        let found = self.metadata(path)?;
        Ok(found.is_dir().then(|| (found.dev(), found.ino())))
    }

    /// Opens a regular file; whatever may have taken its place since it was looked at is not
    /// waited for.
    pub(super) fn open(&self, path: &Path) -> io::Result<(File, Metadata)> {
        self.refuse_hidden(path)?;
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = if self.is_confined {
            self.open_beneath(path, OFlag::O_RDONLY | flags)?
        } else {
            OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?
        };
        let metadata = file.metadata()?;
        if metadata.is_file() {
            Ok((file, metadata))
        } else {
            Err(io::Error::other("not a regular file"))
        }
    }

    /// The names in a directory, in no order.
    pub(super) fn read_directory(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let mut directory = self.open_directory(path)?;
        let mut names = Vec::new();
        directory.read_names(|name, kind| names.push((OsString::from_vec(name.to_vec()), kind)))?;
        let named = |(name, kind): (OsString, Option<Kind>)| {
            let (is_link, is_directory) = match kind {
                Some(Kind::Directory) => (false, true),
                Some(Kind::Other) => (false, false),
                Some(Kind::Link) | None => {
                    let found = directory.look(&name, kind);
                    (found.is_link, found.is_directory())
                }
            };
            DirectoryEntry { name, is_link, is_directory }
        };
        Ok(names.into_iter().map(named).collect())
    }

    /// Opens a directory, to read the names in it.
    pub(super) fn open_directory<'a>(&'a self, path: &'a Path) -> io::Result<OpenDirectory<'a>> {
        self.refuse_hidden(path)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let directory = if self.is_confined {
            self.open_beneath(path, flags)?
        } else {
            OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?
        };
        Ok(OpenDirectory { tree: self, path, names: Dir::from_fd(directory.into())? })
    }

    /// Opens what is at a path below the directory, by its path from there.
    fn open_beneath(&self, path: &Path, flags: OFlag) -> io::Result<File> {
        let relative = path.strip_prefix(&self.directory).map_err(|_| outside())?;
        beneath::open(&self.open_root()?, relative, flags | OFlag::O_CLOEXEC)
    }

    fn open_root(&self) -> io::Result<File> {
        let root =
            if self.directory.as_os_str().is_empty() { Path::new(".") } else { &self.directory };
        OpenOptions::new()
            .read(true)
            .custom_flags((beneath::STAT_FLAGS | OFlag::O_DIRECTORY).bits())
            .open(root)
    }

    /// Where a file of this path may be made: in a directory below this one, to which no link
    /// leads, whether the tree is confined or not. `None` for other paths, and for those with a
    /// name that a client may not give to a file.
    pub(super) fn place(&self, path: &Path) -> io::Result<Option<Place>> {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Ok(None);
        };
        if !name.to_str().is_some_and(is_safe_name) || self.is_beside_sole(path) {
            return Ok(None);
        }
        let directory = self.open_for_uploads(parent)?;
        Ok(directory.map(|directory| Place::new(directory, name)))
    }

    /// Opens a directory in which files may be made: see [`place`](Self::place).
    pub(super) fn open_for_uploads(&self, path: &Path) -> io::Result<Option<File>> {
        let Ok(relative) = path.strip_prefix(&self.directory) else { return Ok(None) };
        let is_name = |name: Component<'_>| match name {
            Component::Normal(name) => name.to_str().is_some_and(is_safe_name),
            _ => false,
        };
        if !relative.components().all(is_name) {
            return Ok(None);
        }
        beneath::open_directory(&self.open_root()?, relative).map(Some)
    }

    /// Hidden files are not there, nor is what stands beside the only one, nor what is being
    /// uploaded, or was when a server was killed: by whichever server.
    fn refuse_hidden(&self, path: &Path) -> io::Result<()> {
        if self.is_beside_sole(path) || is_temporary_path(path.as_os_str().as_bytes()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !self.hides_dot_files {
            return Ok(());
        }
        let relative = path.strip_prefix(&self.directory).unwrap_or(path);
        let hidden = relative.components().any(|name| is_hidden(name.as_os_str().as_bytes()));
        if hidden { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn is_beside_sole(&self, path: &Path) -> bool {
        self.sole.as_ref().is_some_and(|sole| sole != path)
    }

    fn hides(&self, name: &[u8]) -> bool {
        (self.hides_dot_files && is_hidden(name)) || is_temporary(name)
    }
}

/// A directory that was reached: what is in it is looked at from there, whatever has become of its
/// path meanwhile.
pub(super) struct OpenDirectory<'a> {
    tree: &'a Tree,
    path: &'a Path,
    names: Dir,
}

impl OpenDirectory<'_> {
    /// Calls with each name that may be seen, and with its kind where the directory itself says it.
    pub(super) fn read_names(
        &mut self,
        mut each: impl FnMut(&[u8], Option<Kind>),
    ) -> io::Result<()> {
        for entry in self.names.iter() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !self.tree.hides(name) && name != b"." && name != b".." {
                each(name, entry.file_type().map(Kind::from));
            }
        }
        Ok(())
    }

    /// What there is behind a name: one look, two where the directory did not say that it is a
    /// link.
    pub(super) fn look(&self, name: &OsStr, kind: Option<Kind>) -> Found {
        if kind != Some(Kind::Link) {
            match fstatat(&self.names, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(status) if !is_link(&status) => return Found::of(&status),
                Ok(_) => {}
                // What is gone is not there; of the rest nothing may be known.
                Err(errno) => return Found { is_gone: errno == Errno::ENOENT, ..Found::default() },
            }
        }
        match self.tree.metadata(&self.path.join(name)) {
            Ok(target) => Found { is_link: true, ..Found::by(&target) },
            Err(_) => Found { is_link: true, ..Found::default() },
        }
    }
}

/// What a directory says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    Link,
    Other,
}

impl From<nix::dir::Type> for Kind {
    fn from(kind: nix::dir::Type) -> Self {
        match kind {
            nix::dir::Type::Directory => Self::Directory,
            nix::dir::Type::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

/// What there is behind a name; of a link, what it leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) is_gone: bool,
    pub(super) is_link: bool,
    /// `None` where nothing is there, or nothing that may be reached.
    pub(super) content: Option<Content>,
    /// Seconds and nanoseconds since 1970.
    pub(super) modified: (i64, u32),
}

/// What something contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Directory,
    /// So many bytes.
    File(u64),
    /// What is not served: a pipe, a socket, a device.
    Other,
}

impl Found {
    pub(super) fn is_directory(&self) -> bool {
        self.content == Some(Content::Directory)
    }

    fn by(metadata: &Metadata) -> Self {
        let content = match () {
            () if metadata.is_dir() => Content::Directory,
            () if metadata.is_file() => Content::File(metadata.len()),
            () => Content::Other,
        };
        let modified = (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap_or(0));
        Self { content: Some(content), modified, ..Self::default() }
    }

    #[allow(clippy::useless_conversion, reason = "these types differ between systems")]
    fn of(status: &FileStat) -> Self {
        let content = match SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFDIR => Content::Directory,
            SFlag::S_IFREG => Content::File(u64::try_from(status.st_size).unwrap_or(0)),
            _ => Content::Other,
        };
        let nanoseconds = u32::try_from(status.st_mtime_nsec).unwrap_or(0);
        let modified = (i64::from(status.st_mtime), nanoseconds);
        Self { content: Some(content), modified, ..Self::default() }
    }
}

fn is_link(status: &FileStat) -> bool {
    status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFLNK.bits()
}

/// `.well-known` is public (RFC 8615); `.` and `..` are not names.
fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") && !matches!(name, b"." | b".." | b".well-known")
}

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "outside the directory")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_directory_does_not_say_of_a_name_is_looked_up() {
        let root = tempfile::tempdir().expect("a directory");
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("sub")).expect("a directory");
        fs::write(path("file"), "four").expect("a file");
        for (name, target) in [("dlink", "sub"), ("link", "file"), ("out", "/"), ("broken", "x")] {
            symlink(target, path(name)).expect("a link");
        }
        for is_confined in [false, true] {
            let tree = Tree { directory: root.path().into(), is_confined, ..Tree::default() };
            let directory = tree.open_directory(root.path()).expect("a directory");
            let out = (!is_confined).then_some(Content::Directory);
            for (name, said, is_link, content) in [
                ("sub", Kind::Directory, false, Some(Content::Directory)),
                ("file", Kind::Other, false, Some(Content::File(4))),
                ("dlink", Kind::Link, true, Some(Content::Directory)),
                ("link", Kind::Link, true, Some(Content::File(4))),
                ("out", Kind::Link, true, out),
                ("broken", Kind::Link, true, None),
                // What was a directory when it was read.
                ("link", Kind::Directory, true, Some(Content::File(4))),
            ] {
                for kind in [Some(said), None] {
                    let found = directory.look(name.as_ref(), kind);
                    assert_eq!((found.is_link, found.content), (is_link, content), "{name}");
                    assert!(!found.is_gone);
                }
            }
            assert!(directory.look("gone".as_ref(), None).is_gone);
        }
    }
}
