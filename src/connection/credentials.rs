//! The process at the other end of a Unix socket.

use std::io;
use std::os::fd::AsFd;

/// The process that connected to a Unix socket, as the kernel knows it (`SO_PEERCRED`).
///
/// The kernel knows these; a client cannot forge them, unlike what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The process, where the system tells (Linux). It may have ended since, and its number may be
    /// another's.
    pub pid: Option<i32>,
    /// The user it ran as when it connected.
    pub uid: u32,
    /// The group it ran as when it connected.
    pub gid: u32,
}

impl PeerCredentials {
    #[cfg(target_os = "linux")]
    pub(super) fn of(socket: &impl AsFd) -> io::Result<Self> {
        use nix::sys::socket::{getsockopt, sockopt};

        let peer = getsockopt(socket, sockopt::PeerCredentials)?;
        // What the kernel says of sockets that it knows nothing of.
        if peer.uid() == u32::MAX {
            return Err(unknown());
        }
        Ok(Self { pid: Some(peer.pid()), uid: peer.uid(), gid: peer.gid() })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(socket: &impl AsFd) -> io::Result<Self> {
        let (uid, gid) = nix::unistd::getpeereid(socket).map_err(|_| unknown())?;
        Ok(Self { pid: None, uid: uid.as_raw(), gid: gid.as_raw() })
    }
}

fn unknown() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "only the peer of a Unix socket is known")
}
