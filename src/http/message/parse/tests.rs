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
