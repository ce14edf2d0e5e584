//! Whether the client's copy of a file is recent enough.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::message::headers::Headers;
use crate::work;

/// Tells whether a file that was last changed at `modified` is unchanged for a client with these
/// headers.
///
/// As CPython does it: `If-Modified-Since` counts only without `If-None-Match`, as there are no
/// entity tags to compare; its first value counts; a date that cannot be read counts for
/// nothing; the file's time is cut to whole seconds, as `Last-Modified` was.
pub(crate) fn is_unmodified(headers: &Headers, modified: SystemTime) -> bool {
    if headers.contains("If-None-Match") {
        return false;
    }
    let since = headers.get("If-Modified-Since").and_then(parse_date);
    since.is_some_and(|since| whole_seconds(modified) <= whole_seconds(since))
}

/// Reads a date of any of HTTP's three forms; the zone may be written as another name of GMT, and
/// the day of the week may be the wrong one.
fn parse_date(text: &str) -> Option<SystemTime> {
    work::note(text.len());
    let zones = ["UTC", "+0000", "-0000"];
    let zone = zones.iter().find_map(|zone| text.strip_suffix(zone));
    let in_gmt = zone.map(|rest| format!("{rest}GMT"));
    let text = in_gmt.as_deref().unwrap_or(text);
    let parsed = httpdate::parse_http_date(text).ok();
    parsed.or_else(|| parse_on_any_weekday(text))
}

fn parse_on_any_weekday(text: &str) -> Option<SystemTime> {
    let end = text.find([',', ' '])?;
    let (name, rest) = text.split_at(end);
    let cut = |weekday: &'static str| if end == 3 { &weekday[..3] } else { weekday };
    if !WEEKDAYS.iter().any(|weekday| cut(weekday) == name) {
        return None;
    }
    let mut dates = WEEKDAYS.iter().map(|weekday| [cut(weekday), rest].concat());
    dates.find_map(|date| httpdate::parse_http_date(&date).ok())
}

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Seconds since 1970, rounded down also before it.
fn whole_seconds(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i128::from(since.as_secs()),
        Err(before) => -(before.duration().as_nanos().div_ceil(1_000_000_000) as i128),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::message::text::Latin1;

    #[test]
    fn dates_compare_as_in_cpython() {
        let modified = UNIX_EPOCH + Duration::from_millis(1_577_934_245_678);
        let unmodified = |fields: &[(&str, &str)]| {
            let mut headers = Headers::default();
            for (name, value) in fields {
                headers.push(name, value.as_bytes(), Latin1::new(value.as_bytes()));
            }
            is_unmodified(&headers, modified)
        };
        let since = |date| unmodified(&[("if-modified-since", date)]);
        assert!(since("Thu, 02 Jan 2020 03:04:05 GMT"));
        assert!(!since("Thu, 02 Jan 2020 03:04:04 GMT"));
        assert!(since("Fri, 02 Jan 2099 03:04:05 GMT"));
        assert!(since("Sun, 02 Jan 2020 03:04:05 GMT"));
        assert!(since("Sunday, 02-Jan-20 03:04:05 UTC"));
        assert!(since("Thu Jan  2 03:04:05 2020"));
        assert!(since("Sun Jan  2 03:04:05 2020"));
        assert!(since("Thursday, 02-Jan-20 03:04:05 GMT"));
        assert!(since("Thu, 02 Jan 2020 03:04:05 +0000"));
        for ignored in [
            "",
            "junk",
            "Someday, 02-Jan-20 03:04:05 GMT",
            "Thu, 02 Jan 2020 03:04:05 +0100",
            "Thu, 02 Jan 2020 25:04:05 GMT",
        ] {
            assert!(!since(ignored), "{ignored}");
        }
        let date = ("If-Modified-Since", "Thu, 02 Jan 2020 03:04:05 GMT");
        assert!(!unmodified(&[date, ("If-None-Match", "")]));
        assert!(!unmodified(&[("If-Modified-Since", "junk"), date]));
    }
}
