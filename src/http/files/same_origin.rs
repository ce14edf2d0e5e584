//! Whether a request comes from a page of this server, from one of another origin, or from none.

use crate::http::exchange::Exchange;
use crate::http::message::host::HostPort;

/// Tells whether a request that changes something may be carried out, as far as browsers say whose
/// page has made it (Fetch, `Origin` and `Sec-Fetch-Site`).
///
/// A form of any page may be sent to any server, with the password that the browser has for that
/// server, and to one that only the browser's machine reaches. Browsers say so, and their pages
/// cannot make them say something else. A request without either field is from a program, which has
/// no page that could deceive it; or from a browser before 2020.
pub(super) fn may_change(http: &Exchange<'_>) -> bool {
    if http.notes.is_origin_named {
        return true;
    }
    match http.headers.get("Sec-Fetch-Site") {
        // `none` is the user's own doing, as an address that was typed.
        Some("same-origin" | "none") => true,
        Some(_) => false,
        None => {
            let mut origins = http.headers.get_all("Origin");
            match (origins.next(), origins.next()) {
                (None, _) => true,
                (Some(origin), None) => {
                    let host = http.headers.get("Host").unwrap_or_default();
                    is_origin_of(origin, host, http.is_secure())
                }
                _ => false,
            }
        }
    }
}

/// Tells whether an origin is that of a server which is asked by this `Host`.
///
/// What speaks TLS here is `https` alone. What does not may be behind a proxy that does.
fn is_origin_of(origin: &str, host: &str, is_secure: bool) -> bool {
    let (default, place) = match origin.split_once("://") {
        Some(("https", place)) => (443, place),
        Some(("http", place)) if !is_secure => (80, place),
        _ => return false,
    };
    let (Some(page), Some(asked)) = (HostPort::parse(place), HostPort::parse(host)) else {
        return false;
    };
    page.host.eq_ignore_ascii_case(asked.host)
        && page.port.unwrap_or(default) == asked.port.unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_with_the_host_that_is_asked() {
        for (origin, host, is_secure, is_same) in [
            ("http://h", "h", false, true),
            ("http://h", "H:80", false, true),
            ("http://h:8000", "h:8000", false, true),
            ("http://[::1]:8000", "[::1]:8000", false, true),
            ("https://h", "h", true, true),
            ("https://h", "h:443", true, true),
            // Behind a proxy that speaks TLS.
            ("https://h", "h", false, true),
            ("http://h", "h", true, false),
            ("http://h", "h:443", true, false),
            ("http://h:8000", "h:8001", false, false),
            ("http://h", "h:8000", false, false),
            ("http://evil", "h", false, false),
            ("http://h.evil", "h", false, false),
            ("http://evil@h", "h", false, false),
            ("null", "null", false, false),
            ("", "", false, false),
            ("http://", "", false, false),
            ("file://h", "h", false, false),
            ("http://h", "", false, false),
        ] {
            assert_eq!(is_origin_of(origin, host, is_secure), is_same, "{origin} {host}");
        }
    }
}
