//! Heads, however they arrive.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What becomes of bytes that arrive cut at these places.
fn arrived(bytes: &[u8], cuts: &[usize]) -> String {
    let mut searched = Searched::default();
    for &end in cuts.iter().chain([&bytes.len()]) {
        match parse(&bytes[..end], &mut searched) {
            Parsed::Incomplete => {}
            Parsed::Complete(head, length) => return format!("{head:?}, {length} bytes"),
            Parsed::Refused(refusal, head) => return format!("{refusal:?} of {head:?}"),
        }
    }
    "incomplete".into()
}

const HEADS: [&str; 8] = [
    "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\nrest",
    "GET / HTTP/1.1\nHost: x\n\nrest",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /\r\nrest",
    "GET / HTTP/1.1\r\nHost: x\r\nBad : y\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n",
];

#[test]
fn a_head_cut_at_any_two_places_reads_the_same() {
    for head in HEADS {
        let bytes = head.as_bytes();
        let whole = arrived(bytes, &[]);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                assert_eq!(arrived(bytes, &[first, second]), whole, "{head:?} {first} {second}");
            }
        }
    }
}

#[test]
fn a_head_ends_at_its_empty_line() {
    for (head, length) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\nrest", 27),
        ("GET / HTTP/1.1\nHost: x\n\nrest", 24),
        ("GET / HTTP/1.1\r\nHost: x\n\r\nrest", 26),
        ("GET / HTTP/1.0\r\n\r\n\r\n", 18),
        ("GET /\r\nrest", 7),
    ] {
        match parse(head.as_bytes(), &mut Searched::default()) {
            Parsed::Complete(_, taken) => assert_eq!(taken, length, "{head:?}"),
            other => panic!("{head:?}: {other:?}"),
        }
    }
}

/// Pieces of heads, so that random ones come near to real ones.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "GET",
        " ",
        "/",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/",
        "\r\n",
        "\n",
        "\r",
        "\0",
        ":",
        "Host: x\r\n",
        "\r\n\r\n",
        "\t",
        "a",
        "1",
        ".",
        "é",
    ]);
    let piece = prop_oneof![
        3 => pieces.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    let start = prop_oneof![Just(&b""[..]), Just(&b"GET / HTTP/1.1\r\nHost: x\r\n"[..])];
    (start, vec(piece, 0..20)).prop_map(|(start, pieces)| [start, &pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_read_the_same_however_they_are_cut(
        bytes in bytes(),
        cuts in vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(arrived(&bytes, &cuts), arrived(&bytes, &[]));
    }

    #[test]
    fn what_is_accepted_holds_no_line_end_and_no_nul(bytes in bytes()) {
        if let Parsed::Complete(head, length) = parse(&bytes, &mut Searched::default()) {
            prop_assert!(length <= bytes.len());
            let Head { command, path, request_version, requestline, .. } = &head;
            for text in [&**command, path, request_version, requestline] {
                prop_assert!(!text.contains(['\r', '\n', '\0']), "{text:?}");
            }
            prop_assert!(!command.is_empty() && !path.is_empty());
            for (name, value) in head.headers.iter() {
                prop_assert!(!name.is_empty() && !value.contains(['\r', '\n', '\0']));
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
                prop_assert_eq!(value.trim_matches([' ', '\t']), value);
            }
        }
    }

    #[test]
    fn blank_lines_are_all_that_is_skipped(
        bytes in vec(prop::sample::select(b"\r\nG".to_vec()), 0..9),
    ) {
        let (blank, rest) = bytes.split_at(leading_blank(&bytes));
        prop_assert!(blank.is_empty() || blank.ends_with(b"\n"));
        prop_assert!(!blank.contains(&b'G'));
        prop_assert!(!rest.starts_with(b"\n") && !rest.starts_with(b"\r\n"));
    }
}

/// The status and the message of a refusal, or the length of a head.
fn judged(bytes: &[u8]) -> Result<Option<usize>, (u16, String)> {
    match parse(bytes, &mut Searched::default()) {
        Parsed::Incomplete => Ok(None),
        Parsed::Complete(_, length) => Ok(Some(length)),
        Parsed::Refused(refusal, _) => Err((refusal.status.code(), refusal.message)),
    }
}

fn refused(status: u16, message: &str) -> Result<Option<usize>, (u16, String)> {
    Err((status, message.to_owned()))
}

#[test]
fn a_request_line_has_at_most_65_536_bytes_with_its_end() {
    let line = |length: usize, end: &str| {
        let target = "a".repeat(length - "GET / HTTP/1.1".len() - end.len());
        format!("GET /{target} HTTP/1.1{end}")
    };
    let too_long = refused(414, "URI Too Long");
    assert_eq!(judged(&[b'a'; LINE_LIMIT]), Ok(None));
    assert_eq!(judged(&[b'a'; LINE_LIMIT + 1]), too_long);
    for end in ["\n", "\r\n"] {
        let rest = "Host: x\r\n\r\n";
        let whole = line(LINE_LIMIT, end) + rest;
        assert_eq!(judged(whole.as_bytes()), Ok(Some(whole.len())));
        for more in [1, 2, 3] {
            assert_eq!(judged((line(LINE_LIMIT + more, end) + rest).as_bytes()), too_long);
        }
    }
}

#[test]
fn a_field_has_at_most_65_536_bytes_with_its_end() {
    let start = "GET / HTTP/1.1\r\nHost: x\r\n";
    let too_long = refused(431, "Line too long");
    for (length, end, expected) in [
        (LINE_LIMIT - 1, "", Ok(None)),
        (LINE_LIMIT, "", too_long.clone()),
        (LINE_LIMIT, "\r\n", Ok(None)),
        (LINE_LIMIT, "\r\n\r\n", Ok(Some(start.len() + LINE_LIMIT + 2))),
        (LINE_LIMIT + 1, "\r\n\r\n", too_long.clone()),
        (LINE_LIMIT + 2, "\n\n", too_long),
    ] {
        let line_end = end.split_inclusive('\n').next().unwrap_or_default();
        let value = "a".repeat(length - "A: ".len() - line_end.len());
        let head = format!("{start}A: {value}{end}");
        assert_eq!(judged(head.as_bytes()), expected, "{length} bytes, {end:?}");
        // In pieces, too.
        for middle in [start.len(), start.len() + 1, start.len() + length / 2] {
            let mut searched = Searched::default();
            let first = parse(&head.as_bytes()[..middle], &mut searched);
            assert!(matches!(first, Parsed::Incomplete));
            let is_refused = matches!(parse(head.as_bytes(), &mut searched), Parsed::Refused(..));
            assert_eq!(is_refused, expected.is_err(), "{length} bytes, {end:?}, {middle}");
        }
    }
}

#[test]
fn a_head_has_at_most_99_fields() {
    for fields in [0, 1, FEW_LINES - 3, FEW_LINES - 2, FEW_LINES - 1, FEW_LINES, 50, 98] {
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(fields));
        assert_eq!(judged(head.as_bytes()), Ok(Some(head.len())), "{fields}");
    }
    for other in ["", "Bad : y\r\n"] {
        let fields = "A: b\r\n".repeat(99);
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{other}{fields}\r\n");
        assert_eq!(judged(head.as_bytes()), refused(431, "Too many headers"), "{other:?}");
    }
}

#[test]
fn a_head_has_at_most_262_144_bytes() {
    let too_large = refused(431, "Headers too large");
    let start = "GET / HTTP/1.1\r\nHost: x\r\n";
    let head = |length: usize, end: &str| {
        let fields = format!("A: {}\r\n", "a".repeat(60_000)).repeat(4);
        let left = length - start.len() - fields.len() - "B: \r\n".len() - end.len();
        format!("{start}{fields}B: {}\r\n{end}", "b".repeat(left))
    };
    assert_eq!(judged(head(HEAD_LIMIT, "\r\n").as_bytes()), Ok(Some(HEAD_LIMIT)));
    assert_eq!(judged(head(HEAD_LIMIT + 1, "\r\n").as_bytes()), too_large);
    assert_eq!(judged(head(HEAD_LIMIT, "").as_bytes()), Ok(None));
    assert_eq!(judged(head(HEAD_LIMIT + 1, "").as_bytes()), too_large);
    assert_eq!(total_refused(HEAD_LIMIT), None);
    assert!(total_refused(HEAD_LIMIT + 1).is_some());
}

#[test]
fn request_lines_are_read_as_in_cpython() {
    for (line, expected) in [
        ("GET / HTTP/1.0", Ok(("GET", "/", "HTTP/1.0", (1, 0)))),
        ("\tGET \t/ \x0b\x0c HTTP/1.0 ", Ok(("GET", "/", "HTTP/1.0", (1, 0)))),
        ("g(t /\u{e9} HTTP/1.0", Ok(("g(t", "/\u{c3}\u{a9}", "HTTP/1.0", (1, 0)))),
        ("GET /", Ok(("GET", "/", "HTTP/0.9", (0, 9)))),
        ("GET / HTTP/01.00", Ok(("GET", "/", "HTTP/01.00", (1, 0)))),
        ("GET / HTTP/0000000001.0", Ok(("GET", "/", "HTTP/0000000001.0", (1, 0)))),
        ("GET //h/a HTTP/1.0", Ok(("GET", "/h/a", "HTTP/1.0", (1, 0)))),
        ("GET ///a//b HTTP/1.0", Ok(("GET", "/a//b", "HTTP/1.0", (1, 0)))),
        ("OPTIONS * HTTP/1.0", Ok(("OPTIONS", "*", "HTTP/1.0", (1, 0)))),
        ("CONNECT *.h:80 HTTP/1.0", Ok(("CONNECT", "*.h:80", "HTTP/1.0", (1, 0)))),
        ("CONNECT h:80 HTTP/1.0", Ok(("CONNECT", "h:80", "HTTP/1.0", (1, 0)))),
        ("GET http://u:p@h:80/a HTTP/1.0", Ok(("GET", "http://u:p@h:80/a", "HTTP/1.0", (1, 0)))),
        ("GET ftp://a,b/ HTTP/1.0", Ok(("GET", "ftp://a,b/", "HTTP/1.0", (1, 0)))),
        ("", Err("400 Bad request syntax ('')")),
        ("GET", Err("400 Bad request syntax ('GET')")),
        ("GET / x HTTP/1.0", Err("400 Bad request syntax ('GET / x HTTP/1.0')")),
        ("GET / \0HTTP/1.0", Err("400 Bad request syntax ('GET / \\x00HTTP/1.0')")),
        ("GET / \rHTTP/1.0", Err("400 Bad request syntax ('GET / \\rHTTP/1.0')")),
        ("POST /", Err("400 Bad HTTP/0.9 request type ('POST')")),
        ("GET / HTTP/1.0 x", Err("400 Bad request version ('x')")),
        ("GET / HTTP/1", Err("400 Bad request version ('HTTP/1')")),
        ("GET / HTTP/1.0.0", Err("400 Bad request version ('HTTP/1.0.0')")),
        ("GET / HTTP/.0", Err("400 Bad request version ('HTTP/.0')")),
        ("GET / HTTP/1.", Err("400 Bad request version ('HTTP/1.')")),
        ("GET / HTTP/+1.0", Err("400 Bad request version ('HTTP/+1.0')")),
        ("GET / http/1.0", Err("400 Bad request version ('http/1.0')")),
        ("GET / HTTP/1.00000000000", Err("400 Bad request version ('HTTP/1.00000000000')")),
        ("GET / HTTP/0.9", Err("505 Invalid HTTP version (0.9)")),
        ("GET / HTTP/0.99", Err("505 Invalid HTTP version (0.99)")),
        ("GET / HTTP/2.0", Err("505 Invalid HTTP version (2.0)")),
        ("GET / HTTP/3.1", Err("505 Invalid HTTP version (3.1)")),
        ("GET http://a,b/ HTTP/1.0", Err("400 Bad request target ('http://a,b/')")),
        ("GET http:///a HTTP/1.0", Err("400 Bad request target ('http:///a')")),
        ("CONNECT h HTTP/1.0", Err("400 Bad request target ('h')")),
        ("CONNECT u@h:80 HTTP/1.0", Err("400 Bad request target ('u@h:80')")),
        ("CONNECT /a HTTP/1.0", Err("400 Bad request target ('/a')")),
        ("OPTIONS */../a HTTP/1.0", Err("400 Bad request target ('*/../a')")),
    ] {
        for end in ["\n\n", "\r\n\r\n"] {
            let bytes = [line, end].concat();
            let found = match parse(bytes.as_bytes(), &mut Searched::default()) {
                Parsed::Complete(head, length) => {
                    let rest = if head.version == HTTP_0_9 { end.len() / 2 } else { 0 };
                    assert_eq!(length, bytes.len() - rest, "{line:?}");
                    assert_eq!(head.requestline, latin1(line.as_bytes()));
                    Ok((head.command, head.path, head.request_version, head.version))
                }
                Parsed::Refused(refusal, head) => {
                    assert_eq!(head.requestline, latin1(line.as_bytes()));
                    // For the answer, which has no content where that is HEAD.
                    let method = line.split_whitespace().next().unwrap_or_default();
                    assert_eq!(head.command, method, "{line:?}");
                    assert_eq!(refusal.explain, None);
                    Err(format!("{} {}", refusal.status.code(), refusal.message))
                }
                Parsed::Incomplete => panic!("{line:?} has come"),
            };
            let expected = expected.map(|(command, path, name, version)| {
                (command.to_owned(), path.to_owned(), name.into(), version)
            });
            assert_eq!(found, expected.map_err(str::to_owned), "{line:?}");
        }
    }
}

#[test]
fn versions_beyond_1_1_are_of_1() {
    for (number, version) in
        [("1.1", (1, 1)), ("1.2", (1, 2)), ("1.9999999999", (1, 9_999_999_999))]
    {
        let head = format!("GET / HTTP/{number}\r\nHost: x\r\n\r\n");
        match parse(head.as_bytes(), &mut Searched::default()) {
            Parsed::Complete(head, _) => assert_eq!(head.version, version),
            other => panic!("{number}: {other:?}"),
        }
    }
}

#[test]
fn a_request_of_http_1_1_names_its_host_once() {
    for (version, hosts, expected) in [
        ("1.0", &[][..], None),
        ("1.1", &[], Some("Missing Host header")),
        ("1.2", &[], Some("Missing Host header")),
        ("1.1", &["x"], None),
        ("1.1", &["x:80"], None),
        ("1.1", &[""], None),
        ("1.0", &["x", "x"], Some("Several Host headers")),
        ("1.1", &["x", ""], Some("Several Host headers")),
        ("1.1", &["", "x"], Some("Several Host headers")),
        ("1.0", &["a b"], Some("Bad Host header ('a b')")),
        ("1.1", &["a,b"], Some("Bad Host header ('a,b')")),
    ] {
        let fields: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let head = format!("GET / HTTP/{version}\r\n{fields}\r\n");
        let message = judged(head.as_bytes()).err();
        assert_eq!(message, expected.map(|text| (400, text.to_owned())), "{version} {hosts:?}");
    }
}

#[test]
fn a_targets_host_takes_the_place_of_the_field() {
    for (line, host) in [
        ("GET http://u:p@h:80/a HTTP/1.1", "h:80"),
        ("GET HTTPS://h HTTP/1.1", "h"),
        ("CONNECT h:443 HTTP/1.1", "h:443"),
        ("GET /http://h/ HTTP/1.1", "x"),
        ("GET ftp://h/ HTTP/1.1", "x"),
    ] {
        let head = format!("{line}\r\nHost: x\r\n\r\n");
        match parse(head.as_bytes(), &mut Searched::default()) {
            Parsed::Complete(head, _) => {
                assert_eq!(head.headers.get_all("Host").collect::<Vec<_>>(), [host], "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn what_has_begun_says_its_method_where_that_has_come() {
    for (bytes, command, path) in [
        ("HEAD /a HTTP/1.1\r\nHost", "HEAD", "/a"),
        ("HEAD /a HTTP/9.9\r\nHost", "HEAD", ""),
        ("HEAD /a", "HEAD", ""),
        ("\tHEAD\t", "HEAD", ""),
        ("HEAD", "", ""),
        ("HEAD\r\n", "HEAD", ""),
        ("", "", ""),
        ("\r\n", "", ""),
    ] {
        let head = begun(bytes.as_bytes());
        assert_eq!((&*head.command, &*head.path), (command, path), "{bytes:?}");
    }
    let long = ["HEAD /", &"a".repeat(LINE_LIMIT)].concat();
    for bytes in [long.clone(), long + " HTTP/1.1\r\n\r\n"] {
        match parse(bytes.as_bytes(), &mut Searched::default()) {
            Parsed::Refused(_, head) => assert_eq!(head.command, "HEAD"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_target_in_a_request_line_is_its_second_word() {
    for (line, target) in [
        ("GET /a HTTP/1.1", "/a"),
        (" GET\t/a", "/a"),
        ("GET \x0b\x0c/\u{a0}b c d", "/\u{a0}b"),
        ("GET", ""),
        ("GET ", ""),
        ("", ""),
    ] {
        assert_eq!(target_in(line), target, "{line:?}");
    }
}

#[test]
fn what_is_wrong_with_fields_is_said() {
    for (fields, message) in [
        ("Bad : y\r\n", "Bad header syntax (invalid header name)"),
        ("A: b\0\r\n", "Bad header syntax (invalid header value)"),
        (": b\r\n", "Bad header syntax (invalid header name)"),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        assert_eq!(judged(head.as_bytes()), refused(400, message), "{fields:?}");
    }
}
