//! What an error of `accept` means for a server.

use std::io;

use nix::errno::Errno;

/// What an error of `accept` means for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptError {
    /// No client waits any more.
    Nobody,
    /// This client is lost; the next one may be fine.
    Client,
    /// The process or the system has run out of something.
    Exhausted,
    /// Not known. The client is lost, and the listener rests, as the next call may fail alike.
    Unknown,
    /// The listener itself is unusable.
    Listener,
}

impl AcceptError {
    pub(crate) fn of(error: &io::Error) -> Self {
        // Without an errno the call succeeded, and what it returned could not be used: `std` says
        // so of an empty address, which macOS reports for a client that was reset meanwhile.
        let Some(errno) = error.raw_os_error().map(Errno::from_raw) else {
            return match error.kind() {
                io::ErrorKind::WouldBlock => Self::Nobody,
                _ => Self::Client,
            };
        };
        match errno {
            Errno::EAGAIN => Self::Nobody,
            // accept(2): what went wrong on the new socket already is reported here, and is to
            // be treated like "try again". That includes what ICMP reports (icmp(7)).
            Errno::EINTR
            | Errno::ECONNABORTED
            | Errno::ECONNREFUSED
            | Errno::ECONNRESET
            | Errno::EPROTO
            | Errno::EPERM
            | Errno::EACCES
            | Errno::EMSGSIZE
            | Errno::ENOTCONN
            | Errno::EPIPE
            | Errno::ETIMEDOUT
            | Errno::ENETDOWN
            | Errno::ENETRESET
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH
            | Errno::ENOPROTOOPT => Self::Client,
            #[cfg(target_os = "linux")]
            Errno::ENONET => Self::Client,
            Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM => Self::Exhausted,
            // Not open, not a socket, not listening, and of a kind that cannot listen.
            Errno::EBADF | Errno::ENOTSOCK | Errno::EINVAL | Errno::EOPNOTSUPP => Self::Listener,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(errno: Errno) -> AcceptError {
        AcceptError::of(&errno.into())
    }

    #[test]
    fn what_accept_reports_of_a_new_socket_does_not_end_the_server() {
        // The list of accept(2), "Error handling", but for EOPNOTSUPP, which is also the listener's
        // own.
        for errno in [
            Errno::ENETDOWN,
            Errno::EPROTO,
            Errno::ENOPROTOOPT,
            Errno::EHOSTDOWN,
            #[cfg(target_os = "linux")]
            Errno::ENONET,
            Errno::EHOSTUNREACH,
            Errno::ENETUNREACH,
            Errno::EINTR,
            Errno::ECONNABORTED,
            Errno::EPERM,
        ] {
            assert_eq!(meaning(errno), AcceptError::Client, "{errno}");
        }
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM] {
            assert_eq!(meaning(errno), AcceptError::Exhausted, "{errno}");
        }
        assert_eq!(meaning(Errno::EAGAIN), AcceptError::Nobody);
    }

    #[test]
    fn only_proof_of_a_dead_listener_ends_the_server() {
        let proofs = [Errno::EBADF, Errno::EINVAL, Errno::ENOTSOCK, Errno::EOPNOTSUPP];
        for number in 1..=133 {
            let errno = Errno::from_raw(number);
            let ends = meaning(errno) == AcceptError::Listener;
            assert_eq!(ends, proofs.contains(&errno), "{errno}");
        }
    }

    /// `std` makes these of an address that is empty, and TLS of a session that cannot begin.
    #[test]
    fn an_error_without_a_number_is_a_lost_client() {
        for kind in [io::ErrorKind::InvalidInput, io::ErrorKind::Other] {
            let error = io::Error::new(kind, "invalid argument");
            assert_eq!(AcceptError::of(&error), AcceptError::Client, "{kind}");
        }
        let nobody = io::ErrorKind::WouldBlock.into();
        assert_eq!(AcceptError::of(&nobody), AcceptError::Nobody);
    }
}
