//! A line for each request in common formats of logs.

use std::fmt::{self, Write as _};
use std::io;
use std::time::{Duration, SystemTime};

use crate::http::exchange::{Exchange, HttpRequestHandler};
use crate::http::message::date;
use crate::http::message::json;
use crate::http::message::parse::target_in;
use crate::http::message::status::Status;
use crate::http::message::text::encode_latin1;
use crate::stderr::write_to_stderr;

/// Writes a line for each request to standard error, in another format than Python's.
///
/// The line is written when the response is complete, and has its size, the time that it took and
/// the [user](Exchange::remote_user). What a client sends is escaped, so that it cannot end a line
/// or a field: the line has no control characters, and quotes inside a field are escaped.
///
/// ```
/// use socketserver::ThreadingHttpServer;
/// use socketserver::http::{AccessLog, LogFormat, SimpleHttpRequestHandler};
///
/// let files = SimpleHttpRequestHandler::new("/srv/www");
/// let handler = AccessLog::new(files, LogFormat::Combined);
/// let server = ThreadingHttpServer::bind("127.0.0.1:0", handler)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct AccessLog<H> {
    handler: H,
    format: LogFormat,
}

/// How the lines of an [`AccessLog`] look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// The combined format of Apache and nginx, with the seconds that the request took at its end:
    ///
    /// ```text
    /// 192.0.2.7 - ada [27/Nov/2026:02:48:42 +0100] "GET / HTTP/1.1" 200 512 "-" "curl" 0.000341
    /// ```
    ///
    /// The time is when the request began; the size is that of the body, `-` if it is empty.
    /// Quotes, backslashes and all bytes that are not printable ASCII are written as `\xHH`. Other
    /// lines that a handler logs are written by the handler within.
    Combined,
    /// An object of JSON on a line for each request, and for each other line that a handler logs:
    ///
    /// ```text
    /// {"time":"2026-11-27T02:48:42.125+01:00","client":"192.0.2.7","user":"ada",
    ///  "request":"GET / HTTP/1.1","method":"GET","target":"/","status":200,"bytes":512,
    ///  "complete":true,"seconds":0.000341,"referer":null,"user_agent":"curl/8.9"}
    /// {"time":"2026-11-27T02:48:42.125+01:00","client":"192.0.2.7","message":"..."}
    /// ```
    ///
    /// `complete` is false for a download that its client has left, and for each response that
    /// ended otherwise than its head says. An error has its message as `error`. Text that is no
    /// UTF-8 is read as ISO 8859-1. Reports of handlers that fail, and warnings of the server, are
    /// text as with every format: a line that does not begin with `{` is one of these.
    Json,
}

impl<H: HttpRequestHandler> AccessLog<H> {
    /// Logs the requests of this handler in this format.
    pub fn new(handler: H, format: LogFormat) -> Self {
        Self { handler, format }
    }

    /// The handler within.
    pub fn handler(&self) -> &H {
        &self.handler
    }
}

impl<H: HttpRequestHandler> HttpRequestHandler for AccessLog<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.handler
    }

    fn send_error(
        &self,
        http: &mut Exchange<'_>,
        code: Status,
        message: Option<&str>,
        explain: Option<&str>,
    ) -> io::Result<()> {
        // The request's line has the code; a line of its own would say it twice.
        http.notes.error = Some(code.message(message).to_owned());
        self.handler.send_error(http, code, message, explain)
    }

    fn finish(&self, http: &Exchange<'_>) {
        self.handler.finish(http);
        let address = http.address_string();
        let entry = Entry {
            began: SystemTime::now().checked_sub(http.elapsed()),
            took: http.elapsed(),
            client: &address,
            user: http.remote_user(),
            request: http.requestline(),
            target: target_in(http.requestline()),
            method: &http.command,
            status: http.status().map(Status::code),
            bytes: http.wfile.sent(),
            is_complete: http.wfile.is_complete(),
            referer: http.headers.get("Referer"),
            user_agent: http.headers.get("User-Agent"),
            error: http.notes.error.as_deref(),
        };
        write_to_stderr(&match self.format {
            LogFormat::Combined => entry.combined(),
            LogFormat::Json => entry.json(),
        });
    }

    fn log_request(&self, _: &Exchange<'_>, _: Status, _: Option<u64>) {}

    fn log_error(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        if !(http.notes.is_error_logged && http.notes.error.is_some()) {
            http.log_message(message);
        }
    }

    fn log_message(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        if self.format == LogFormat::Combined {
            return self.handler.log_message(http, message);
        }
        let mut object = Object::new(Some(SystemTime::now()));
        object.text("client", Some(&http.address_string()));
        object.text("message", Some(&message.to_string()));
        write_to_stderr(&object.line());
    }
}

/// What is said of a request. Text of the client has a character for each byte; its address and
/// its user are text of the server.
struct Entry<'a> {
    began: Option<SystemTime>,
    took: Duration,
    client: &'a str,
    user: Option<&'a str>,
    request: &'a str,
    target: &'a str,
    method: &'a str,
    status: Option<u16>,
    bytes: u64,
    is_complete: bool,
    referer: Option<&'a str>,
    user_agent: Option<&'a str>,
    error: Option<&'a str>,
}

impl Entry<'_> {
    fn combined(&self) -> String {
        let mut line = String::with_capacity(200);
        push_word(&mut line, self.client);
        line.push_str(" - ");
        push_word(&mut line, self.user.unwrap_or("-"));
        let began = self.began.unwrap_or(SystemTime::UNIX_EPOCH);
        line.push_str(&format!(" [{}] ", date::local(began, "%d/%b/%Y:%H:%M:%S %z")));
        push_quoted(&mut line, Some(self.request));
        line.push_str(&self.status.map_or(" -".to_owned(), |code| format!(" {code}")));
        match self.bytes {
            0 => line.push_str(" - "),
            bytes => line.push_str(&format!(" {bytes} ")),
        }
        push_quoted(&mut line, self.referer);
        line.push(' ');
        push_quoted(&mut line, self.user_agent);
        line.push_str(&format!(" {:.6}\n", self.took.as_secs_f64()));
        line
    }

    fn json(&self) -> String {
        let mut object = Object::new(self.began);
        object.text("client", Some(self.client));
        object.text("user", self.user);
        object.bytes("request", Some(self.request));
        object.bytes("method", Some(self.method).filter(|method| !method.is_empty()));
        object.bytes("target", Some(self.target).filter(|target| !target.is_empty()));
        object.number("status", self.status.map(|code| code.to_string()));
        object.number("bytes", Some(self.bytes.to_string()));
        object.number("complete", Some(self.is_complete.to_string()));
        object.number("seconds", Some(format!("{:.6}", self.took.as_secs_f64())));
        object.bytes("referer", self.referer);
        object.bytes("user_agent", self.user_agent);
        if self.error.is_some() {
            object.text("error", self.error);
        }
        object.line()
    }
}

/// A field that ends at the next blank. It is the server's text, not a character for each byte of
/// a client's.
fn push_word(line: &mut String, word: &str) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    push_escaped(line, word.as_bytes(), is_plain);
}

/// Text of a client in quotes, `-` for text that is empty or absent.
fn push_quoted(line: &mut String, text: Option<&str>) {
    line.push('"');
    let text = text.filter(|text| !text.is_empty()).unwrap_or("-");
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte);
    push_escaped(line, &bytes(text), is_plain);
    line.push('"');
}

fn push_escaped(line: &mut String, text: &[u8], is_plain: impl Fn(u8) -> bool) {
    for &byte in text {
        if is_plain(byte) {
            line.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(line, "\\x{byte:02X}");
        }
    }
}

/// The bytes that text of a client stands for; other text in UTF-8.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    if !encode_latin1(text, &mut bytes) {
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// An object of JSON.
struct Object(String);

impl Object {
    fn new(time: Option<SystemTime>) -> Self {
        let mut object = Self("{".to_owned());
        let time = time.map(|time| date::local(time, "%Y-%m-%dT%H:%M:%S%.3f%:z"));
        object.text("time", time.as_deref());
        object
    }

    /// A value that is written as it is; `None` is null.
    fn number(&mut self, name: &str, value: Option<String>) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&format!("\"{name}\":{}", value.as_deref().unwrap_or("null")));
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        let quoted = text.map(|text| {
            let mut quoted = String::with_capacity(text.len() + 2);
            json::push_string(&mut quoted, text);
            quoted
        });
        self.number(name, quoted);
    }

    /// Text of a client, in UTF-8 where it is that.
    fn bytes(&mut self, name: &str, text: Option<&str>) {
        let decoded = text.map(|text| String::from_utf8(bytes(text)).unwrap_or(text.to_owned()));
        self.text(name, decoded.as_deref());
    }

    fn line(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry<'static> {
        Entry {
            began: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_784_116_800_125)),
            took: Duration::from_micros(1_234_567),
            client: "192.0.2.7",
            user: Some("ada"),
            request: "GET /a HTTP/1.1",
            target: "/a",
            method: "GET",
            status: Some(200),
            bytes: 5,
            is_complete: true,
            referer: None,
            user_agent: Some("curl/8"),
            error: None,
        }
    }

    #[test]
    fn a_line_has_all_fields() {
        let line = entry().combined();
        let (before, rest) = line.split_once('[').expect("a time");
        let (time, after) = rest.split_once(']').expect("its end");
        assert_eq!(before, "192.0.2.7 - ada ");
        assert!(time.contains("/Jul/2026:") && time.len() == 26, "{time}");
        assert_eq!(after, " \"GET /a HTTP/1.1\" 200 5 \"-\" \"curl/8\" 1.234567\n");
        let line = entry().json();
        let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&object["status"], &object["bytes"]), (&200.into(), &5.into()));
        assert_eq!(object["seconds"].as_f64(), Some(1.234_567));
        let texts = ["client", "user", "request", "method", "target", "user_agent"];
        let texts = texts.map(|name| object[name].as_str().unwrap_or_default());
        assert_eq!(texts, ["192.0.2.7", "ada", "GET /a HTTP/1.1", "GET", "/a", "curl/8"]);
        assert!(object["referer"].is_null() && object.get("error").is_none());
        let time = object["time"].as_str().unwrap_or_default();
        let time: jiff::Timestamp = time.parse().expect("a time with its zone");
        assert_eq!(time.as_millisecond(), 1_784_116_800_125);
    }

    #[test]
    fn what_a_client_says_stays_in_its_field_and_steers_no_terminal() {
        for text in ["a\"b", "a\\", "a\r\nb", "\x1b[31m", "\u{7f}\u{85}\u{9b}", "\u{0}", "] \"x"] {
            let hostile = || Entry {
                request: text,
                referer: Some(text),
                user_agent: Some(text),
                user: Some(text),
                target: text,
                method: text,
                error: Some(text),
                ..entry()
            };
            let combined = hostile().combined();
            assert_eq!(combined.matches('"').count(), 6, "{combined}");
            assert!(combined.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{combined}");
            assert_eq!(combined.split(' ').nth(2).map(|user| user.contains(['"', ']'])), {
                Some(text.starts_with(']'))
            });
            let json = hostile().json();
            for line in [&combined, &json] {
                assert_eq!(line.find('\n'), Some(line.len() - 1), "{line:?}");
                assert!(!line.trim_end().chars().any(char::is_control), "{line:?}");
            }
            let object: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            assert_eq!(object["user_agent"].as_str(), Some(text));
        }
    }

    #[test]
    fn text_beyond_ascii_is_read_as_utf_8_where_it_is_that() {
        let of = |agent: &'static str| Entry { user_agent: Some(agent), ..entry() };
        for (agent, json, combined) in [
            ("\u{c3}\u{a9}", "\"\u{e9}\"", "\"\\xC3\\xA9\""),
            ("\u{e9}", "\"\u{e9}\"", "\"\\xE9\""),
            ("\u{d8}\u{9c}", "\"\\u061c\"", "\"\\xD8\\x9C\""),
            ("\u{f3}\u{a0}\u{80}\u{81}", "\"\\udb40\\udc01\"", "\\xF3\\xA0\\x80\\x81"),
            ("\u{e2}\u{80}\u{ae}", "\"\\u202e\"", "\"\\xE2\\x80\\xAE\""),
        ] {
            assert!(of(agent).json().contains(json), "{}", of(agent).json());
            assert!(of(agent).combined().contains(combined));
        }
    }

    #[test]
    fn each_user_has_a_name_of_its_own() {
        for (user, combined, json) in [
            ("\u{fc}", "- \\xC3\\xBC [", "\"user\":\"\u{fc}\""),
            ("\u{c3}\u{bc}", "- \\xC3\\x83\\xC2\\xBC [", "\"user\":\"\u{c3}\u{bc}\""),
            ("\u{20ac}uro", "- \\xE2\\x82\\xACuro [", "\"user\":\"\u{20ac}uro\""),
        ] {
            let of = Entry { user: Some(user), ..entry() };
            assert!(of.combined().contains(combined), "{}", of.combined());
            assert!(of.json().contains(json), "{}", of.json());
        }
    }
}
