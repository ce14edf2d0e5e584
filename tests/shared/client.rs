//! A client with time limits.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use socketserver::Address;

use super::limits::LIMIT;

/// A raw client. Every operation is limited to five seconds.
#[derive(Debug)]
pub(crate) struct Client {
    /// Or a Unix socket: what is done with it here is the same for both.
    pub(crate) stream: TcpStream,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
        // What is sent apart should arrive apart.
        stream.set_nodelay(true).unwrap();
        Self::of(stream)
    }

    #[track_caller]
    pub(crate) fn connect_to_path(path: &Path) -> Self {
        Self::of(OwnedFd::from(UnixStream::connect(path).unwrap()).into())
    }

    #[track_caller]
    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        Self { stream }
    }

    /// Where the server sees this client; a Unix socket has no name.
    #[track_caller]
    pub(crate) fn address(&self) -> Address {
        let address = SockRef::from(&self.stream).local_addr().unwrap();
        address.as_socket().map_or_else(|| Address::unix(""), Address::from)
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a line and returns the line that answers it, without its end.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n"));
        self.read_line()
    }

    /// Reads up to the end of a line and not a byte further.
    #[track_caller]
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            match self.read_exactly(1)[0] {
                b'\n' => return String::from_utf8(line).unwrap(),
                byte => line.push(byte),
            }
        }
    }

    #[track_caller]
    pub(crate) fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads until the server closes in good order.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut text = String::new();
        self.stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Says that no more will be sent.
    #[track_caller]
    pub(crate) fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Waits for the server to close, by a reset where it left something unread.
    #[track_caller]
    pub(crate) fn sees_the_end(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            Ok(_) => panic!("the connection goes on: {:?}", char::from(byte[0])),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }

    /// Waits for the server to reset the connection, as nothing else would tell that there is more.
    #[track_caller]
    pub(crate) fn sees_a_reset(&mut self) {
        let end = self.stream.read(&mut [0]).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    }

    /// Neither bytes nor an end come for a while.
    #[track_caller]
    pub(crate) fn hears_nothing_for(&self, limit: Duration) {
        assert!(!self.hears(limit), "something came");
    }

    /// Tells whether bytes or an end come in time.
    pub(crate) fn hears(&self, limit: Duration) -> bool {
        is_readable_within(self.stream.as_fd(), limit)
    }

    /// Tells that the server has neither sent nor ended.
    pub(crate) fn is_open(&self) -> bool {
        !self.hears(Duration::ZERO)
    }

    /// Tells whether the connection is reset in time.
    pub(crate) fn is_reset_within(&self, limit: Duration) -> bool {
        let mut descriptors = [PollFd::new(self.stream.as_fd(), PollFlags::empty())];
        poll(&mut descriptors, PollTimeout::try_from(limit).unwrap()).unwrap() > 0
    }
}

pub(crate) fn is_readable_within(descriptor: BorrowedFd<'_>, limit: Duration) -> bool {
    let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
    poll(&mut descriptors, PollTimeout::try_from(limit).unwrap()).unwrap() > 0
}

/// Polls until it is so, where nothing tells when.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never is so");
        thread::park_timeout(Duration::from_millis(1));
    }
}
