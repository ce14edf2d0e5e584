//! A request whose body is waited for before its handler is called.

use std::io;

use super::chunk_scan::ChunkScan;
use super::received::Request;
use crate::connection::Rfile;
use crate::http::message::framing::BodyLength;

/// A request, and what of its body has to arrive before its handler is called. What has arrived is
/// in the connection's buffer, which so holds no more than the limit.
pub(super) struct AwaitedBody {
    pub(super) request: Request,
    pub(super) awaits: Awaits,
    /// The most that is waited for.
    pub(super) limit: usize,
}

/// What of a body has to arrive.
pub(super) enum Awaits {
    /// So many bytes.
    Bytes(usize),
    /// The last chunk.
    Chunks(ChunkScan),
}

impl Awaits {
    /// What has to be waited for of a body of up to `limit` bytes. Others are read by the handler,
    /// and so are those that the client sends when it is told to.
    pub(super) fn of(request: &Request, limit: usize) -> Option<Self> {
        match request.body {
            _ if limit == 0 || request.head.expects_100() => None,
            BodyLength::Known(length) => {
                let length = usize::try_from(length).ok().filter(|length| *length <= limit);
                length.map(Self::Bytes)
            }
            BodyLength::Chunked => Some(Self::Chunks(ChunkScan::default())),
        }
    }
}

impl AwaitedBody {
    /// Receives what has arrived; tells whether the handler is to be called: the body is there, or
    /// more of it than is waited for, or the handler will find out as it reads why nothing more
    /// comes, as the client has ended or was late; or the server stops, and waits no longer.
    pub(super) fn receive(&mut self, rfile: &mut Rfile) -> io::Result<bool> {
        if rfile.socket().is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        rfile.expect_rate();
        while !self.is_there(rfile.unread()) {
            match rfile.receive() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(rfile.take_hurry()),
                    io::ErrorKind::TimedOut => break,
                    _ => return Err(error),
                },
            }
        }
        Ok(true)
    }

    fn is_there(&mut self, arrived: &[u8]) -> bool {
        match &mut self.awaits {
            Awaits::Bytes(length) => arrived.len() >= *length,
            Awaits::Chunks(scan) => {
                arrived.len() >= self.limit || scan.is_settled(arrived, self.limit)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::*;
    use crate::connection::ClientSocket;
    use crate::http::message::parse::Head;

    fn request(body: BodyLength) -> Request {
        Request { head: Head::unread(), body, in_clear: false, since: None }
    }

    /// The client's end, and the server's.
    fn connected() -> (UnixStream, Rfile) {
        let (client, server) = UnixStream::pair().expect("a pair of sockets");
        let socket = Arc::new(ClientSocket::plain(OwnedFd::from(server)));
        (client, Rfile::new(socket, None, None))
    }

    /// What is waited for of such a body.
    fn awaited(body: BodyLength, limit: usize) -> Option<AwaitedBody> {
        let request = request(body);
        Awaits::of(&request, limit).map(|awaits| AwaitedBody { request, awaits, limit })
    }

    #[test]
    fn bodies_up_to_the_limit_are_awaited() {
        for (body, limit, is_awaited) in [
            (BodyLength::Known(4), 5, true),
            (BodyLength::Known(4), 4, true),
            (BodyLength::Known(4), 3, false),
            (BodyLength::Known(u64::MAX), usize::MAX - 1, false),
            (BodyLength::Known(0), 0, false),
            (BodyLength::Chunked, 1, true),
            (BodyLength::Chunked, 0, false),
        ] {
            assert_eq!(awaited(body, limit).is_some(), is_awaited, "{body:?} {limit}");
            let mut told = request(body);
            told.head.headers.push_text("Expect", "100-continue");
            assert!(Awaits::of(&told, limit).is_none(), "the client waits to be told");
        }
    }

    #[test]
    fn a_body_is_there_with_its_last_byte_or_at_the_limit() {
        for (body, limit, pieces, is_there) in [
            (BodyLength::Known(4), 10, &["", "abc", "d"][..], true),
            (BodyLength::Known(4), 4, &["abcdef"], true),
            (BodyLength::Known(4), 4, &["abc"], false),
            (BodyLength::Chunked, 100, &["1\r\nx\r", "\n0\r\n", "\r\n"], true),
            (BodyLength::Chunked, 100, &["1\r\nx\r\n0\r\n"], false),
            // It is malformed, or its chunk is too long.
            (BodyLength::Chunked, 100, &["x\r\n"], true),
            (BodyLength::Chunked, 100, &["6", "1\r\n"], true),
            (BodyLength::Chunked, 8, &["3\r\nabc\r", "\n"], true),
            (BodyLength::Chunked, 9, &["3\r\nabc\r\n"], false),
        ] {
            let (mut client, mut rfile) = connected();
            let mut awaited = awaited(body, limit).expect("it is awaited");
            for (number, piece) in pieces.iter().enumerate() {
                client.write_all(piece.as_bytes()).expect("there is room");
                let received = awaited.receive(&mut rfile).expect("a client");
                assert_eq!(received, is_there && number + 1 == pieces.len(), "{pieces:?} {number}");
            }
            assert_eq!(rfile.unread(), pieces.concat().as_bytes());
        }
    }

    #[test]
    fn a_handler_finds_out_why_nothing_more_comes_but_for_what_the_socket_reports() {
        for body in [BodyLength::Known(4), BodyLength::Chunked] {
            let (client, mut rfile) = connected();
            drop(client);
            let mut ended = awaited(body, 10).expect("it is awaited");
            assert!(ended.receive(&mut rfile).expect("an end"));

            let (_client, mut rfile) = connected();
            rfile.expire();
            let mut late = awaited(body, 10).expect("it is awaited");
            assert!(late.receive(&mut rfile).expect("a client that is late"));

            let (client, mut rfile) = connected();
            nix::unistd::write(rfile.socket(), b"unread").expect("there is room");
            // The client's end resets the connection, on Linux.
            drop(client);
            let mut reset = awaited(body, 10).expect("it is awaited");
            assert_eq!(reset.receive(&mut rfile).is_err(), cfg!(target_os = "linux"));
        }
    }
}
