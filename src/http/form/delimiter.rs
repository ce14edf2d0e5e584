//! The line between parts, and where it begins in bytes that are still arriving.

use memchr::memmem::Finder;

use super::error::FormError;
use crate::work;

/// The line that ends a part: a line end, two hyphens, the boundary, and two more hyphens if it is
/// the last one (RFC 2046 §5.1.1).
#[derive(Clone, Debug)]
pub(super) struct Delimiter {
    /// `\n--boundary`; a CR before it belongs to it, too.
    finder: Finder<'static>,
}

/// What a look for a delimiter found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The part ends at `data_end`, what follows begins at `next`.
    Delimiter { data_end: usize, next: usize, is_last: bool },
    /// So many bytes belong to the part for certain; of the others, nothing is known yet.
    Data(usize),
}

/// What follows the boundary on its line.
enum Tail {
    Next(usize),
    Last(usize),
    /// The line is no delimiter, but content.
    Other,
    Unknown,
}

impl Delimiter {
    /// Accepts what CPython accepts: 1 to 201 printable characters, the last one no blank.
    pub(super) fn new(boundary: &str) -> Result<Self, FormError> {
        let printable = boundary.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !printable || !(1..=201).contains(&boundary.len()) || boundary.ends_with(' ') {
            return Err(FormError::Boundary);
        }
        let needle = ["\n--", boundary].concat();
        Ok(Self { finder: Finder::new(needle.as_bytes()).into_owned() })
    }

    /// Looks for the first delimiter in `bytes`, which begin a line if `line_start` says so, and
    /// end for good if `ended` does.
    pub(super) fn find(&self, bytes: &[u8], line_start: bool, ended: bool) -> Found {
        let needle = self.finder.needle();
        let first = &needle[1..];
        if line_start {
            if let Some(tail) = bytes.strip_prefix(first) {
                if let Some(found) = found(classify(tail, ended), 0, first.len()) {
                    return found;
                }
            } else if first.starts_with(bytes) {
                return Found::Data(0);
            }
        }
        let mut from = 0;
        while let Some(position) = self.finder.find(&bytes[from..]) {
            work::note(position + needle.len());
            let line_end = from + position;
            let data_end = line_end - usize::from(bytes[..line_end].ends_with(b"\r"));
            let after = line_end + needle.len();
            if let Some(found) = found(classify(&bytes[after..], ended), data_end, after) {
                return found;
            }
            from = line_end + 1;
        }
        work::note(bytes.len() - from);
        Found::Data(self.certain(bytes, from))
    }

    /// How many bytes cannot be the beginning of a delimiter whose end is still to come.
    fn certain(&self, bytes: &[u8], from: usize) -> usize {
        let needle = self.finder.needle();
        let from = from.max(bytes.len().saturating_sub(needle.len() - 1));
        let begun = memchr::memchr_iter(b'\n', &bytes[from..])
            .map(|position| from + position)
            .find(|&position| needle.starts_with(&bytes[position..]));
        let line_end = begun.unwrap_or(bytes.len());
        line_end - usize::from(bytes[..line_end].ends_with(b"\r"))
    }
}

/// Nothing where the line is content.
fn found(tail: Tail, data_end: usize, after: usize) -> Option<Found> {
    Some(match tail {
        Tail::Next(length) => Found::Delimiter { data_end, next: after + length, is_last: false },
        Tail::Last(length) => Found::Delimiter { data_end, next: after + length, is_last: true },
        Tail::Unknown => Found::Data(data_end),
        Tail::Other => return None,
    })
}

/// Reads the rest of a line that begins with the boundary. The last one needs no line end.
fn classify(tail: &[u8], ended: bool) -> Tail {
    let (is_last, rest) = match tail {
        [b'-', b'-', rest @ ..] => (true, rest),
        [b'-'] if !ended => return Tail::Unknown,
        rest => (false, rest),
    };
    let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    work::note(padding);
    let line_end = match &rest[padding..] {
        _ if padding > MAX_PADDING => return Tail::Other,
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        [] | [b'\r'] if !ended => return Tail::Unknown,
        left @ ([] | [b'\r']) if is_last => left.len(),
        _ => return Tail::Other,
    };
    let length = tail.len() - rest.len() + padding + line_end;
    if is_last { Tail::Last(length) } else { Tail::Next(length) }
}

/// Blanks that may stand behind a boundary, which RFC 2046 allows gateways to add.
const MAX_PADDING: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_printable_and_of_some_length() {
        for good in ["a", "a b", &"x".repeat(201), "'()+_,-./:=?"] {
            assert!(Delimiter::new(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a ", &"x".repeat(202), "a\tb", "a\n", "\u{e9}"] {
            assert!(matches!(Delimiter::new(bad), Err(FormError::Boundary)), "{bad}");
        }
    }

    #[test]
    fn what_might_become_a_delimiter_is_held_back() {
        let delimiter = Delimiter::new("B").expect("a boundary");
        let data = |bytes: &[u8]| match delimiter.find(bytes, false, false) {
            Found::Data(count) => count,
            other => panic!("{other:?}"),
        };
        assert_eq!(data(b"abc"), 3);
        for held in ["\r", "\n", "\r\n", "\r\n-", "\r\n--", "\n--B", "\r\n--B-", "\r\n--B--\t\r"] {
            assert_eq!(data(format!("abc{held}").as_bytes()), 3, "{held:?}");
        }
        assert_eq!(data(b"a\r\n-x"), 5);
        assert_eq!(data(b"a\r\n--Bx\r\n--"), 7);
        assert_eq!(data(format!("\n--B{}", " ".repeat(257)).as_bytes()), 261);
    }
}
