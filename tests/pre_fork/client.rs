//! A client of HTTP, and one of a request that takes its time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use crate::shared::client::is_readable_within;
use crate::shared::limits::LIMIT;

pub(crate) struct SlowRequest {
    pub(crate) client: Client,
    pub(crate) pid: i32,
}

impl SlowRequest {
    /// Tells whether anything comes before the request was finished, as its end would.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        is_readable_within(self.client.stream.get_ref().as_fd(), limit)
    }

    #[track_caller]
    pub(crate) fn finish(&mut self) {
        self.client.send("go");
        assert!(self.client.rest_of_chunks().ends_with("done"), "cut off");
    }
}

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let size = self.stream.read_line(&mut head).unwrap();
            assert!(size > 0, "the head ends early: {head:?}");
        }
        head
    }

    /// The body of a response with a length.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> String {
        let head = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }

    /// The text of the chunks that follow, to the last.
    pub(crate) fn rest_of_chunks(&mut self) -> String {
        let mut text = String::new();
        loop {
            let size = usize::from_str_radix(&self.line(), 16).unwrap_or(0);
            let mut chunk = vec![0; size];
            self.stream.read_exact(&mut chunk).unwrap();
            text.push_str(&String::from_utf8(chunk).unwrap());
            assert_eq!(self.line(), "");
            if size == 0 {
                return text;
            }
        }
    }

    /// Tells whether a reset comes, and nothing before.
    pub(crate) fn is_reset(&mut self) -> bool {
        let end = self.stream.read_to_end(&mut Vec::new());
        end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    }

    /// What comes until the end, be that a reset.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        String::from_utf8(rest).unwrap()
    }
}
