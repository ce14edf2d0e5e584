//! Targets of every form, taken apart.

use super::*;
use crate::http::message::text::Latin1;

#[test]
fn targets_of_every_form_are_taken_apart() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/a%20b?c=d#e", "/a%20b", Some("c=d")),
        ("/a?", "/a", Some("")),
        ("/a?b?c", "/a", Some("b?c")),
        ("/a#b?c", "/a", None),
        ("/a?u=http://h/", "/a", Some("u=http://h/")),
        ("a", "a", None),
        ("*", "*", None),
        ("h:80", "h:80", None),
        ("ftp://h/a", "ftp://h/a", None),
        ("http://h", "/", None),
        ("http://h?q", "/", Some("q")),
        ("http://h#f", "/", None),
        ("HTTPS://h:8/a?b#c", "/a", Some("b")),
        ("http://h///a//b", "/a//b", None),
        ("http://h//", "/", None),
    ] {
        let headers = Headers::default();
        let parts = Target::new(target, &headers, false);
        assert_eq!((parts.path(), parts.query()), (path, query), "{target}");
    }
}

#[test]
fn a_target_without_scheme_and_host_is_otherwise_the_same() {
    let headers = Headers::default();
    for (target, form) in [
        ("/a%20b?c=d#e", "/a%20b?c=d#e"),
        ("http://h:8//a?b#c", "/a?b#c"),
        ("https://h#", "/#"),
        ("/a?", "/a?"),
        ("*", "*"),
    ] {
        assert_eq!(Target::new(target, &headers, false).origin_form(), form, "{target}");
    }
}

#[test]
fn a_target_shows_what_it_says() {
    let mut headers = Headers::default();
    headers.push_text("Host", "h:8");
    let shown = format!("{:?}", Target::new("http://h:8/a?b#c", &headers, false));
    let parts = r#"path: "/a", query: Some("b"), host: Some("h"), port: Some(8)"#;
    assert_eq!(shown, format!("Target {{ {parts}, .. }}"));
}

#[test]
fn a_host_has_the_port_of_its_scheme() {
    for (target, host, is_secure, expected) in [
        ("/", Some("h"), false, Some(("h", 80))),
        ("/", Some("h"), true, Some(("h", 443))),
        ("/", Some("h:8000"), true, Some(("h", 8000))),
        ("/", Some("[::1]:"), false, Some(("[::1]", 80))),
        ("https://h/", Some("h"), false, Some(("h", 443))),
        ("http://h/", Some("h"), true, Some(("h", 80))),
        ("/", Some(""), false, None),
        ("/", None, false, None),
    ] {
        let mut headers = Headers::default();
        if let Some(host) = host {
            headers.push("host", host.as_bytes(), Latin1::new(host.as_bytes()));
        }
        let target = Target::new(target, &headers, is_secure);
        assert_eq!(target.host().zip(target.port()), expected, "{target:?}");
    }
}

#[test]
fn what_is_below_a_prefix_begins_with_one_slash() {
    for (path, rest) in [
        ("/x/y", Some("")),
        ("/x/y/", Some("/")),
        ("/x/y/a/b", Some("/a/b")),
        ("//x///y////a", Some("/a")),
        ("/%78/%79/%61", Some("/%61")),
        ("/x/y/../z", Some("/../z")),
        ("/x", None),
        ("/", None),
        ("", None),
        ("x/y/a", None),
        ("/x/ya", None),
        ("/x%2fy/a", None),
        ("/x/./y/a", None),
        ("/X/y/a", None),
    ] {
        assert_eq!(below(path, "/x/y"), rest, "{path}");
    }
    let target = Parts::of("http://h:8/x/y/a?b#c");
    assert_eq!(target.with_path("/a"), "http://h:8/a?b#c");
    assert_eq!(Parts::of("/x?").with_path("/"), "/?");
}

#[test]
fn dots_are_resolved_and_the_rest_is_spelled_as_it_was() {
    for (path, resolved) in [
        ("/x/a%2fb//c?", "/x/a%2fb//c?"),
        ("/x/../a", "/a"),
        ("/x/..", "/"),
        ("/x/.", "/x/"),
        ("/x/y/..", "/x/"),
        ("/../../a", "/a"),
        ("/x/%2e%2E/%61", "/%61"),
        ("/x/..%2fa", "/a"),
        ("/x%2F..%2fa%2fb", "/a%2fb"),
        ("/x//../a", "/a"),
        ("/x/./y", "/x/y"),
        ("/x/...", "/x/..."),
    ] {
        assert_eq!(without_dots(path), resolved, "{path}");
        // The same names; behind dots at its end a slash is added (RFC 3986 §5.2.4).
        let [one, other] = [resolved, path].map(unquote_to_bytes);
        assert_eq!(names(&one), names(&other), "{path}");
    }
    for (path, does) in
        [("/..", true), ("/a/../..", true), ("/a%2f..%2f%2e.", true), ("/a/..//b/./..", false)]
    {
        assert_eq!(climbs(path), does, "{path}");
    }
}

#[test]
fn resolving_dots_costs_what_the_path_is_long() {
    for unit in ["/", "/a", "/..", "%2f", "%2F%2e%2E/", "a", "%"] {
        assert!(crate::work::assert_linear(unit, 200_000, |length| {
            without_dots(&unit.repeat(length / unit.len()));
        }));
    }
}

#[test]
fn every_spelling_of_a_path_is_one() {
    for path in ["/a/b", "/%61/b", "/a%2fb", "//a//b", "/./a/x/../b", "/../a/b", "a/b"] {
        assert_eq!(canonical(path), b"/a/b", "{path}");
    }
    for (path, spelling) in
        [("", "/"), ("/", "/"), ("/..", "/"), ("/a/", "/a/"), ("/%2561", "/%61")]
    {
        assert_eq!(canonical(path), spelling.as_bytes(), "{path}");
    }
}
