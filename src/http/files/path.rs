//! From a request's target to a path, and to the `Location` of a directory.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::http::message::target::{Parts, names};
use crate::http::url::unquote_to_bytes;
use crate::os::name_of;
use crate::work;

/// The path below `root` that a target names, with a slash at its end where the target has one.
///
/// The query and the fragment are cut, escapes are decoded once, and `..` does not lead above the
/// root. The host of an absolute target (`http://host/path`, RFC 9112 §3.2.2) is dropped.
pub(crate) fn translate_path(root: &Path, target: &str) -> PathBuf {
    let decoded = unquote_to_bytes(Parts::of(target).path);
    let mut path = root.to_path_buf();
    path.extend(names(&decoded).into_iter().map(name_of));
    if decoded.ends_with(b"/") {
        // Appends a slash, unless the root brought one.
        path.push("");
    }
    path
}

/// Tells whether a target's path ends with a slash, plain or escaped.
pub(super) fn ends_with_slash(path: &str) -> bool {
    path.ends_with('/') || path.ends_with("%2f") || path.ends_with("%2F")
}

/// Where the directory of this target is, seen from the target: its last name and a slash.
///
/// Relative (RFC 9110 §10.2.2), so that it is right below any prefix that a proxy has taken away.
/// A client that resolves it comes to the host that it asked: it begins with neither a slash nor a
/// scheme, and holds no backslash, blank or control character.
pub(crate) fn directory_reference(target: &str) -> String {
    let parts = Parts::of(target);
    let name = last_name(parts.path);
    // What stands before a colon would be a scheme (RFC 3986 §4.2).
    let mut location = String::from(if name.is_empty() || name.contains(':') { "./" } else { "" });
    push_escaped(&mut location, name);
    push_directory_end(&mut location, parts);
    location
}

/// Where the file of this target is, seen from the target: its last name.
///
/// As [`directory_reference`].
pub(super) fn file_reference(target: &str) -> String {
    let name = last_name(Parts::of(target).path);
    let mut location = String::from(if name.contains(':') { "./" } else { "" });
    push_escaped(&mut location, name);
    location
}

/// Tells whether a target's path cannot name a file, as it ends with a slash or dots: `/a/`,
/// `/a/..`.
pub(super) fn names_directory(path: &str) -> bool {
    let decoded = unquote_to_bytes(path);
    let last = decoded.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    matches!(last, b"" | b"." | b"..")
}

/// Where the directory of this target is: the target with a slash at the end of its path.
///
/// For a target that the client did not ask for. Begins with exactly one slash: in `//host/..` a
/// browser would find another host.
pub(crate) fn directory_location(target: &str) -> String {
    let parts = Parts::of(target);
    let mut location = String::from("/");
    push_escaped(&mut location, parts.path.trim_start_matches('/'));
    push_directory_end(&mut location, parts);
    location
}

/// What follows the last slash of a target's path.
pub(super) fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn push_directory_end(location: &mut String, Parts { query, fragment, .. }: Parts<'_>) {
    if !location.ends_with('/') {
        location.push('/');
    }
    for (mark, part) in [('?', query), ('#', fragment)] {
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            location.push(mark);
            push_escaped(location, part);
        }
    }
}

fn push_escaped(location: &mut String, text: &str) {
    work::note(text.len());
    for character in text.chars() {
        match character {
            '!'..='~' if !"\\\"<>^`{|}".contains(character) => location.push(character),
            // A target's characters stand for its bytes, and U+0100 and beyond do not occur.
            // Writing to a string does not fail.
            _ => drop(write!(location, "%{:02X}", u32::from(character))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::name_bytes;

    fn translated(target: &str) -> String {
        let path = translate_path(Path::new("/root"), target);
        String::from_utf8_lossy(name_bytes(&path)).into_owned()
    }

    #[test]
    fn targets_stay_below_the_root() {
        for (target, path) in [
            ("/a.txt", "/root/a.txt"),
            ("a.txt", "/root/a.txt"),
            ("//a.txt", "/root/a.txt"),
            ("/./a.txt?q#f", "/root/a.txt"),
            ("/a#f?q", "/root/a"),
            ("/x/../a.txt", "/root/a.txt"),
            ("/../../etc/passwd", "/root/etc/passwd"),
            ("/%2e%2e/%2e%2e%2fetc", "/root/etc"),
            ("/sub//a/", "/root/sub/a/"),
            ("/sub%2f", "/root/sub/"),
            ("/", "/root/"),
            ("", "/root"),
            ("/q%3fb%23.txt", "/root/q?b#.txt"),
            ("/a%00.txt", "/root/a\0.txt"),
            ("/%zz%4", "/root/%zz%4"),
            ("/a\\b;c+d", "/root/a\\b;c+d"),
            ("http://h/a.txt?q", "/root/a.txt"),
            ("HTTP://h", "/root/"),
            ("ftp://h/a", "/root/ftp:/h/a"),
            // What Windows would read otherwise are names here.
            ("/..%20/.%20./a", "/root/.. /. ./a"),
            ("/C:/a", "/root/C:/a"),
            ("/a::$INDEX_ALLOCATION", "/root/a::$INDEX_ALLOCATION"),
        ] {
            assert_eq!(translated(target), path, "{target}");
        }
    }

    #[test]
    fn escapes_name_any_byte() {
        let path = translate_path(Path::new("/root"), "/%ff%C3%A9");
        assert_eq!(name_bytes(&path), b"/root/\xff\xc3\xa9");
    }

    #[test]
    fn a_location_names_this_server() {
        for (target, relative, absolute) in [
            ("/sub?x=1&y=%20#f", "sub/?x=1&y=%20#f", "/sub/?x=1&y=%20#f"),
            ("/a/sub?", "sub/", "/a/sub/"),
            ("/sub#", "sub/", "/sub/"),
            ("?", "./", "/"),
            ("?a:b", "./?a:b", "/?a:b"),
            ("", "./", "/"),
            ("sub", "sub/", "/sub/"),
            ("/sub/..", "../", "/sub/../"),
            ("/a:b", "./a:b/", "/a:b/"),
            ("/http:?x", "./http:/?x", "/http:/?x"),
            ("/a%3ab", "a%3ab/", "/a%3ab/"),
            ("/c/a?b:d", "a/?b:d", "/c/a/?b:d"),
            ("//evil.example", "evil.example/", "/evil.example/"),
            ("//evil.example/..%2fsub", "..%2fsub/", "/evil.example/..%2fsub/"),
            ("/%2f%2fevil.example", "%2f%2fevil.example/", "/%2f%2fevil.example/"),
            ("/\\evil.example", "%5Cevil.example/", "/%5Cevil.example/"),
            ("\\\\evil.example", "%5C%5Cevil.example/", "/%5C%5Cevil.example/"),
            ("/\\evil.example/%2e%2e%2fsub", "%2e%2e%2fsub/", "/%5Cevil.example/%2e%2e%2fsub/"),
            ("/\t/evil.example", "evil.example/", "/%09/evil.example/"),
            ("http://h//evil.example/..", "../", "/evil.example/../"),
            ("/a\\b\u{e9}?\"<>", "a%5Cb%E9/?%22%3C%3E", "/a%5Cb%E9/?%22%3C%3E"),
        ] {
            assert_eq!(directory_reference(target), relative, "{target}");
            assert_eq!(directory_location(target), absolute, "{target}");
        }
    }
}
