//! A response as its client reads it.

use std::borrow::Cow;
use std::io;

use crate::http::message::head_end::head_end;
use crate::http::message::headers::Headers;
use crate::http::message::own_chunks::OwnChunks;
use crate::http::message::parse::field_lines;
use crate::http::message::status::Status;
use crate::http::message::text::{Latin1, latin1};

/// A response that was taken apart: see [`respond`](super::respond).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: Status,
    /// The reason behind it: `"Not Found"`.
    pub reason: String,
    /// The header fields, in the order and spelling in which they came.
    pub headers: Headers,
    /// The body, without the chunked coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Takes apart what was sent in answer to a request, which may have been a HEAD request.
    /// `is_whole` tells whether the connection's end is that of a response.
    pub(super) fn parse(mut sent: &[u8], is_head: bool, is_whole: bool) -> io::Result<Self> {
        loop {
            let (mut response, length) = Self::head(sent)?;
            sent = &sent[length..];
            if response.status.is_interim() {
                continue;
            }
            let has_body =
                response.status == Status::SWITCHING_PROTOCOLS || !response.status.is_bodiless();
            if has_body && !is_head {
                response.body = response.read_body(sent, is_whole)?;
            }
            return Ok(response);
        }
    }

    /// Takes a head apart; returns it without a body, and how long it is.
    fn head(sent: &[u8]) -> io::Result<(Self, usize)> {
        if !sent.is_empty() && !sent.starts_with(b"HTTP/1.") {
            let line = sent[..sent.len().min(40)].escape_ascii();
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("not a head: {line}")));
        }
        let what = if sent.is_empty() { "no response was sent" } else { "there is no whole head" };
        let (_, length) = head_end(sent, 0, 0).ok_or_else(|| ended(what))?;
        let line_end = memchr::memchr(b'\n', sent).unwrap_or(0);
        let line = latin1(sent[..line_end].trim_ascii_end());
        let not_http = || io::Error::new(io::ErrorKind::InvalidData, format!("not a head: {line}"));
        let (_, rest) = line.split_once(' ').ok_or_else(not_http)?;
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let code: u16 = code.parse().map_err(|_| not_http())?;
        let status = Status::try_from(code).map_err(|_| not_http())?;
        let fields = &sent[line_end + 1..length];
        let lines = memchr::memchr_iter(b'\n', fields).count();
        let mut room = vec![httparse::EMPTY_HEADER; lines];
        let fields = field_lines(fields, &mut room).map_err(|_| not_http())?;
        let mut headers = Headers::default();
        for field in fields {
            headers.push(field.name, field.value, Latin1::new(field.value));
        }
        let reason = reason.to_owned();
        Ok((Self { status, reason, headers, body: Vec::new() }, length))
    }

    /// The body at the start of what was sent.
    fn read_body(&self, sent: &[u8], is_whole: bool) -> io::Result<Vec<u8>> {
        if let Some(coding) = self.headers.get("Transfer-Encoding")
            && coding.eq_ignore_ascii_case("chunked")
        {
            let (mut chunks, mut body) = (OwnChunks::default(), Vec::new());
            // Byte by byte, as another response may follow.
            for byte in sent {
                chunks.read(&[*byte], |data| {
                    body.extend_from_slice(data);
                    Ok(())
                })?;
                if chunks.is_ended() {
                    return Ok(body);
                }
            }
            return Err(ended("the last chunk was not sent"));
        }
        let length = match self.headers.get("Content-Length") {
            Some(length) => length.parse().unwrap_or(usize::MAX),
            None if !is_whole => return Err(ended("the response was broken off")),
            None => sent.len(),
        };
        let body = sent.get(..length);
        body.map(<[u8]>::to_vec).ok_or_else(|| ended("the body is shorter than its Content-Length"))
    }
}

fn ended(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}
