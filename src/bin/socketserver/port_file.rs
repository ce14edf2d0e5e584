//! The file of `--port-file`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;

use nix::fcntl::OFlag;
use signal_hook::low_level::emulate_default_handler;
use socketserver::{ServerInfo, Signal};

use crate::values::number;

/// Holds the port while the server runs.
#[derive(Debug)]
pub(crate) struct PortFile {
    path: PathBuf,
    signals: Vec<Signal>,
    // Open, so that the system gives its inode to no other file.
    file: OnceLock<File>,
    owner: u32,
}

impl PortFile {
    /// A file that is not written yet.
    pub(crate) fn new(path: &Path, signals: Vec<Signal>) -> Self {
        // The server may be in another directory when it ends.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { path, signals, file: OnceLock::new(), owner: process::id() }
    }

    /// The signals to [end](Self::end_by) by, if they come.
    pub(crate) fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// Removes the file and ends the process, as this signal would have if it were not caught.
    pub(crate) fn end_by(&self, signal: Signal) {
        self.remove();
        // Fails for numbers of no signal only.
        let _ = emulate_default_handler(signal.number());
    }

    /// Writes the port, so that a reader finds either nothing or all of it.
    ///
    /// # Errors
    ///
    /// The text is the line for the user.
    pub(crate) fn write(&self, server: &ServerInfo) -> io::Result<()> {
        if server.server_address().inet().is_none() {
            return Err(crate::wrong_usage(
                "systemd has opened a Unix socket, which has no port; leave out --port-file",
            ));
        }
        let content = format!("{}\n", server.server_port());
        let written =
            check_replaceable(&self.path).and_then(|()| write_atomically(&self.path, &content));
        let file = written.map_err(|reason| {
            let name = self.path.display();
            io::Error::other(format!("cannot write the port to '{name}': {reason}"))
        })?;
        // It is written once.
        let _ = self.file.set(file);
        Ok(())
    }

    /// Removes it, if this process has written it, and nothing else has its name now.
    pub(crate) fn remove(&self) {
        let is_ours = || -> io::Result<bool> {
            let Some(file) = self.file.get() else { return Ok(false) };
            let (ours, found) = (file.metadata()?, fs::symlink_metadata(&self.path)?);
            Ok((ours.dev(), ours.ino()) == (found.dev(), found.ino()))
        };
        if process::id() == self.owner && is_ours().unwrap_or(false) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Checks that the path is free, or has the port of a server, which may have been killed, or an
/// empty file, as mktemp(1) makes it.
fn check_replaceable(path: &Path) -> Result<(), String> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| reason(&error))?,
    };
    if found.is_dir() {
        return Err("it is a directory; name a file in it".to_owned());
    }
    if !found.is_file() {
        return Err("it is not a regular file; choose another path".to_owned());
    }
    // Root can open it for writing all the same.
    if found.mode() & 0o222 == 0 {
        return Err("it is read-only; choose another path".to_owned());
    }
    // For writing, too: renaming another file to this name would not ask for that permission.
    // Something else may be there by now: a link, or a pipe, which must not be waited for.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path);
    let mut content = Vec::new();
    file.and_then(|file| file.take(LONGEST + 1).read_to_end(&mut content))
        .map_err(|error| reason(&error))?;
    if is_port(&content) {
        return Ok(());
    }
    Err("it has other content than a port; remove it or choose another path".to_owned())
}

/// Bytes of `65535` and the end of its line.
const LONGEST: u64 = 6;

fn is_port(content: &[u8]) -> bool {
    let digits = content.strip_suffix(b"\n").unwrap_or(content);
    content.is_empty() || str::from_utf8(digits).is_ok_and(|text| number::<u16>(text).is_some())
}

fn write_atomically(path: &Path, content: &str) -> Result<File, String> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        // As for any file; the umask takes away what it says.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .map_err(|error| reason(&error))?;
    file.write_all(content.as_bytes()).map_err(|error| reason(&error))?;
    file.persist(path).map_err(|error| reason(&error.error))
}

/// Without the name that the file has before it is complete, which `tempfile` puts into its errors.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "its directory does not exist; choose another path".to_owned(),
        ErrorKind::PermissionDenied => "permission denied; choose another path".to_owned(),
        kind => kind.to_string(),
    }
}
