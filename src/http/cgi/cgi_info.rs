//! Whether a path leads to a program, and where the program's part of it begins.

use crate::http::message::target::names;
use crate::http::url::{quote, unquote_to_bytes};
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

/// A path with its dots resolved, up to its last slash and behind it, escaped again: Python's
/// `_url_collapse_path`.
pub(super) fn collapse(path: &str) -> String {
    let decoded = unquote_to_bytes(path);
    let mut names = names(&decoded);
    let last = decoded.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_directory = matches!(last, b"" | b"." | b"..");
    let last =
        if is_directory { String::new() } else { names.pop().map(quote).unwrap_or_default() };
    let directories: Vec<String> = names.into_iter().map(quote).collect();
    format!("/{}/{last}", directories.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::target::Parts;

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
