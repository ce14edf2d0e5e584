//! How the files below a directory are reached, and which of them.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::OFlag;

use super::beneath;

/// A directory, and what of it may be seen.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) directory: PathBuf,
    /// Nothing outside the directory is reached, wherever symbolic links lead.
    pub(super) is_confined: bool,
    pub(super) hides_dot_files: bool,
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
        if !self.is_confined {
            return fs::metadata(path);
        }
        self.open_beneath(path, beneath::STAT_FLAGS)?.metadata()
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
        self.refuse_hidden(path)?;
        let mut names = if self.is_confined {
            self.read_confined(path)?
        } else {
            fs::read_dir(path)?
                .map(|entry| {
                    entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?.into())))
                })
                .collect::<io::Result<Vec<(OsString, Kind)>>>()?
        };
        names.retain(|(name, _)| !self.hides_dot_files || !is_hidden(name.as_bytes()));
        let named = |(name, kind): (OsString, Kind)| {
            let is_directory = match kind {
                Kind::Directory => true,
                Kind::Link => self.metadata(&path.join(&name)).is_ok_and(|target| target.is_dir()),
                Kind::Other => false,
            };
            DirectoryEntry { name, is_link: kind == Kind::Link, is_directory }
        };
        Ok(names.into_iter().map(named).collect())
    }

    fn read_confined(&self, path: &Path) -> io::Result<Vec<(OsString, Kind)>> {
        let directory = self.open_beneath(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::from_fd(directory.into())? {
            let entry = entry?;
            let name = entry.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push((OsString::from_vec(name), entry.file_type().into()));
            }
        }
        Ok(names)
    }

    /// Opens what is at a path below the directory, by its path from there.
    fn open_beneath(&self, path: &Path, flags: OFlag) -> io::Result<File> {
        let root =
            if self.directory.as_os_str().is_empty() { Path::new(".") } else { &self.directory };
        let relative = path.strip_prefix(&self.directory).map_err(|_| outside())?;
        let root = OpenOptions::new()
            .read(true)
            .custom_flags((beneath::STAT_FLAGS | OFlag::O_DIRECTORY).bits())
            .open(root)?;
        beneath::open(&root, relative, flags | OFlag::O_CLOEXEC)
    }

    /// Hidden files are not there.
    fn refuse_hidden(&self, path: &Path) -> io::Result<()> {
        if !self.hides_dot_files {
            return Ok(());
        }
        let relative = path.strip_prefix(&self.directory).unwrap_or(path);
        let hidden = relative.components().any(|name| is_hidden(name.as_os_str().as_bytes()));
        if hidden { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    Link,
    Other,
}

impl From<fs::FileType> for Kind {
    fn from(kind: fs::FileType) -> Self {
        match () {
            () if kind.is_symlink() => Self::Link,
            () if kind.is_dir() => Self::Directory,
            () => Self::Other,
        }
    }
}

impl From<Option<nix::dir::Type>> for Kind {
    fn from(kind: Option<nix::dir::Type>) -> Self {
        match kind {
            Some(nix::dir::Type::Directory) => Self::Directory,
            Some(nix::dir::Type::Symlink) => Self::Link,
            _ => Self::Other,
        }
    }
}

/// `.well-known` is public (RFC 8615); `.` and `..` are not names.
fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") && !matches!(name, b"." | b".." | b".well-known")
}

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "outside the directory")
}
