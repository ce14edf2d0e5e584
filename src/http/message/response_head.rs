//! The lines of a response's head, as bytes. Knows no connection.

use std::io;
use std::ops::Range;

use super::misuse::{MisuseKind, misuse};
use super::protocol_version::ProtocolVersion;
use super::status::Status;
use super::text::encode_latin1;
use crate::printable::{is_printable_ascii, repr};
use crate::work;

/// Appends a status line.
pub(crate) fn push_status_line(
    head: &mut Vec<u8>,
    protocol: ProtocolVersion,
    status: Status,
    message: &str,
) -> io::Result<()> {
    let code = status.code();
    let line = head.len();
    let digit = |divisor: u16| b'0' + (code / divisor % 10) as u8;
    head.extend_from_slice(protocol.as_str().as_bytes());
    head.extend_from_slice(&[b' ', digit(100), digit(10), digit(1), b' ']);
    if let Err(what) = push_text(head, message) {
        head.truncate(line);
        let what = format!("send_response({status}): {what}");
        return Err(misuse(MisuseKind::InvalidHeader, what));
    }
    head.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends a header line, of a name that was checked.
pub(crate) fn push_header(head: &mut Vec<u8>, keyword: &str, value: &str) -> io::Result<()> {
    let line = head.len();
    head.extend_from_slice(keyword.as_bytes());
    head.extend_from_slice(b": ");
    if let Err(what) = push_text(head, value) {
        head.truncate(line);
        let what = format!("send_header({}): {what}", repr(keyword));
        return Err(misuse(MisuseKind::InvalidHeader, what));
    }
    head.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends the text of a line, or tells what is wrong with it.
fn push_text(head: &mut Vec<u8>, text: &str) -> Result<(), String> {
    work::note(text.len());
    if is_printable_ascii(text) {
        head.extend_from_slice(text.as_bytes());
        Ok(())
    } else if !is_plain(text) {
        Err(format!("control character in {}", repr(text)))
    } else if !encode_latin1(text, head) {
        Err(format!("{} is beyond ISO 8859-1", repr(text)))
    } else {
        Ok(())
    }
}

/// The first line of a head that is a header of this name, its end included.
pub(crate) fn find_header(head: &[u8], keyword: &str) -> Option<Range<usize>> {
    find_headers(head, keyword).next()
}

/// The values of the headers of this name.
pub(crate) fn values<'a>(head: &'a [u8], keyword: &str) -> impl Iterator<Item = &'a [u8]> {
    let length = keyword.len();
    find_headers(head, keyword)
        .map(move |line| head[line.start + length + 1..line.end].trim_ascii())
}

/// Removes all headers of this name.
pub(crate) fn remove_headers(head: &mut Vec<u8>, keyword: &str) {
    while let Some(line) = find_header(head, keyword) {
        head.drain(line);
    }
}

/// Tells whether a head has this content type, whatever its parameters, and no other one.
pub(crate) fn has_content_type(head: &[u8], kind: &str) -> bool {
    let mut types = values(head, "Content-Type")
        .map(|value| value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii());
    let is_it = |value: &[u8]| value.eq_ignore_ascii_case(kind.as_bytes());
    types.next().is_some_and(is_it) && types.all(is_it)
}

/// The lines of a head that are headers of this name, their ends included.
fn find_headers(head: &[u8], keyword: &str) -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    let lines = head.split_inclusive(|&byte| byte == b'\n').map(move |line| {
        let start = end;
        end += line.len();
        (line, start..end)
    });
    let named = lines.filter(move |(line, _)| {
        line.get(keyword.len()) == Some(&b':')
            && line[..keyword.len()].eq_ignore_ascii_case(keyword.as_bytes())
    });
    named.map(|(_, range)| range)
}

/// Tells whether a value has no control characters but tabs (RFC 9110 §5.5).
pub(crate) fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
}
