//! What is no URL and no query.

use std::error::Error;
use std::fmt;

use crate::printable::repr;

/// What is wrong with a URL or a query, in Python's words: Python's `ValueError`.
///
/// In a handler `?` is enough: as an [`io::Error`](std::io::Error) it is an
/// [`HttpError`](crate::http::HttpError) 400, for most URLs that a handler reads are its client's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// The brackets around an address do not match, or stand elsewhere than around the host.
    InvalidIpv6Url,
    /// What stands in brackets begins like an address of a future version and is not one.
    InvalidIpvFuture,
    /// An IPv4 address stands in brackets.
    BracketedIpv4,
    /// What stands in brackets is no address.
    InvalidAddress(String),
    /// A character of the network location stands for a delimiter, so that two readers could
    /// see two hosts.
    InvalidNetloc(String),
    /// The port is no number.
    InvalidPort(String),
    /// The port is beyond 65535.
    PortOutOfRange,
    /// There are more fields than [`QueryOptions::max_num_fields`](super::QueryOptions) allows.
    TooManyFields,
    /// A field has no `=`, and parsing is strict.
    BadQueryField(String),
    /// The separator of fields is empty.
    EmptySeparator,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidIpv6Url => f.write_str("Invalid IPv6 URL"),
            Self::InvalidIpvFuture => f.write_str("IPvFuture address is invalid"),
            Self::BracketedIpv4 => f.write_str("An IPv4 address cannot be in brackets"),
            Self::InvalidAddress(text) => {
                write!(f, "{} does not appear to be an IPv4 or IPv6 address", repr(text))
            }
            Self::InvalidNetloc(text) => {
                write!(f, "netloc '{text}' contains invalid characters under NFKC normalization")
            }
            Self::InvalidPort(text) => {
                write!(f, "Port could not be cast to integer value as {}", repr(text))
            }
            Self::PortOutOfRange => f.write_str("Port out of range 0-65535"),
            Self::TooManyFields => f.write_str("Max number of fields exceeded"),
            Self::BadQueryField(text) => write!(f, "bad query field: {}", repr(text)),
            Self::EmptySeparator => f.write_str("Separator must be of type string or bytes."),
        }
    }
}

impl Error for ValueError {}
