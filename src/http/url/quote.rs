//! Escapes in URLs.

use percent_encoding::{percent_decode, percent_decode_str, percent_encode_byte};

use crate::work;

/// Escapes all but letters, digits and `_.-~/`: Python's `quote`.
///
/// Takes text, which is escaped as UTF-8, or bytes: Python's `quote_from_bytes`.
///
/// ```
/// # use socketserver::http::url::quote;
/// assert_eq!(quote("/El Niño/"), "/El%20Ni%C3%B1o/");
/// ```
pub fn quote(string: impl AsRef<[u8]>) -> String {
    quote_with(string, "/")
}

/// Escapes all but letters, digits, `_.-~` and what is `safe`: Python's `quote(string, safe)`.
///
/// Only characters of ASCII can be safe; others are ignored there, as in Python.
pub fn quote_with(string: impl AsRef<[u8]>, safe: &str) -> String {
    let bytes = string.as_ref();
    work::note(bytes.len());
    let mut quoted = String::with_capacity(bytes.len());
    for &byte in bytes {
        if is_always_safe(byte) || (byte.is_ascii() && safe.as_bytes().contains(&byte)) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(percent_encode_byte(byte));
        }
    }
    quoted
}

/// Escapes all but letters, digits and `_.-~`, blanks as `+`: Python's `quote_plus`.
///
/// For names and values of a query; [`urlencode`](super::urlencode) makes a whole one.
pub fn quote_plus(string: impl AsRef<[u8]>) -> String {
    quote_with(string, " ").replace(' ', "+")
}

/// Replaces escapes by the characters they stand for: Python's `unquote`.
///
/// Escapes are UTF-8. Bytes that are not UTF-8 become U+FFFD; a `%` without two digits stays as it
/// is.
///
/// ```
/// # use socketserver::http::url::unquote;
/// assert_eq!(unquote("/El%20Ni%C3%B1o/%"), "/El Niño/%");
/// ```
pub fn unquote(string: &str) -> String {
    work::note(string.len());
    percent_decode_str(string).decode_utf8_lossy().into_owned()
}

/// Replaces escapes by characters and `+` by a blank: Python's `unquote_plus`.
pub fn unquote_plus(string: &str) -> String {
    work::note(string.len());
    unquote(&string.replace('+', " "))
}

/// Replaces escapes by the bytes they stand for: Python's `unquote_to_bytes`.
pub fn unquote_to_bytes(string: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = string.as_ref();
    work::note(bytes.len());
    percent_decode(bytes).collect()
}

fn is_always_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte)
}
