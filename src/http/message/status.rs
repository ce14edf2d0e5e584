//! Status codes, their phrases and Python's descriptions of them.

use std::fmt;

/// A response status: Python's `http.HTTPStatus`, and any other number.
///
/// Methods take `impl Into<Status>`, so that a plain number will do:
/// `http.send_response(200)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(u16);

impl Status {
    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// The reason phrase, where the status is a registered one.
    #[doc(alias = "BaseHTTPRequestHandler.responses")]
    pub fn phrase(self) -> Option<&'static str> {
        self.entry().map(|(_, phrase, _)| *phrase)
    }

    /// What the status means, in Python's words; empty where Python has none.
    pub fn description(self) -> Option<&'static str> {
        self.entry().map(|(_, _, description)| *description)
    }

    /// Tells whether a response of this status has no body, whatever its headers say
    /// (RFC 9110 §6.4.1, and 205 by §15.3.6).
    pub fn is_bodiless(self) -> bool {
        self.is_interim() || matches!(self.0, 101 | 204 | 205 | 304)
    }

    /// Tells whether another response follows this one (RFC 9110 §15.2).
    pub(crate) fn is_interim(self) -> bool {
        (100..200).contains(&self.0) && self.0 != 101
    }

    fn entry(self) -> Option<&'static (u16, &'static str, &'static str)> {
        let position = STATUSES.binary_search_by_key(&self.0, |(code, _, _)| *code).ok()?;
        STATUSES.get(position)
    }
}

impl From<u16> for Status {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sorted by number. Phrases as registered; descriptions as CPython 3.13 has them.
#[rustfmt::skip]
const STATUSES: [(u16, &str, &str); 62] = [
    (100, "Continue", "Request received, please continue"),
    (101, "Switching Protocols", "Switching to new protocol; obey Upgrade header"),
    (102, "Processing", ""),
    (103, "Early Hints", ""),
    (200, "OK", "Request fulfilled, document follows"),
    (201, "Created", "Document created, URL follows"),
    (202, "Accepted", "Request accepted, processing continues off-line"),
    (203, "Non-Authoritative Information", "Request fulfilled from cache"),
    (204, "No Content", "Request fulfilled, nothing follows"),
    (205, "Reset Content", "Clear input form for further input"),
    (206, "Partial Content", "Partial content follows"),
    (207, "Multi-Status", ""),
    (208, "Already Reported", ""),
    (226, "IM Used", ""),
    (300, "Multiple Choices", "Object has several resources -- see URI list"),
    (301, "Moved Permanently", "Object moved permanently -- see URI list"),
    (302, "Found", "Object moved temporarily -- see URI list"),
    (303, "See Other", "Object moved -- see Method and URL list"),
    (304, "Not Modified", "Document has not changed since given time"),
    (305, "Use Proxy", "You must use proxy specified in Location to access this resource"),
    (307, "Temporary Redirect", "Object moved temporarily -- see URI list"),
    (308, "Permanent Redirect", "Object moved permanently -- see URI list"),
    (400, "Bad Request", "Bad request syntax or unsupported method"),
    (401, "Unauthorized", "No permission -- see authorization schemes"),
    (402, "Payment Required", "No payment -- see charging schemes"),
    (403, "Forbidden", "Request forbidden -- authorization will not help"),
    (404, "Not Found", "Nothing matches the given URI"),
    (405, "Method Not Allowed", "Specified method is invalid for this resource"),
    (406, "Not Acceptable", "URI not available in preferred format"),
    (
        407,
        "Proxy Authentication Required",
        "You must authenticate with this proxy before proceeding",
    ),
    (408, "Request Timeout", "Request timed out; try again later"),
    (409, "Conflict", "Request conflict"),
    (410, "Gone", "URI no longer exists and has been permanently removed"),
    (411, "Length Required", "Client must specify Content-Length"),
    (412, "Precondition Failed", "Precondition in headers is false"),
    (413, "Content Too Large", "Content is too large"),
    (414, "URI Too Long", "URI is too long"),
    (415, "Unsupported Media Type", "Entity body in unsupported format"),
    (416, "Range Not Satisfiable", "Cannot satisfy request range"),
    (417, "Expectation Failed", "Expect condition could not be satisfied"),
    (418, "I'm a Teapot", "Server refuses to brew coffee because it is a teapot."),
    (421, "Misdirected Request", "Server is not able to produce a response"),
    (422, "Unprocessable Content", ""),
    (423, "Locked", ""),
    (424, "Failed Dependency", ""),
    (425, "Too Early", ""),
    (426, "Upgrade Required", ""),
    (428, "Precondition Required", "The origin server requires the request to be conditional"),
    (
        429,
        "Too Many Requests",
        "The user has sent too many requests in a given amount of time (\"rate limiting\")",
    ),
    (
        431,
        "Request Header Fields Too Large",
        "The server is unwilling to process the request because its header fields are too large",
    ),
    (
        451,
        "Unavailable For Legal Reasons",
        "The server is denying access to the resource as a consequence of a legal demand",
    ),
    (500, "Internal Server Error", "Server got itself in trouble"),
    (501, "Not Implemented", "Server does not support this operation"),
    (502, "Bad Gateway", "Invalid responses from another server/proxy"),
    (503, "Service Unavailable", "The server cannot process the request due to a high load"),
    (504, "Gateway Timeout", "The gateway server did not receive a timely response"),
    (505, "HTTP Version Not Supported", "Cannot fulfill request"),
    (506, "Variant Also Negotiates", ""),
    (507, "Insufficient Storage", ""),
    (508, "Loop Detected", ""),
    (510, "Not Extended", ""),
    (
        511,
        "Network Authentication Required",
        "The client needs to authenticate to gain network access",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_answers() {
        assert!(STATUSES.is_sorted_by_key(|(code, _, _)| *code));
        assert_eq!(Status::from(404).phrase(), Some("Not Found"));
        assert_eq!(Status::from(511).phrase(), Some("Network Authentication Required"));
        assert_eq!(Status::from(299).phrase(), None);
        assert!(Status::from(204).is_bodiless() && !Status::from(200).is_bodiless());
    }
}
