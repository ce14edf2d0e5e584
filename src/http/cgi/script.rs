//! From a path among programs to the script that it names, which may be run or not.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::cgi_info::{CgiInfo, collapse};
use super::hooks::CgiHooks;
use crate::http::exchange::Exchange;
use crate::http::files::SimpleHttpRequestHandler;
use crate::http::message::target::Parts;
use crate::http::url::unquote_to_bytes;
use crate::printable::repr;

/// A script that may be run.
#[derive(Debug)]
pub(super) struct Script {
    /// The URL's path up to the script, decoded.
    pub(super) name: Vec<u8>,
    /// The name as it may be read.
    pub(super) readable_name: String,
    pub(super) file: PathBuf,
    /// What follows the script in the path, decoded.
    pub(super) path_info: Vec<u8>,
    /// The file that the path info would name by itself.
    pub(super) path_translated: PathBuf,
    pub(super) query: String,
}

/// Why a script is not run: a status and a message.
pub(super) type Refused = (u16, String);

impl Script {
    /// The words of an indexed query, which are the script's arguments (RFC 3875 §4.4).
    ///
    /// No words where one begins with a hyphen: interpreters take those for options of their own
    /// (CVE-2012-1823).
    pub(super) fn search_words(&self, method: &str) -> Vec<Vec<u8>> {
        let is_indexed = matches!(method, "GET" | "HEAD") && !self.query.contains('=');
        if !is_indexed || self.query.is_empty() {
            return Vec::new();
        }
        let words: Vec<_> = self.query.split('+').map(unquote_to_bytes).collect();
        let is_harmless = |word: &Vec<u8>| !word.starts_with(b"-") && !word.contains(&0);
        if words.iter().all(is_harmless) { words } else { Vec::new() }
    }

    /// Says that the interpreter is missing, where this is why the script did not start: the system
    /// says the same of it as of a script that is missing.
    pub(super) fn missing_interpreter(&self, error: &io::Error) -> Option<String> {
        if error.kind() != io::ErrorKind::NotFound {
            return None;
        }
        let mut start = Vec::new();
        File::open(&self.file).ok()?.take(LONGEST_FIRST_LINE).read_to_end(&mut start).ok()?;
        let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
        // A CR is part of the name.
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let name = line.split(is_blank).find(|word| !word.is_empty())?;
        let is_missing = fs::metadata(OsStr::from_bytes(name)).is_err();
        let name = repr(&String::from_utf8_lossy(name));
        is_missing.then(|| format!("its interpreter {name} does not exist"))
    }

    /// Tells whether the script answers by itself, without the server's status line.
    pub(super) fn is_nph(&self) -> bool {
        let name = self.name.rsplit(|&byte| byte == b'/').next();
        name.is_some_and(|name| name.starts_with(b"nph-"))
    }
}

/// Finds the script and what it is to be told, or says why it is not run.
pub(super) fn find(
    http: &Exchange<'_>,
    files: &SimpleHttpRequestHandler<impl CgiHooks>,
    info: &CgiInfo,
) -> Result<Script, Refused> {
    let rest = collapse(&format!("/{}", Parts::of(&info.rest).path));
    let (directory, script, path_info) = split(http, files, &info.directory, &rest);
    let name = format!("{directory}/{script}");
    let decoded = unquote_to_bytes(&name);
    let readable_name = String::from_utf8_lossy(&decoded).into_owned();
    let refuse = |code, what: &str| Err((code, format!("{what} ({})", repr(&readable_name))));
    let file = files.translate_path(http, &name);
    let path_translated = absolute(files.translate_path(http, path_info));
    let path_info = unquote_to_bytes(path_info);
    // NUL ends a variable, and no file has one in its name.
    let Ok(metadata) = files.metadata(&file).and_then(|found| {
        if path_info.contains(&0) { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }) else {
        return refuse(404, "No such CGI script");
    };
    if !metadata.is_file() {
        return refuse(403, "CGI script is not a plain file");
    }
    if !files.hooks().is_executable(http, &file) {
        return refuse(403, "CGI script is not executable");
    }
    let file = absolute(file);
    let query = http.target().query().unwrap_or_default().to_owned();
    Ok(Script { name: decoded, readable_name, file, path_info, path_translated, query })
}

/// The path from the root, as the script is started in a directory of its own.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The directory with the script, the script's name, and the path behind it, all as in a URL.
///
/// `rest` has no dots: each of its names is looked up once, and as many as there are directories.
fn split<'a>(
    http: &Exchange<'_>,
    files: &SimpleHttpRequestHandler<impl CgiHooks>,
    directory: &str,
    rest: &'a str,
) -> (String, &'a str, &'a str) {
    let mut directory = directory.trim_end_matches('/').to_owned();
    let mut rest = rest.trim_start_matches('/');
    while let Some((next, behind)) = rest.split_once('/') {
        let inner = format!("{directory}/{next}");
        let path = files.translate_path(http, &inner);
        if !files.metadata(&path).is_ok_and(|found| found.is_dir()) {
            break;
        }
        (directory, rest) = (inner, behind);
    }
    let (script, path_info) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (directory, script, path_info)
}

/// Bytes that Linux reads of it.
const LONGEST_FIRST_LINE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn script(name: &str, file: impl Into<PathBuf>, query: &str) -> Script {
        Script {
            name: name.into(),
            readable_name: name.into(),
            file: file.into(),
            path_info: Vec::new(),
            path_translated: PathBuf::new(),
            query: query.into(),
        }
    }

    #[test]
    fn an_indexed_query_has_words() {
        for (method, query, words) in [
            ("GET", "a", &["a"][..]),
            ("HEAD", "a+b%20c+", &["a", "b c", ""]),
            ("GET", "a%3db", &["a=b"]),
            ("GET", "", &[]),
            ("POST", "a", &[]),
            ("get", "a", &[]),
            ("GET", "a=b", &[]),
            ("GET", "a+b=", &[]),
            // An interpreter's options.
            ("GET", "-a", &[]),
            ("GET", "a+-b", &[]),
            ("GET", "a+%2db", &[]),
            ("GET", "a-b+c-", &["a-b", "c-"]),
            // No argument holds a NUL.
            ("GET", "a%00", &[]),
            ("GET", "a%00+b", &[]),
        ] {
            let found = script("/x", "", query).search_words(method);
            let words: Vec<_> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(found, words, "{method} {query}");
        }
    }

    #[test]
    fn a_script_answers_by_itself_if_its_name_says_so() {
        for (name, is_nph) in [
            ("/cgi-bin/nph-x", true),
            ("nph-x", true),
            ("/cgi-bin/nph-", true),
            ("/cgi-bin/NPH-x", false),
            ("/cgi-bin/x-nph-", false),
            ("/nph-bin/x", false),
            ("/nph-bin/", false),
        ] {
            assert_eq!(script(name, "", "").is_nph(), is_nph, "{name}");
        }
    }

    #[test]
    fn an_interpreter_is_missing_where_there_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let there = directory.path().join("there");
        fs::write(&there, "").expect("a file");
        let (there, gone) = (there.display(), directory.path().join("gone"));
        let (gone, file) = (gone.display(), directory.path().join("script"));
        let not_found = io::Error::from(io::ErrorKind::NotFound);
        for (text, missing) in [
            (format!("#!{gone}\n"), Some(format!("'{gone}'"))),
            (format!("#! \t{gone} -x\nrest"), Some(format!("'{gone}'"))),
            (format!("#!{gone}\t-x"), Some(format!("'{gone}'"))),
            (format!("#!{there}\r\n"), Some(format!("'{there}\\r'"))),
            (format!("#!{there}\n"), None),
            (format!("#! {there} {gone}\n"), None),
            (format!("#!\n{gone}\n"), None),
            ("#! \n".to_owned(), None),
            (gone.to_string(), None),
            (String::new(), None),
        ] {
            fs::write(&file, &text).expect("a file");
            let script = script("/x", &file, "");
            let message = script.missing_interpreter(&not_found);
            let expected = missing.map(|name| format!("its interpreter {name} does not exist"));
            assert_eq!(message, expected, "{text:?}");
            let refused = io::ErrorKind::PermissionDenied.into();
            assert_eq!(script.missing_interpreter(&refused), None, "{text:?}");
        }
        fs::remove_file(&file).expect("it is there");
        assert_eq!(script("/x", file, "").missing_interpreter(&not_found), None);
    }
}
