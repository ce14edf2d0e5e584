//! What tells one content of a file from another one, and one file from another.

use std::fs::{File, Metadata};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::fcntl::{FcntlArg, fcntl};
#[cfg(feature = "files")]
use nix::sys::stat::FileStat;

/// What changes when a file is replaced or written to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    /// Set by the kernel alone; programs can set the time before.
    pub(crate) changed: (i64, i64),
}

impl FileIdentity {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// As that of the same file's `Metadata`.
    #[cfg(feature = "files")]
    #[allow(clippy::unnecessary_cast, reason = "these are not as wide on every system")]
    pub(crate) fn of_stat(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

/// All of it at once: number by number takes 300 instructions more, 1.5 % of a request for a file
/// (callgrind).
impl Hash for FileIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { device, inode, size, modified, changed } = *self;
        let times = [modified.0, modified.1, changed.0, changed.1];
        let [seconds, nanos, changed, changed_nanos] = times.map(i64::cast_unsigned);
        [device, inode, size, seconds, nanos, changed, changed_nanos].hash(state);
    }
}

/// What tells that two descriptors give the same bytes: they are of one file, opened for the same,
/// and it was not changed in between. While one of them is open, no other file gets its number.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct OpenFile {
    identity: FileIdentity,
    flags: i32,
}

impl OpenFile {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let identity = FileIdentity::of(&file.metadata()?);
        Ok(Self { identity, flags: fcntl(file, FcntlArg::F_GETFL)? })
    }
}
