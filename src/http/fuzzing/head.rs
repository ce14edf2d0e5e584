//! Heads: what may be served, and that it does not matter how the bytes arrive.

use crate::connection::Searched;
use crate::http::message::parse::{Head, Parsed, parse};

/// Reads a head whole, and cut at two places, which the first two bytes tell.
pub fn check(data: &[u8]) {
    let [first, second, bytes @ ..] = data else { return };
    let whole = parse(bytes, &mut Searched::default());
    let (first, second) = (usize::from(*first), usize::from(*second));
    let cuts = [first.min(second), first.max(second), usize::MAX];
    let pieces = arrived(bytes, cuts.map(|cut| cut.min(bytes.len())));
    assert_eq!(format!("{pieces:?}"), format!("{whole:?}"), "cut at {cuts:?}");
    match whole {
        Parsed::Complete(head, length) => {
            assert!(length <= bytes.len());
            let alone = parse(&bytes[..length], &mut Searched::default());
            assert!(matches!(alone, Parsed::Complete(_, other) if other == length));
            may_be_served(&head);
        }
        Parsed::Refused(refusal, _) => {
            assert!([400, 414, 431, 505].contains(&refusal.status.code()), "{refusal:?}");
        }
        Parsed::Incomplete => {}
    }
}

/// What becomes of bytes that arrive cut at these places.
fn arrived(bytes: &[u8], cuts: [usize; 3]) -> Parsed {
    let mut searched = Searched::default();
    for end in cuts {
        match parse(&bytes[..end], &mut searched) {
            Parsed::Incomplete => {}
            other => return other,
        }
    }
    Parsed::Incomplete
}

/// How many words a line has, between the blanks that CPython knows.
fn words(line: &str) -> usize {
    line.split([' ', '\t', '\x0b', '\x0c']).filter(|word| !word.is_empty()).count()
}

/// What a host's grammar leaves of a value, wherever it stands (RFC 3986 §3.2.2), and a port.
fn is_host(value: &str) {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte);
    assert!(value.bytes().all(may_be), "{value:?}");
    let (host, port) = match value.rfind(']') {
        Some(end) => value.split_at(end + 1),
        None => value.split_at(value.find(':').unwrap_or(value.len())),
    };
    assert_eq!(value.is_empty(), host.is_empty(), "{value:?}");
    assert_eq!(host.starts_with('['), host.contains(['[', ']', ':']), "{value:?}");
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    assert!(is_number && digits.parse().unwrap_or(0) < 65_536, "{value:?}");
}

fn may_be_served(head: &Head) {
    let is_line_end = |character: char| "\r\n\0".contains(character);
    let is_blank = |character: char| is_line_end(character) || character == ' ';
    assert!(!head.command.contains(is_blank) && !head.path.contains(is_blank));
    assert!(!head.path.is_empty() && !head.path.starts_with("//"));
    assert!(!head.requestline.contains(is_line_end));
    assert!((1..2).contains(&head.version.0) || head.version == (0, 9));
    assert_eq!(head.version == (0, 9), head.request_version == "HTTP/0.9");
    assert!(head.version != (0, 9) || words(&head.requestline) == 2);
    let hosts = head.headers.get_all("Host").count();
    assert!(hosts <= 1 && (hosts == 1 || head.version < (1, 1)), "{hosts} hosts");
    for host in head.headers.get_all("Host") {
        is_host(host);
    }
    assert!(head.headers.len() < 100);
    for (name, value) in head.headers.iter() {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(is_token), "{name:?}");
        assert!(!value.contains(is_line_end), "{value:?}");
        assert_eq!(value.trim_matches([' ', '\t']), value);
    }
}
