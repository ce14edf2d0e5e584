//! The file of `--port-file`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;

use socketserver::ServerInfo;

/// Holds the port while the server runs.
#[derive(Debug)]
pub(crate) struct PortFile {
    path: PathBuf,
    content: String,
    owner: u32,
}

impl PortFile {
    /// Writes the port, so that a reader finds either nothing or all of it.
    ///
    /// # Errors
    ///
    /// The text is the line for the user.
    pub(crate) fn write(path: &Path, server: &ServerInfo) -> io::Result<Self> {
        if server.server_address().inet().is_none() {
            return Err(crate::wrong_usage(
                "systemd has opened a Unix socket, which has no port; leave out --port-file",
            ));
        }
        let content = format!("{}\n", server.server_port());
        let written = write_atomically(path, &content);
        written.map_err(|error| {
            let name = path.display();
            io::Error::other(format!("cannot write the port to '{name}': {error}"))
        })?;
        // The server may be in another directory when it ends.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { path, content, owner: process::id() })
    }

    /// Removes it, if this process has written it, and no other server its own meanwhile.
    pub(crate) fn remove(&self) {
        let is_ours = || fs::read_to_string(&self.path).is_ok_and(|found| found == self.content);
        if process::id() == self.owner && is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn write_atomically(path: &Path, content: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        // As for any file; the umask takes away what it says.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(content.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
