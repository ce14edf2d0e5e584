//! Status codes, their phrases and Python's descriptions of them.

use std::error::Error;
use std::fmt;

/// A response status: Python's `http.HTTPStatus`, and any other number of three digits.
///
/// Methods take `impl TryInto<Status>`, so that a plain number will do: `http.send_response(404)`
/// is `http.send_response(Status::NOT_FOUND)`. A number that is no status is refused where it
/// becomes one. A status has three digits (RFC 9112 §4), the first of which is not 0. Those beyond
/// 599 have no meaning (RFC 9110 §15), but programs and other servers answer with them, and they
/// are passed on.
///
/// ```
/// use socketserver::http::Status;
///
/// assert_eq!(Status::NOT_FOUND.code(), 404);
/// assert_eq!(Status::try_from(404), Ok(Status::NOT_FOUND));
/// assert!(Status::try_from(4040).is_err());
/// ```
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

    /// What an error with this status says: this message, or else the phrase.
    pub(crate) fn message(self, message: Option<&str>) -> &str {
        message.or(self.phrase()).unwrap_or("???")
    }

    /// What the status means, in Python's words; empty where Python says nothing.
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

impl TryFrom<u16> for Status {
    type Error = InvalidStatus;

    fn try_from(code: u16) -> Result<Self, InvalidStatus> {
        if (100..1000).contains(&code) { Ok(Self(code)) } else { Err(InvalidStatus(code)) }
    }
}

impl PartialEq<u16> for Status {
    fn eq(&self, code: &u16) -> bool {
        self.0 == *code
    }
}

/// The error of a number that is no [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidStatus(u16);

impl fmt::Display for InvalidStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a status, which is a number from 100 to 999", self.0)
    }
}

impl Error for InvalidStatus {}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes the constants and the table of one list.
macro_rules! statuses {
    ($($code:literal $name:ident $phrase:literal $description:literal)*) => {
        impl Status {
            $(
                #[doc = concat!("`", $code, " ", $phrase, "`")]
                pub const $name: Self = Self($code);
            )*
        }

        const STATUSES: &[(u16, &str, &str)] = &[$(($code, $phrase, $description)),*];
    };
}

// Sorted by number, named as in Python's `HTTPStatus`. Phrases as registered; descriptions as
// CPython 3.13 has them.
statuses! {
    100 CONTINUE "Continue" "Request received, please continue"
    101 SWITCHING_PROTOCOLS "Switching Protocols" "Switching to new protocol; obey Upgrade header"
    102 PROCESSING "Processing" ""
    103 EARLY_HINTS "Early Hints" ""
    200 OK "OK" "Request fulfilled, document follows"
    201 CREATED "Created" "Document created, URL follows"
    202 ACCEPTED "Accepted" "Request accepted, processing continues off-line"
    203 NON_AUTHORITATIVE_INFORMATION "Non-Authoritative Information" "Request fulfilled from cache"
    204 NO_CONTENT "No Content" "Request fulfilled, nothing follows"
    205 RESET_CONTENT "Reset Content" "Clear input form for further input"
    206 PARTIAL_CONTENT "Partial Content" "Partial content follows"
    207 MULTI_STATUS "Multi-Status" ""
    208 ALREADY_REPORTED "Already Reported" ""
    226 IM_USED "IM Used" ""
    300 MULTIPLE_CHOICES "Multiple Choices" "Object has several resources -- see URI list"
    301 MOVED_PERMANENTLY "Moved Permanently" "Object moved permanently -- see URI list"
    302 FOUND "Found" "Object moved temporarily -- see URI list"
    303 SEE_OTHER "See Other" "Object moved -- see Method and URL list"
    304 NOT_MODIFIED "Not Modified" "Document has not changed since given time"
    305 USE_PROXY "Use Proxy" "You must use proxy specified in Location to access this resource"
    307 TEMPORARY_REDIRECT "Temporary Redirect" "Object moved temporarily -- see URI list"
    308 PERMANENT_REDIRECT "Permanent Redirect" "Object moved permanently -- see URI list"
    400 BAD_REQUEST "Bad Request" "Bad request syntax or unsupported method"
    401 UNAUTHORIZED "Unauthorized" "No permission -- see authorization schemes"
    402 PAYMENT_REQUIRED "Payment Required" "No payment -- see charging schemes"
    403 FORBIDDEN "Forbidden" "Request forbidden -- authorization will not help"
    404 NOT_FOUND "Not Found" "Nothing matches the given URI"
    405 METHOD_NOT_ALLOWED "Method Not Allowed" "Specified method is invalid for this resource"
    406 NOT_ACCEPTABLE "Not Acceptable" "URI not available in preferred format"
    407 PROXY_AUTHENTICATION_REQUIRED "Proxy Authentication Required"
        "You must authenticate with this proxy before proceeding"
    408 REQUEST_TIMEOUT "Request Timeout" "Request timed out; try again later"
    409 CONFLICT "Conflict" "Request conflict"
    410 GONE "Gone" "URI no longer exists and has been permanently removed"
    411 LENGTH_REQUIRED "Length Required" "Client must specify Content-Length"
    412 PRECONDITION_FAILED "Precondition Failed" "Precondition in headers is false"
    413 CONTENT_TOO_LARGE "Content Too Large" "Content is too large"
    414 URI_TOO_LONG "URI Too Long" "URI is too long"
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type" "Entity body in unsupported format"
    416 RANGE_NOT_SATISFIABLE "Range Not Satisfiable" "Cannot satisfy request range"
    417 EXPECTATION_FAILED "Expectation Failed" "Expect condition could not be satisfied"
    418 IM_A_TEAPOT "I'm a Teapot" "Server refuses to brew coffee because it is a teapot."
    421 MISDIRECTED_REQUEST "Misdirected Request" "Server is not able to produce a response"
    422 UNPROCESSABLE_CONTENT "Unprocessable Content" ""
    423 LOCKED "Locked" ""
    424 FAILED_DEPENDENCY "Failed Dependency" ""
    425 TOO_EARLY "Too Early" ""
    426 UPGRADE_REQUIRED "Upgrade Required" ""
    428 PRECONDITION_REQUIRED "Precondition Required"
        "The origin server requires the request to be conditional"
    429 TOO_MANY_REQUESTS "Too Many Requests"
        "The user has sent too many requests in a given amount of time (\"rate limiting\")"
    431 REQUEST_HEADER_FIELDS_TOO_LARGE "Request Header Fields Too Large"
        "The server is unwilling to process the request because its header fields are too large"
    451 UNAVAILABLE_FOR_LEGAL_REASONS "Unavailable For Legal Reasons"
        "The server is denying access to the resource as a consequence of a legal demand"
    500 INTERNAL_SERVER_ERROR "Internal Server Error" "Server got itself in trouble"
    501 NOT_IMPLEMENTED "Not Implemented" "Server does not support this operation"
    502 BAD_GATEWAY "Bad Gateway" "Invalid responses from another server/proxy"
    503 SERVICE_UNAVAILABLE "Service Unavailable"
        "The server cannot process the request due to a high load"
    504 GATEWAY_TIMEOUT "Gateway Timeout" "The gateway server did not receive a timely response"
    505 HTTP_VERSION_NOT_SUPPORTED "HTTP Version Not Supported" "Cannot fulfill request"
    506 VARIANT_ALSO_NEGOTIATES "Variant Also Negotiates" ""
    507 INSUFFICIENT_STORAGE "Insufficient Storage" ""
    508 LOOP_DETECTED "Loop Detected" ""
    510 NOT_EXTENDED "Not Extended" ""
    511 NETWORK_AUTHENTICATION_REQUIRED "Network Authentication Required"
        "The client needs to authenticate to gain network access"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_answers() {
        assert!(STATUSES.is_sorted_by_key(|(code, _, _)| *code));
        assert_eq!(Status::NOT_FOUND.phrase(), Some("Not Found"));
        let last = Status::NETWORK_AUTHENTICATION_REQUIRED;
        assert_eq!(last.phrase(), Some("Network Authentication Required"));
        assert_eq!(Status::try_from(299).map(Status::phrase), Ok(None));
        assert!(Status::NO_CONTENT.is_bodiless() && !Status::OK.is_bodiless());
    }

    #[test]
    fn numbers_without_three_digits_are_refused() {
        for code in [0, 1, 99, 1000, u16::MAX] {
            assert_eq!(Status::try_from(code), Err(InvalidStatus(code)));
        }
        for code in [100, 200, 599, 600, 999] {
            assert_eq!(Status::try_from(code).map(Status::code), Ok(code));
        }
        assert_eq!(Status::IM_A_TEAPOT, 418);
    }
}
