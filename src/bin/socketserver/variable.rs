//! Variables for CGI programs from the command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// A variable that every program is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// The server's own.
    Inherited(String),
    Set(OsString, OsString),
}

impl Variable {
    /// Reads `NAME` or `NAME=VALUE`.
    ///
    /// Refuses the variables that describe a request: the same value would be wrong for other
    /// requests.
    pub(crate) fn new(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let end = bytes.iter().position(|&byte| byte == b'=').unwrap_or(bytes.len());
        let name =
            str::from_utf8(&bytes[..end]).map_err(|_| "the name is not valid UTF-8".to_owned())?;
        if name.is_empty() {
            return Err("the name is missing; write NAME or NAME=VALUE".to_owned());
        }
        if name.chars().any(|it| it.is_control() || it.is_whitespace()) {
            return Err(format!("{name:?} is not the name of a variable"));
        }
        if name.starts_with("HTTP_") || OF_THE_REQUEST.contains(&name) {
            return Err(format!("{name} is set by the server itself, from each request"));
        }
        Ok(match bytes.get(end + 1..) {
            Some(value) => Self::Set(name.into(), OsStr::from_bytes(value).to_owned()),
            None => Self::Inherited(name.to_owned()),
        })
    }

    /// The name and the value; `None` if the server itself does not have the variable.
    pub(crate) fn value(&self) -> Option<(OsString, OsString)> {
        match self {
            Self::Inherited(name) => Some((name.into(), std::env::var_os(name)?)),
            Self::Set(name, value) => Some((name.clone(), value.clone())),
        }
    }
}

/// The variables that describe a request (RFC 3875 §4.1), without those that a proxy in front of
/// the server may decide: `SERVER_NAME`, `SERVER_PORT`, `HTTPS`, `AUTH_TYPE` and `REMOTE_USER`.
const OF_THE_REQUEST: [&str; 17] = [
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "DOCUMENT_ROOT",
    "GATEWAY_INTERFACE",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "QUERY_STRING",
    "REDIRECT_STATUS",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn variable(text: &str) -> Result<Variable, String> {
        Variable::new(OsStr::new(text))
    }

    #[test]
    fn a_variable_is_passed_on_or_set() {
        for (text, name, value) in [
            ("A=", "A", ""),
            ("GIT_PROJECT_ROOT=/srv/a b", "GIT_PROJECT_ROOT", "/srv/a b"),
            ("A=b=c", "A", "b=c"),
            ("A== ", "A", "= "),
            ("odd-name.1=x", "odd-name.1", "x"),
            ("SERVER_NAME=h", "SERVER_NAME", "h"),
        ] {
            assert_eq!(variable(text), Ok(Variable::Set(name.into(), value.into())), "{text}");
        }
        for name in ["A", "HOME", "HTTPS", "http_proxy"] {
            assert_eq!(variable(name), Ok(Variable::Inherited(name.to_owned())));
        }
        let bytes = Variable::new(OsStr::from_bytes(b"A=\xff"));
        assert_eq!(bytes, Ok(Variable::Set("A".into(), OsStr::from_bytes(b"\xff").to_owned())));
    }

    #[test]
    fn what_no_program_may_be_told_is_refused() {
        for (text, why) in [
            ("", "the name is missing; write NAME or NAME=VALUE"),
            ("=", "the name is missing; write NAME or NAME=VALUE"),
            ("=x", "the name is missing; write NAME or NAME=VALUE"),
            ("A\0=x", "is not the name of a variable"),
            ("A\n", "is not the name of a variable"),
            ("A B=1", "\"A B\" is not the name of a variable"),
            (" A", "\" A\" is not the name of a variable"),
            ("A\u{a0}=1", "is not the name of a variable"),
            ("REQUEST_METHOD=GET", "REQUEST_METHOD is set by the server itself"),
            ("PATH_INFO", "PATH_INFO is set by the server itself"),
            ("HTTP_PROXY=http://h", "HTTP_PROXY is set by the server itself"),
            ("HTTP_PROXY", "HTTP_PROXY is set by the server itself"),
        ] {
            let refused = variable(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        assert!(Variable::new(OsStr::from_bytes(b"\xff=x")).is_err());
    }
}
