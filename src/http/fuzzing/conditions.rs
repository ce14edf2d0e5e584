//! Conditions and ranges: what a second, plain reading of RFC 9110 §13 and §14 says.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::text;
use crate::http::files::{
    EntityTag, MAX_PARTS, Precondition, Selection, Validators, evaluate, parse_date, select,
};
use crate::http::message::date::http_date;
use crate::http::message::headers::Headers;

/// Evaluates the conditions and the range of a request. The first byte chooses the method and what
/// there is, the second one the content's size; each line is a field, named by its first letter.
pub fn check(data: &[u8]) {
    let [kind, size, lines @ ..] = data else { return };
    let command = ["GET", "HEAD", "PUT", "DELETE"][usize::from(kind & 3)];
    let current = Validators {
        etag: (kind & 4 == 0).then(|| EntityTag::new(0xabc)),
        last_modified: (kind & 8 == 0).then_some(MODIFIED),
        changed: MODIFIED + i64::from(kind >> 5),
    };
    let current = (kind & 16 == 0).then_some(current);
    let fields = lines.split(|&byte| byte == b'\n').filter_map(|line| line.split_first());
    let fields: Vec<_> = fields.filter_map(|(&name, value)| field(name, &text(value))).collect();
    let mut headers = Headers::default();
    for (name, value) in &fields {
        headers.push_text(name, value);
    }
    let found = evaluate(command, &headers, current.as_ref());
    assert_eq!(found, reading(command, &fields, current.as_ref()), "{command} {fields:?}");
    for (_, value) in &fields {
        check_range(value, u64::from(*size));
    }
}

/// Selects parts of a content, and sees that they are what the field asks for.
fn check_range(field: &str, size: u64) {
    let found = select(field, size);
    let parts: &[Range<u64>] = match &found {
        Selection::Part(part) => std::slice::from_ref(part),
        Selection::Parts(parts) => parts,
        Selection::Whole | Selection::Unsatisfiable => &[],
    };
    assert!(parts.len() <= MAX_PARTS);
    assert!(parts.iter().all(|part| part.start < part.end && part.end <= size), "{field}");
    let sum: u64 = parts.iter().map(|part| part.end - part.start).sum();
    assert!(sum <= size, "{field}");
    // Byte by byte: each is in as many parts as ask for it.
    let Some(asked) = asked_for(field).filter(|asked| asked.len() <= MAX_PARTS && size > 0) else {
        return assert_eq!(found, Selection::Whole, "{field}");
    };
    let times = |at: u64| asked.iter().filter(|spec| spec.has(at, size)).count();
    let counts: Vec<_> = (0..size).map(times).collect();
    match &found {
        Selection::Unsatisfiable => assert!(counts.iter().all(|&count| count == 0), "{field}"),
        Selection::Whole => assert!(counts.iter().any(|&count| count > 1), "{field}"),
        _ => {
            for (at, count) in counts.iter().enumerate() {
                let is_in = parts.iter().filter(|part| part.contains(&(at as u64))).count();
                assert_eq!((is_in, *count), (is_in.min(1), is_in), "{field}");
            }
        }
    }
}

/// What `first-last` or `-length` asks for.
struct Spec {
    first: Option<u128>,
    last: Option<u128>,
}

impl Spec {
    fn has(&self, at: u64, size: u64) -> bool {
        let (at, size) = (u128::from(at), u128::from(size));
        match (self.first, self.last) {
            (Some(first), last) => first <= at && last.is_none_or(|last| at <= last),
            (None, length) => at.saturating_add(length.unwrap_or_default()) >= size,
        }
    }
}

/// The parts that a well-formed field asks for.
fn asked_for(field: &str) -> Option<Vec<Spec>> {
    let (unit, set) = field.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case("bytes=") {
        return None;
    }
    let mut specs = Vec::new();
    for spec in set.split(',') {
        let spec = spec.trim_start_matches([' ', '\t']).trim_end_matches([' ', '\t']);
        if spec.is_empty() {
            continue;
        }
        let numbers: Vec<_> = spec.split('-').collect();
        let [first, last] = numbers[..] else { return None };
        if [first, last].concat().chars().any(|digit| !digit.is_ascii_digit()) {
            return None;
        }
        // More digits than a size has say no more than that.
        let number = |digits: &str| {
            let digits = digits.trim_start_matches('0');
            if digits.len() > 30 { u128::MAX } else { digits.parse().unwrap_or(0) }
        };
        let spec = Spec {
            first: (!first.is_empty()).then(|| number(first)),
            last: (!last.is_empty()).then(|| number(last)),
        };
        match (spec.first, spec.last) {
            (None, None) => return None,
            // Beyond every file, which of two numbers is larger makes no difference.
            (Some(first), Some(last)) if first.min(BEYOND) > last.min(BEYOND) => return None,
            _ => specs.push(spec),
        }
    }
    (!specs.is_empty()).then_some(specs)
}

const BEYOND: u128 = u64::MAX as u128;

fn field(name: u8, value: &str) -> Option<(&'static str, String)> {
    let name = match name {
        b'm' => "If-Match",
        b'n' => "if-none-match",
        b's' => "If-Modified-Since",
        b'u' => "If-Unmodified-Since",
        b'r' => "If-Range",
        b'x' => "Range",
        _ => return None,
    };
    // A date of the file's, told by one letter, as no fuzzer writes one.
    let value = match value.trim_matches([' ', '\t']) {
        "d" => http_date(time(MODIFIED)),
        "e" => http_date(time(MODIFIED - 1)),
        "l" => http_date(time(MODIFIED + 3)),
        value => value.to_owned(),
    };
    Some((name, value))
}

/// RFC 9110 §13.2.2, step by step.
fn reading(command: &str, fields: &[(&str, String)], current: Option<&Validators>) -> Precondition {
    let all = |name: &str| {
        let named = fields.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    // Which second a date names is what the target `dates` is about.
    let date = |name: &str| match all(name)[..] {
        [value] => parse_date(value)
            .and_then(|date| date.duration_since(UNIX_EPOCH).ok())
            .map(|since| since.as_secs() as i64),
        _ => None,
    };
    let own = current.and_then(|current| current.etag);
    let names = |name: &str, weakly: bool| match (&all(name)[..], current) {
        (_, None) => false,
        (["*"], _) => true,
        (lists, _) => lists.iter().any(|list| {
            let (tags, _) = tags(list);
            let ours = own.is_some_and(|own| tags.contains(&(false, own.as_str().to_owned())));
            let weak = own.is_some_and(|own| tags.contains(&(true, own.as_str().to_owned())));
            ours || (weak && weakly)
        }),
    };
    let is_read = command == "GET" || command == "HEAD";
    // Steps 1 and 2.
    if !all("If-Match").is_empty() {
        if !names("If-Match", false) {
            return Precondition::Failed;
        }
    } else if let (Some(date), Some(current)) = (date("If-Unmodified-Since"), current) {
        let is_modified = match current.last_modified {
            Some(modified) => date < modified,
            None => date <= current.changed,
        };
        if is_modified {
            return Precondition::Failed;
        }
    }
    // Steps 3 and 4.
    if !all("If-None-Match").is_empty() {
        if names("If-None-Match", true) {
            return if is_read { Precondition::NotModified } else { Precondition::Failed };
        }
        // What is no list may be meant as `*`.
        let is_list = all("If-None-Match").iter().all(|list| tags(list).1);
        if !is_read && current.is_some() && !is_list {
            return Precondition::Failed;
        }
    } else if is_read
        && current.is_some_and(|current| current.last_modified.is_some())
        && date("If-Modified-Since") == current.and_then(|current| current.last_modified)
    {
        return Precondition::NotModified;
    }
    // Step 5.
    let range = command == "GET"
        && match all("If-Range")[..] {
            [] => true,
            [validator] => {
                let is_tag = own.is_some_and(|own| own.as_str() == validator);
                let is_date = date("If-Range").is_some_and(|date| {
                    current.is_some_and(|current| current.last_modified == Some(date))
                });
                is_tag || is_date
            }
            _ => false,
        };
    Precondition::Holds { range }
}

/// The entity tags of a list up to where it is malformed, and whether each is weak; and whether the
/// list is whole.
fn tags(list: &str) -> (Vec<(bool, String)>, bool) {
    let letters: Vec<char> = list.chars().collect();
    let (mut tags, mut at) = (Vec::new(), 0);
    let letter = |at: usize| letters.get(at).copied().unwrap_or('\0');
    loop {
        while matches!(letter(at), ' ' | '\t' | ',') {
            at += 1;
        }
        let is_weak = letter(at) == 'W' && letter(at + 1) == '/';
        at += if is_weak { 2 } else { 0 };
        if letter(at) != '"' {
            let is_end = at == letters.len() && !is_weak;
            return (tags, is_end);
        }
        let start = at;
        at += 1;
        while at < letters.len() && letter(at) != '"' {
            at += 1;
        }
        if at == letters.len() {
            return (tags, false);
        }
        at += 1;
        tags.push((is_weak, letters[start..at].iter().collect()));
        while matches!(letter(at), ' ' | '\t') {
            at += 1;
        }
        if letter(at) != ',' {
            let is_end = at == letters.len();
            return (tags, is_end);
        }
    }
}

fn time(second: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second as u64)
}

/// Thu, 02 Jan 2020 03:04:05 GMT.
const MODIFIED: i64 = 1_577_934_245;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::http::fuzzing::tests::many_cases;

    /// Lines that are nearly fields.
    fn line() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "\"0000000000000abc\"",
            "W/",
            "*",
            ",",
            " ",
            "\"",
            "d",
            "e",
            "l",
            "bytes=",
            "-",
            "0",
            "1",
            "7",
            "99",
            "\t",
            "x",
            "99999999999999999999999",
            "0-1",
            "5-9",
            "\"x\"",
            ", ",
        ]);
        let name = prop::sample::select(vec!["m", "n", "s", "u", "r", "x", "xbytes="]);
        (name, prop::collection::vec(piece, 0..8))
            .prop_map(|(name, pieces)| name.to_owned() + &pieces.concat())
    }

    proptest! {
        #![proptest_config(many_cases())]
        #[test]
        fn conditions_are_what_a_plain_reading_says(
            kind: u8,
            size: u8,
            lines in prop::collection::vec(line(), 0..5),
        ) {
            super::check(&[&[kind, size], lines.join("\n").as_bytes()].concat());
        }
    }
}
