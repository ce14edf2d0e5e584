//! From a request's target to a script: is there one, and which.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::hooks::CgiHooks;
use crate::http::exchange::Exchange;
use crate::http::files::SimpleHttpRequestHandler;
use crate::http::message::target::{Parts, names};
use crate::http::url::{quote, unquote_to_bytes};
use crate::printable::repr;
use crate::work;

/// Where the CGI part of a path begins: Python's `cgi_info`.
///
/// Both halves are as in a URL, escapes included. Python's are decoded, and decoded once more
/// on their way to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgiInfo {
    /// The path of a directory of scripts, such as `/cgi-bin`; without a slash at its end.
    pub directory: String,
    /// What follows it, without a slash at its start: directories, the script, its path info. A
    /// query is ignored, and `..` does not lead above the directory.
    pub rest: String,
}

impl CgiInfo {
    /// Splits `/cgi-bin/script/more` between `directory` and `rest`.
    pub fn new(directory: impl Into<String>, rest: impl Into<String>) -> Self {
        Self { directory: directory.into(), rest: rest.into() }
    }
}

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
    /// None where one begins with a hyphen: interpreters take those for options of their own
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

/// Looks for one of the directories at the start of the path of a target.
///
/// It is decoded and its dots are resolved exactly as for a file, so that no spelling of a
/// script's path gets its source served. CPython fails on more `..` than there are directories.
pub(crate) fn is_cgi(path: &str, directories: &[&str]) -> Option<CgiInfo> {
    let path = collapse(path);
    // Grows by a name for each slash, so that no byte is decoded twice.
    let (mut directory, mut start) = (Vec::new(), 0);
    for (end, _) in path.match_indices('/').skip(1) {
        work::note(end - start);
        directory.extend(unquote_to_bytes(&path[start..end]));
        if directories.iter().any(|listed| listed.as_bytes() == directory) {
            return Some(CgiInfo::new(&path[..end], &path[end + 1..]));
        }
        start = end;
    }
    None
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

/// A path with its dots resolved, up to its last slash and behind it, escaped again: Python's
/// `_url_collapse_path`.
fn collapse(path: &str) -> String {
    let decoded = unquote_to_bytes(path);
    let mut names = names(&decoded);
    let last = decoded.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_directory = matches!(last, b"" | b"." | b"..");
    let last =
        if is_directory { String::new() } else { names.pop().map(quote).unwrap_or_default() };
    let directories: Vec<String> = names.into_iter().map(quote).collect();
    format!("/{}/{last}", directories.join("/"))
}

/// Bytes that Linux reads of it.
const LONGEST_FIRST_LINE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_collapse_as_in_cpython() {
        for (target, collapsed) in [
            ("", "//"),
            ("/", "//"),
            ("/\\", "//\\"),
            ("/.", "//"),
            ("/file1.py", "//file1.py"),
            ("a", "//a"),
            ("/a", "//a"),
            ("//a", "//a"),
            ("./a", "//a"),
            ("a/b", "/a/b"),
            ("cgi-bin/file1.py", "/cgi-bin/file1.py"),
            ("/a/b/", "/a/b/"),
            ("/a/b/.", "/a/b/"),
            ("/a/b/c/..", "/a/b/"),
            ("/a/b/c/../d", "/a/b/d"),
            ("/a/b/c/../d/e/../f", "/a/b/d/f"),
            ("/a/b/c/../d/e/../../f", "/a/b/f"),
            ("/a/b/c/../d/e/.././././..//f", "/a/b/f"),
            ("/a/b/c/../d/e/../../../f", "/a/f"),
            ("/a/b/c/../d/e/../../../../f", "//f"),
            ("/a/b/c/../d/e/../../../../f/..", "//"),
            // CPython fails on the rest.
            ("..", "//"),
            ("/.//..", "//"),
            ("../a", "//a"),
            ("/a/../../cgi-bin/x", "/cgi-bin/x"),
        ] {
            let path = collapse(target);
            assert_eq!(unquote_to_bytes(&path), collapsed.as_bytes(), "{target}");
        }
    }

    #[test]
    fn every_spelling_of_a_script_is_one() {
        let found = |target: &str| is_cgi(Parts::of(target).path, &["/cgi-bin", "/sub/cgi"]);
        let script = Some(CgiInfo::new("/cgi-bin", "x.py"));
        for target in [
            "/cgi-bin/x.py",
            "cgi-bin/x.py",
            "/cgi-bin/x.py?a/b?c",
            "/cgi-bin/x.py#f",
            "/cgi-bin%2fx.py",
            "/%63gi%2Dbin%2Fx%2Epy",
            "//////nocgi.py/../cgi-bin/nothere/../x.py",
            "/../cgi-bin/x.py",
            "/%2e%2e/cgi-bin/./x.py",
            "http://h/cgi-bin/x.py",
        ] {
            assert_eq!(found(target), script, "{target}");
        }
        assert_eq!(found("/sub/cgi/a/b"), Some(CgiInfo::new("/sub/cgi", "a/b")));
        assert_eq!(found("/cgi-bin/a%20b"), Some(CgiInfo::new("/cgi-bin", "a%20b")));
        assert_eq!(found("/cgi-bin/"), Some(CgiInfo::new("/cgi-bin", "")));
        for target in ["/cgi-bin", "/CGI-BIN/x.py", "/cgi-bin/../x.py", "/a/cgi-bin/x.py", "/"] {
            assert_eq!(found(target), None, "{target}");
        }
        assert_eq!(is_cgi("/x.py", &["/"]), Some(CgiInfo::new("/", "x.py")));
    }
}
