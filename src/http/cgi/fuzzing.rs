//! Heads of scripts: whole and in pieces they are the same, and nothing in them splits a response.

use super::output::{Answer, parse};
use crate::http::message::head_end::head_end;

/// Reads a script's head, cut where the first byte tells.
pub fn check(data: &[u8]) {
    let [cut, bytes @ ..] = data else { return };
    let cut = usize::from(*cut).min(bytes.len());
    let whole = head_end(bytes, 0, 0);
    let in_pieces = head_end(&bytes[..cut], 0, 0).or_else(|| head_end(bytes, 0, cut));
    assert_eq!(in_pieces, whole, "cut at {cut}");
    let Some((_, end)) = whole else { return };
    match parse(&bytes[..end]) {
        Ok(Answer::Redirect(location)) => {
            assert!(location.starts_with('/') && is_line(&location), "{location:?}");
        }
        Ok(Answer::Response(response)) => {
            assert!(response.status.code() >= 200);
            assert!(response.reason.as_deref().is_none_or(is_line), "{:?}", response.reason);
            for (name, value) in &response.headers {
                let is_token = |byte: u8| byte.is_ascii_graphic() && byte != b':';
                assert!(!name.is_empty() && name.bytes().all(is_token), "{name:?}");
                assert!(is_line(value), "{value:?}");
                assert!(!BETWEEN.contains(&name.to_ascii_lowercase().as_str()), "{name:?}");
            }
        }
        Err(_) => {}
    }
}

fn is_line(text: &str) -> bool {
    !text.contains(['\r', '\n', '\0'])
}

/// What a script must not say, as it is the server's to frame the response.
const BETWEEN: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];
