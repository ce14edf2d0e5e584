//! The head of a script's output: bytes in, a status and headers out. Knows no process.

use memchr::memchr;

use crate::http::message::framing::plain_number;
use crate::http::message::response_head::is_plain;
use crate::http::message::status::Status;
use crate::http::message::text::latin1;
use crate::http::message::token::is_token;

/// What a script's head asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The response of another path of this server (RFC 3875 §6.2.2).
    Redirect(String),
    Response(Response),
}

/// A response as its script describes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: Status,
    /// `None` where the script leaves it to the server.
    pub(super) reason: Option<String>,
    /// Without those that are between this server and its client.
    pub(super) headers: Vec<(String, String)>,
    pub(super) length: Option<u64>,
}

/// Reads a head (RFC 3875 §6.3), or says what is wrong with it.
pub(super) fn parse(head: &[u8]) -> Result<Answer, &'static str> {
    let mut fields = Fields::default();
    for line in head.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            fields.add(line)?;
        }
    }
    fields.answer()
}

/// The fields that mean something to the server, and the others.
#[derive(Default)]
struct Fields {
    status: Option<String>,
    location: Option<String>,
    content_type: Option<String>,
    length: Option<u64>,
    others: Vec<(String, String)>,
}

impl Fields {
    fn add(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let colon = memchr(b':', line).ok_or("a line of its head has no colon")?;
        let (name, value) = (latin1(&line[..colon]), latin1(line[colon + 1..].trim_ascii()));
        if !is_token(&name) {
            return Err("a line of its head does not begin with a name");
        }
        if !is_plain(&value) {
            return Err("a value in its head has a control character");
        }
        match name.to_ascii_lowercase().as_str() {
            "status" => once(&mut self.status, value),
            "location" => once(&mut self.location, value),
            "content-type" => once(&mut self.content_type, value),
            "content-length" => {
                let length = plain_number(&value).ok_or("its Content-Length is no number")?;
                once(&mut self.length, length)
            }
            name if BETWEEN_US_AND_THE_CLIENT.contains(&name) => Ok(()),
            _ => {
                self.others.push((name, value));
                Ok(())
            }
        }
    }

    fn answer(self) -> Result<Answer, &'static str> {
        let status = self.status.as_deref().map(status).transpose()?;
        let is_local = |location: &String| status.is_none() && location.starts_with('/');
        if let Some(location) = self.location.clone().filter(is_local) {
            return Ok(Answer::Redirect(location));
        }
        if status.is_none() && self.location.is_none() && self.content_type.is_none() {
            return Err("its head has no Content-Type");
        }
        let found = if self.location.is_some() { Status::FOUND } else { Status::OK };
        let (status, reason) = status.unwrap_or((found, None));
        let own = [("Content-Type", self.content_type), ("Location", self.location)];
        let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let headers = own.chain(self.others).collect();
        Ok(Answer::Response(Response { status, reason, headers, length: self.length }))
    }
}

fn once<T>(field: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err("its head says something twice"),
    }
}

/// Reads `404 Not Found`; the words may be missing.
fn status(value: &str) -> Result<(Status, Option<String>), &'static str> {
    let (code, reason) = value.split_once(' ').unwrap_or((value, ""));
    let code = plain_number(code).and_then(|code| u16::try_from(code).ok());
    let status = code.and_then(|code| Status::try_from(code).ok());
    let status = status.filter(|status| status.code() >= 200).ok_or("its Status is none")?;
    let reason = reason.trim();
    Ok((status, (!reason.is_empty()).then(|| reason.to_owned())))
}

/// Headers that are not the script's to send: of the connection, and those that the server adds
/// (RFC 3875 §6.3.4 leaves it to the server to resolve conflicts).
const BETWEEN_US_AND_THE_CLIENT: [&str; 9] = [
    "connection",
    "date",
    "keep-alive",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn response(head: &str) -> Response {
        match parse(head.as_bytes()) {
            Ok(Answer::Response(response)) => response,
            other => panic!("{head:?}: {other:?}"),
        }
    }

    #[test]
    fn a_head_is_a_response_or_a_redirect() {
        let plain = response("Content-Type: text/plain\nX-A: b\r\nConnection: close\n\n");
        assert_eq!((plain.status, plain.reason, plain.length), (Status::OK, None, None));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(plain.headers, [header("Content-Type", "text/plain"), header("X-A", "b")]);
        let gone = response("status: 410 Gone Away\nContent-Length: 5\n");
        assert_eq!((gone.status, gone.reason.as_deref()), (Status::GONE, Some("Gone Away")));
        assert_eq!((gone.length, gone.headers), (Some(5), vec![]));
        assert_eq!(response("Location: https://h/\n").status, 302);
        assert_eq!(response("Location: /a\nStatus: 303\n").status, 303);
        let local = Ok(Answer::Redirect("/a?b".into()));
        assert_eq!(parse(b"Location: /a?b\nContent-Type: text/plain\n"), local);
    }

    #[test]
    fn a_value_may_have_tabs_and_bytes_beyond_ascii() {
        let head = b"Content-Type: a\tb\nX-A: \xe9\x80\n";
        assert!(matches!(parse(head), Ok(Answer::Response(_))));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for head in [
            "",
            "X-A: b\n",
            "Hello, World!\n",
            "Content Type: text/plain\n",
            "Content-Type : text/plain\n",
            "Content-Type: a\n b\n",
            "Content-Type: a\nContent-Type: a\n",
            "Content-Type: a\rb\n",
            "Content-Type: a\0b\n",
            "Content-Type: a\x01b\n",
            "Content-Type: a\nX-A: \x1b[31m\n",
            "Content-Type: a\nX-A: a\x7fb\n",
            "Status: 200 O\x0bK\nContent-Type: a\n",
            "Status: \n",
            "Status: 20\n",
            "Status: 100 Continue\n",
            "Status: 1000\n",
            "Status: +200\n",
            "Status: 200x\n",
            "Content-Type: a\nContent-Length: 5x\n",
            "Content-Type: a\nContent-Length: 5\nContent-Length: 5\n",
            "HTTP/1.1 200 OK\nContent-Type: a\n",
        ] {
            assert!(parse(head.as_bytes()).is_err(), "{head:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_head_or_none(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            if let Ok(Answer::Response(response)) = parse(&bytes) {
                proptest::prop_assert!(response.status.code() >= 200);
                for (name, value) in response.headers {
                    proptest::prop_assert!(is_token(&name) && !value.contains(['\r', '\n']));
                }
            }
        }
    }
}
