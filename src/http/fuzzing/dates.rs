//! Dates: what is written is read again, and an older file is never newer to the client.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::text;
use crate::http::files::is_unmodified;
use crate::http::message::date::http_date;
use crate::http::message::headers::Headers;

/// Reads a date as a client's, after the eight bytes of a file's time.
pub fn check(data: &[u8]) {
    let Some((time, date)) = data.split_first_chunk() else { return };
    let seconds = u64::from_le_bytes(*time) % (LAST_SECOND + 1);
    let modified = UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 678);
    let date = text(date);
    if is_unmodified_since(&date, modified) {
        for older in [1, 60, 86_400] {
            let older = modified.checked_sub(Duration::from_secs(older));
            assert!(older.is_none_or(|older| is_unmodified_since(&date, older)), "{date}");
        }
        assert!(date.len() >= 8);
    }
    assert!(is_unmodified_since(&http_date(modified), modified));
    if seconds > 0 {
        let before = http_date(modified - Duration::from_secs(1));
        assert!(!is_unmodified_since(&before, modified), "{before}");
    }
}

fn is_unmodified_since(date: &str, modified: SystemTime) -> bool {
    let mut headers = Headers::default();
    headers.push_text("If-Modified-Since", date);
    is_unmodified(&headers, modified)
}

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;
