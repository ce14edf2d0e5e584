//! nginx itself, as a server of the same files and as a proxy with a cache.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Client, LIMIT};
use crate::web::{Browser, Reply};

/// A running nginx.
pub(crate) struct Nginx {
    address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Nginx {
    /// Starts one that listens where the configuration of its `http` says `{listen}`; `{here}` is a
    /// directory of its own. `None` where there is no nginx.
    #[track_caller]
    pub(crate) fn start(http: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let here = directory.path().to_str().unwrap();
        let http = http.replace("{listen}", &address.to_string()).replace("{here}", here);
        // Its workers may not enter a test's directory under another user.
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        // One process, so that killing it leaves no workers behind.
        let main = format!(
            "{user} daemon off; master_process off; pid nginx.pid; error_log stderr crit;\n\
             events {{}}\n\
             http {{ access_log off; default_type application/octet-stream;\n{http}\n}}\n"
        );
        fs::write(directory.path().join("nginx.conf"), main).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
        command.stdout(Stdio::null());
        let Ok(child) = command.spawn() else {
            println!("skipped: there is no nginx");
            return None;
        };
        let nginx = Self { address, child, _directory: directory };
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Some(nginx)
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    #[track_caller]
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> Reply {
        Browser::over(self.connect()).ask(request)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
