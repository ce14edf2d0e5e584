//! The file that a Unix socket is bound to: made, replaced when it is left over, removed.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, SockAddr, Socket, Type};

/// A socket's file, removed when this is dropped, unless another one has taken its place. Forked
/// children have copies, and leave it to the process that made it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    owner: u32,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Binds the socket to a path, and listens if a queue is given. `None` where that makes no
    /// file, as a name that begins with NUL does on Linux.
    pub(super) fn bind(
        socket: &Socket,
        path: &Path,
        mode: Option<u32>,
        queue: Option<i32>,
    ) -> io::Result<Option<Self>> {
        let listen = || queue.map_or(Ok(()), |queue| socket.listen(queue));
        let address = address_of(path)?;
        if path.as_os_str().as_bytes().starts_with(b"\0") {
            socket.bind(&address)?;
            return listen().map(|()| None);
        }
        // Two servers that start at once must not remove each other's fresh file. One that is bound
        // and does not listen yet looks like one that is gone.
        let _lock = lock_directory(path);
        set_mode_before(socket, mode)?;
        if let Err(error) = socket.bind(&address) {
            if error.raw_os_error() != Some(Errno::EADDRINUSE as i32) {
                return Err(error);
            }
            remove_left_over(path, &address, socket.r#type()?)?;
            socket.bind(&address)?;
        }
        let file = fs::symlink_metadata(path)?;
        let (owner, device, inode) = (process::id(), file.dev(), file.ino());
        let bound = Self { path: absolute(path), owner, device, inode };
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        listen()?;
        Ok(Some(bound))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |file: fs::Metadata| (file.dev(), file.ino()) == (self.device, self.inode);
        if process::id() == self.owner && fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // Another process may have removed it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The address of a path, which ends at its first NUL for the kernel.
fn address_of(path: &Path) -> io::Result<SockAddr> {
    let name = path.as_os_str().as_bytes();
    let begins_with_nul = name.first() == Some(&0);
    if begins_with_nul && !cfg!(target_os = "linux") {
        return Err(refused(ErrorKind::Unsupported, "only Linux has names that begin with NUL"));
    }
    if !begins_with_nul && name.contains(&0) {
        return Err(refused(ErrorKind::InvalidInput, "a path has no NUL in it"));
    }
    let size = name.len();
    SockAddr::unix(path).map_err(|error| match size > LONGEST_PATH {
        true => refused(
            ErrorKind::InvalidInput,
            &format!("the path has {size} bytes, and the most are {LONGEST_PATH}"),
        ),
        false => error,
    })
}

/// Bytes of a path, as the address of a socket has it with a NUL at its end (unix(7)).
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Removes the file of a socket that no process listens on any more.
///
/// # Errors
///
/// Says what else has the path.
fn remove_left_over(path: &Path, address: &SockAddr, kind: Type) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        // Just removed by the server that had it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    if !file.file_type().is_socket() {
        return Err(refused(ErrorKind::AddrInUse, "the file there is no socket"));
    }
    let asking = Socket::new(Domain::UNIX, kind, None)?;
    // A full queue would block, and then a server is there.
    asking.set_nonblocking(true)?;
    match asking.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(refused(ErrorKind::AddrInUse, "another user's socket is there"))
        }
        _ => Err(refused(ErrorKind::AddrInUse, "another server is there")),
    }
}

fn refused(kind: ErrorKind, why: &str) -> io::Error {
    io::Error::new(kind, why)
}

/// Held while a file is examined and replaced. Where the directory cannot be read, or is locked by
/// another program for longer than a server needs, the start goes on without: flock(1) and other
/// programs hold such a lock for as long as they run.
fn lock_directory(path: &Path) -> Option<Flock<File>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut directory = File::open(directory.unwrap_or_else(|| Path::new("."))).ok()?;
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((locked, Errno::EWOULDBLOCK)) if Instant::now() < deadline => directory = locked,
            Err(_) => return None,
        }
        thread::sleep(RETRY_PAUSE);
    }
}

/// How long another server may need to bind: it makes, or asks and replaces, a file.
const LOCK_LIMIT: Duration = Duration::from_secs(1);
const RETRY_PAUSE: Duration = Duration::from_millis(1);

/// Linux makes the file with the socket's own mode, so that no client sends to it too early.
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
