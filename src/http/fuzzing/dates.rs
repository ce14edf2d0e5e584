//! Dates: what is written is read again, and names no other second.

use std::time::{Duration, UNIX_EPOCH};

use super::text;
use crate::http::files::{Precondition, Validators, evaluate};
use crate::http::message::date::http_date;
use crate::http::message::headers::Headers;

/// Reads a date as a client's, after the eight bytes of a file's time.
pub fn check(data: &[u8]) {
    let Some((time, date)) = data.split_first_chunk() else { return };
    let second = u64::from_le_bytes(*time) % (LAST_SECOND + 1);
    let date = text(date);
    if is_unmodified_since(&date, second) {
        // A date names one second.
        assert!(second == 0 || !is_unmodified_since(&date, second - 1), "{date}");
        assert!(!is_unmodified_since(&date, second + 1), "{date}");
        assert!(date.len() >= 8);
    }
    let written = |second| http_date(UNIX_EPOCH + Duration::from_millis(second * 1000 + 678));
    assert!(is_unmodified_since(&written(second), second));
    if second > 0 {
        let before = written(second - 1);
        assert!(!is_unmodified_since(&before, second), "{before}");
    }
}

fn is_unmodified_since(date: &str, second: u64) -> bool {
    let mut headers = Headers::default();
    headers.push_text("If-Modified-Since", date);
    let second = second as i64;
    let current = Validators { etag: None, last_modified: Some(second), changed: second };
    evaluate("GET", &headers, Some(&current)) == Precondition::NotModified
}

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;
