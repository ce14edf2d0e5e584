//! A script's output on its way to the client.

use std::io::{self, Write};

use super::output::{self, Answer, Response};
use crate::http::exchange::Exchange;
use crate::http::message::head_end::head_end;
use crate::http::message::status::Status;

/// How far a script's output is understood.
#[derive(Debug)]
pub(super) enum Reply {
    /// The head so far.
    Head(Vec<u8>),
    /// So many bytes may follow, or any number.
    Body(Option<u64>),
    /// The script answers by itself; told whether it has begun.
    Raw(bool),
    /// Another path answers; nothing of the output matters.
    Redirected(String),
    /// The output is not a response, for this reason.
    Bad(&'static str),
}

impl Reply {
    pub(super) fn new(is_nph: bool) -> Self {
        if is_nph { Self::Raw(false) } else { Self::Head(Vec::new()) }
    }

    /// Takes some output and passes it on as far as it can be.
    pub(super) fn take(&mut self, bytes: &[u8], http: &mut Exchange<'_>) -> io::Result<()> {
        match self {
            Self::Head(head) => {
                let searched = head.len();
                head.extend_from_slice(bytes);
                match head_end(head, 0, searched) {
                    Some((_, end)) if end <= LONGEST_HEAD => {
                        let (head, body) = head.split_at(end);
                        let (head, body) = (head.to_vec(), body.to_vec());
                        self.begin(&head, http)?;
                        self.follow(&body, http)
                    }
                    None if head.len() <= LONGEST_HEAD => Ok(()),
                    _ => {
                        *self = Self::Bad("its head is too long");
                        Ok(())
                    }
                }
            }
            Self::Raw(has_begun) => {
                if !std::mem::replace(has_begun, true) {
                    let status = status_of(bytes).unwrap_or(Status::OK);
                    http.close_connection = true;
                    http.wfile.pass_through();
                    http.log_request(status, None);
                }
                http.wfile.write_all(bytes)
            }
            Self::Body(_) => self.write(bytes, http),
            Self::Redirected(_) | Self::Bad(_) => Ok(()),
        }
    }

    fn begin(&mut self, head: &[u8], http: &mut Exchange<'_>) -> io::Result<()> {
        *self = match output::parse(head) {
            Ok(Answer::Redirect(location)) => Self::Redirected(location),
            Ok(Answer::Response(response)) => {
                send_head(&response, http)?;
                Self::Body(response.length)
            }
            Err(why) => Self::Bad(why),
        };
        Ok(())
    }

    /// The output behind the head; without any yet, or where it is dropped, the head leaves alone.
    fn follow(&mut self, bytes: &[u8], http: &mut Exchange<'_>) -> io::Result<()> {
        match self {
            Self::Body(_) => {
                if bytes.is_empty() || http.wfile.is_dropping() {
                    http.flush_headers()?;
                }
                self.write(bytes, http)
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, mut bytes: &[u8], http: &mut Exchange<'_>) -> io::Result<()> {
        if let Self::Body(Some(left)) = self {
            let kept = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            if kept < bytes.len() && *left > 0 {
                http.log_error(format_args!("CGI script: more output than its Content-Length"));
            }
            bytes = &bytes[..kept];
            *left -= kept as u64;
        }
        http.wfile.write_all(bytes)
    }
}

fn send_head(response: &Response, http: &mut Exchange<'_>) -> io::Result<()> {
    match (&response.reason, response.status) {
        (Some(reason), status) => http.send_response_with(status, reason)?,
        (None, Status::OK) => http.send_response_with(200, "Script output follows")?,
        (None, status) => http.send_response(status)?,
    }
    for (name, value) in &response.headers {
        http.send_header(name, value)?;
    }
    // A length would speak of another response (RFC 9110 §8.6).
    if let Some(length) = response
        .length
        .filter(|_| !matches!(response.status, Status::NO_CONTENT | Status::RESET_CONTENT))
    {
        http.send_header("Content-Length", length)?;
    }
    http.end_headers()
}

/// The status in the first line of a whole response.
fn status_of(response: &[u8]) -> Option<Status> {
    let line = response.split(|&byte| byte == b'\n').next()?;
    let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    words.next()?.parse::<u16>().ok()?.try_into().ok()
}

/// Bytes of a head, as many as a request's line may have.
const LONGEST_HEAD: usize = 64 * 1024;
