//! Which parts of a content a client asks for (RFC 9110 §14).

use std::ops::Range;

use crate::work;

/// What of a content a `Range` selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: the field is malformed, of another unit than bytes, or asks for more than it may.
    Whole,
    /// One part, which is not empty and lies within the content.
    Part(Range<u64>),
    /// Several of them, in the order asked for. They do not overlap.
    Parts(Vec<Range<u64>>),
    /// Parts that all lie beyond the end.
    Unsatisfiable,
}

/// Reads a `Range` field for a content of so many bytes.
///
/// No part of an empty content can be named, so that it is sent as it is. More than [`MAX_PARTS`]
/// parts, or parts that overlap, are answered by the whole (RFC 9110 §14.2): they would let a
/// client ask for a multiple of it.
pub(crate) fn select(field: &str, size: u64) -> Selection {
    work::note(field.len());
    let set = field.split_once('=').filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"));
    let Some((_, set)) = set.filter(|_| size > 0) else { return Selection::Whole };
    let specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t']));
    let mut parts = Vec::new();
    let mut count = 0;
    for spec in specs.filter(|spec| !spec.is_empty()) {
        count += 1;
        let Some(part) = part(spec, size).filter(|_| count <= MAX_PARTS) else {
            return Selection::Whole;
        };
        if !part.is_empty() {
            parts.push(part);
        }
    }
    match parts.len() {
        0 if count == 0 => Selection::Whole,
        0 => Selection::Unsatisfiable,
        1 => Selection::Part(parts.remove(0)),
        _ if overlaps(&parts) => Selection::Whole,
        _ => Selection::Parts(parts),
    }
}

/// The part that `first-last`, `first-` or `-length` names; empty if there is nothing of it, `None`
/// if it is malformed.
fn part(spec: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        return Some(size.saturating_sub(number(last)?)..size);
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    let is_valid = first <= last;
    is_valid.then(|| first.min(size)..last.saturating_add(1).min(size))
}

/// A number; one that is beyond all files counts as the largest.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn overlaps(parts: &[Range<u64>]) -> bool {
    let mut parts: Vec<_> = parts.iter().collect();
    parts.sort_by_key(|part| part.start);
    parts.windows(2).any(|pair| pair[1].start < pair[0].end)
}

/// Parts of one response. Readers of PDF ask for some dozens.
pub(crate) const MAX_PARTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_selects_what_the_rfc_says() {
        use Selection::{Part, Parts, Unsatisfiable, Whole};
        for (field, expected) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-", Part(0..100)),
            ("BYTES=9-98", Part(9..99)),
            ("bytes=90-99999999999999999999999", Part(90..100)),
            ("bytes=-1", Part(99..100)),
            ("bytes=-100", Part(0..100)),
            ("bytes=-99999999999999999999999", Part(0..100)),
            ("bytes=99-", Part(99..100)),
            ("bytes= , 5-6\t,", Part(5..7)),
            ("bytes=5-6,200-", Part(5..7)),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-,-0", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=0-1,2-3", Parts(vec![0..2, 2..4])),
            ("bytes=-1 , 0-1", Parts(vec![99..100, 0..2])),
            ("bytes=0-1,1-3", Whole),
            ("bytes=50-,0-10,-1", Whole),
            ("bytes=", Whole),
            ("bytes=,", Whole),
            ("bytes=-", Whole),
            ("bytes=5-4", Whole),
            ("bytes=0-1,5-4", Whole),
            ("bytes=+1-5", Whole),
            ("bytes=1-+5", Whole),
            ("bytes=0x1-5", Whole),
            ("bytes=1--5", Whole),
            ("bytes=--5", Whole),
            ("bytes=1 -5", Whole),
            ("bytes =1-5", Whole),
            ("bytes 1-5", Whole),
            ("lines=1-5", Whole),
            ("", Whole),
        ] {
            assert_eq!(select(field, 100), expected, "{field}");
            assert_eq!(select(field, 0), Whole, "{field}");
        }
    }

    #[test]
    fn the_number_of_parts_is_bounded() {
        let field = |count: u64| {
            let specs: Vec<_> = (0..count).map(|at| format!("{0}-{0}", 2 * at)).collect();
            format!("bytes={}", specs.join(","))
        };
        let parts = (0..MAX_PARTS as u64).map(|at| 2 * at..2 * at + 1).collect();
        assert_eq!(select(&field(MAX_PARTS as u64), 1000), Selection::Parts(parts));
        assert_eq!(select(&field(MAX_PARTS as u64 + 1), 1000), Selection::Whole);
        assert_eq!(select(&field(8_000), 1000), Selection::Whole);
    }
}
