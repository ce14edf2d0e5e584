//! The file that a Unix socket is bound to: made, replaced when it is left over, removed.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, SockAddr, Socket};

/// A socket's file, removed when this is dropped, unless another one has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Binds the socket to a path. `None` where that makes no file, as a name that begins with
    /// NUL does on Linux.
    pub(super) fn bind(
        socket: &Socket,
        path: &Path,
        mode: Option<u32>,
    ) -> io::Result<Option<Self>> {
        let address = SockAddr::unix(path)?;
        if path.as_os_str().as_bytes().starts_with(b"\0") {
            return socket.bind(&address).map(|()| None);
        }
        // Two servers that start at once must not remove each other's fresh file.
        let _lock = lock_directory(path);
        set_mode_before(socket, mode)?;
        if let Err(error) = socket.bind(&address) {
            if error.raw_os_error() != Some(Errno::EADDRINUSE as i32)
                || !is_left_over(path, socket)?
            {
                return Err(error);
            }
            fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        let file = fs::symlink_metadata(path)?;
        let bound = Self { path: absolute(path), device: file.dev(), inode: file.ino() };
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(Some(bound))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |file: fs::Metadata| (file.dev(), file.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // Whoever is faster has removed it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Tells whether this is the file of a socket that nobody listens on any more.
fn is_left_over(path: &Path, like: &Socket) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let asking = Socket::new(Domain::UNIX, like.r#type()?, None)?;
    // A full queue would block, and then somebody is there.
    asking.set_nonblocking(true)?;
    let refused = asking.connect(&SockAddr::unix(path)?).err();
    Ok(refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

/// Held while a file is examined and replaced. Where the directory cannot be read, the start goes on without.
fn lock_directory(path: &Path) -> Option<Flock<File>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(directory.unwrap_or_else(|| Path::new("."))).ok()?;
    Flock::lock(directory, FlockArg::LockExclusive).ok()
}

/// Linux makes the file with the socket's own mode, so that nobody sends to it too early.
/// Elsewhere it is changed after the file was made.
#[cfg(target_os = "linux")]
fn set_mode_before(socket: &Socket, mode: Option<u32>) -> io::Result<()> {
    use nix::sys::stat::{Mode, fchmod};

    mode.map_or(Ok(()), |mode| Ok(fchmod(socket, Mode::from_bits_truncate(mode))?))
}

#[cfg(not(target_os = "linux"))]
fn set_mode_before(_: &Socket, _: Option<u32>) -> io::Result<()> {
    Ok(())
}

/// The server may have another working directory when it ends.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
