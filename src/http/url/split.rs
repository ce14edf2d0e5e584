//! A URL and its parts.

use super::netloc::Netloc;
use super::value_error::ValueError;
use crate::work;

/// A URL in five parts: Python's `SplitResult`.
///
/// Parts that are missing are empty. Nothing is unquoted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SplitResult {
    /// `http` of `http://h/p`, in lower case.
    pub scheme: String,
    /// `user:password@host:port`, as it was written.
    pub netloc: String,
    /// What follows, up to the query.
    pub path: String,
    /// What follows the first `?`.
    pub query: String,
    /// What follows the first `#`.
    pub fragment: String,
}

/// A URL in six parts: Python's `ParseResult`.
///
/// As [`SplitResult`], with the parameters of the path's last segment on their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ParseResult {
    /// `http` of `http://h/p`, in lower case.
    pub scheme: String,
    /// `user:password@host:port`, as it was written.
    pub netloc: String,
    /// What follows, up to the parameters.
    pub path: String,
    /// What follows the first `;` of the path's last segment.
    pub params: String,
    /// What follows the first `?`.
    pub query: String,
    /// What follows the first `#`.
    pub fragment: String,
}

/// Splits a URL into five parts: Python's `urlsplit`.
///
/// A request's target, `http.path`, is such a URL, most often one without scheme and location.
/// As in Python, control characters and blanks at the start are dropped, tabs and line ends
/// everywhere.
///
/// # Errors
///
/// The network location has brackets that hold no IPv6 address, or a character that stands for
/// a delimiter, such as the fullwidth `／`. Brackets are checked as in CPython 3.13.2, which is
/// stricter than the versions before (CVE-2025-0938).
pub fn urlsplit(url: &str) -> Result<SplitResult, ValueError> {
    work::note(url.len());
    let mut url = url.trim_start_matches(|character| character <= ' ').to_owned();
    url.retain(|character| !matches!(character, '\t' | '\r' | '\n'));
    let (scheme, rest) = split_scheme(&url);
    let (netloc, rest) = split_netloc(rest);
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Netloc(netloc).check()?;
    Ok(SplitResult {
        scheme: scheme.to_ascii_lowercase(),
        netloc: netloc.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        fragment: fragment.to_owned(),
    })
}

/// Splits a URL into six parts: Python's `urlparse`.
///
/// The parameters are split off where the scheme is known to have some, or is missing. New
/// programs want [`urlsplit`], as in Python.
///
/// # Errors
///
/// As [`urlsplit`].
pub fn urlparse(url: &str) -> Result<ParseResult, ValueError> {
    let SplitResult { scheme, netloc, mut path, query, fragment } = urlsplit(url)?;
    let mut params = String::new();
    if USES_PARAMS.contains(&scheme.as_str()) {
        let segment = path.rfind('/').unwrap_or(0);
        if let Some(position) = path[segment..].find(';') {
            params = path[segment + position + 1..].to_owned();
            path.truncate(segment + position);
        }
    }
    Ok(ParseResult { scheme, netloc, path, params, query, fragment })
}

impl SplitResult {
    /// The user's name, where there is an `@`.
    pub fn username(&self) -> Option<&str> {
        Netloc(&self.netloc).username()
    }

    /// The user's password.
    pub fn password(&self) -> Option<&str> {
        Netloc(&self.netloc).password()
    }

    /// The host in lower case and without brackets.
    pub fn hostname(&self) -> Option<String> {
        Netloc(&self.netloc).hostname()
    }

    /// The port, where one is written.
    ///
    /// # Errors
    ///
    /// It is no number from 0 to 65535.
    pub fn port(&self) -> Result<Option<u16>, ValueError> {
        Netloc(&self.netloc).port()
    }

    /// Puts the URL together again: Python's `geturl` and `urlunsplit`.
    ///
    /// Delimiters with nothing behind them are gone, which makes an equivalent URL.
    #[doc(alias = "urlunsplit")]
    pub fn geturl(&self) -> String {
        let mut url = String::new();
        if !self.scheme.is_empty() {
            url.push_str(&self.scheme);
            url.push(':');
        }
        if self.has_slashes() {
            url.push_str("//");
        }
        url.push_str(&self.netloc);
        if !self.netloc.is_empty() && !self.path.is_empty() && !self.path.starts_with('/') {
            url.push('/');
        }
        url.push_str(&self.path);
        for (mark, part) in [('?', &self.query), ('#', &self.fragment)] {
            if !part.is_empty() {
                url.push(mark);
                url.push_str(part);
            }
        }
        url
    }

    /// Tells whether two slashes stand where the network location is, or would be.
    fn has_slashes(&self) -> bool {
        let has_location = USES_NETLOC.contains(&self.scheme.as_str());
        !self.netloc.is_empty()
            || self.path.starts_with("//")
            || (has_location && (self.path.is_empty() || self.path.starts_with('/')))
    }
}

impl ParseResult {
    /// The user's name, where there is an `@`.
    pub fn username(&self) -> Option<&str> {
        Netloc(&self.netloc).username()
    }

    /// The user's password.
    pub fn password(&self) -> Option<&str> {
        Netloc(&self.netloc).password()
    }

    /// The host in lower case and without brackets.
    pub fn hostname(&self) -> Option<String> {
        Netloc(&self.netloc).hostname()
    }

    /// The port, where one is written.
    ///
    /// # Errors
    ///
    /// It is no number from 0 to 65535.
    pub fn port(&self) -> Result<Option<u16>, ValueError> {
        Netloc(&self.netloc).port()
    }

    /// Puts the URL together again: Python's `geturl` and `urlunparse`.
    #[doc(alias = "urlunparse")]
    pub fn geturl(&self) -> String {
        let mut path = self.path.clone();
        if !self.params.is_empty() {
            path.push(';');
            path.push_str(&self.params);
        }
        let (scheme, netloc) = (self.scheme.clone(), self.netloc.clone());
        let (query, fragment) = (self.query.clone(), self.fragment.clone());
        SplitResult { scheme, netloc, path, query, fragment }.geturl()
    }
}

/// What stands before the first `:`, where that is a scheme, and the rest.
fn split_scheme(url: &str) -> (&str, &str) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    match url.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(is_part) =>
        {
            (scheme, rest)
        }
        _ => ("", url),
    }
}

/// What stands behind `//`, and the rest.
fn split_netloc(url: &str) -> (&str, &str) {
    let Some(rest) = url.strip_prefix("//") else { return ("", url) };
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

const USES_NETLOC: [&str; 26] = [
    "ftp",
    "http",
    "gopher",
    "nntp",
    "telnet",
    "imap",
    "wais",
    "file",
    "mms",
    "https",
    "shttp",
    "snews",
    "prospero",
    "rtsp",
    "rtsps",
    "rtspu",
    "rsync",
    "svn",
    "svn+ssh",
    "sftp",
    "nfs",
    "git",
    "git+ssh",
    "ws",
    "wss",
    "itms-services",
];

const USES_PARAMS: [&str; 16] = [
    "", "ftp", "hdl", "prospero", "http", "imap", "https", "shttp", "rtsp", "rtsps", "rtspu",
    "sip", "sips", "mms", "sftp", "tel",
];
