//! Where a head ends: of a request, of a part of a form, of a script's output.

use memchr::memchr_iter;

use crate::work;

/// Looks for the empty line that ends a head whose first line begins at `start`, and which may be
/// that line itself; returns where the empty line begins, and the position behind it.
///
/// Lines end with LF or CR LF. The first `searched` bytes were looked at before.
pub(crate) fn head_end(bytes: &[u8], start: usize, searched: usize) -> Option<(usize, usize)> {
    // What follows the last line end, and a CR behind that, was not known before.
    let from = searched.saturating_sub(2).max(start);
    let behind_ends = memchr_iter(b'\n', &bytes[from..]).map(|end| from + end + 1);
    let mut lines = (from == start).then_some(start).into_iter().chain(behind_ends);
    let end = lines.find_map(|line| match &bytes[line..] {
        [b'\n', ..] => Some((line, line + 1)),
        [b'\r', b'\n', ..] => Some((line, line + 2)),
        _ => None,
    });
    work::note(end.map_or(bytes.len(), |(_, behind)| behind) - from);
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line_of_either_kind() {
        for (bytes, end) in [
            ("A: b\n\nbody\n\n", Some((5, 6))),
            ("A: b\r\n\r\nbody", Some((6, 8))),
            ("A: b\n\r\nbody", Some((5, 7))),
            ("A: b\r\n\nbody", Some((6, 7))),
            ("\nbody", Some((0, 1))),
            ("\r\nbody", Some((0, 2))),
            ("A: b\r\nC: d\n", None),
            ("A: b\r\n\r", None),
            ("\r", None),
            ("", None),
        ] {
            for before in ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\n"] {
                let start = before.len();
                let whole = [before, bytes].concat();
                let end = end.map(|(line, behind)| (start + line, start + behind));
                for searched in 0..end.map_or(whole.len(), |(_, behind)| behind) {
                    let found = head_end(whole.as_bytes(), start, searched);
                    assert_eq!(found, end, "{whole:?} from {searched}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn an_end_is_found_where_an_empty_line_is(bytes in "[a\r\n]{0,12}") {
            let lines: Vec<&str> = bytes.split_inclusive('\n').collect();
            let is_empty = |line: &&str| ["\n", "\r\n"].contains(line);
            let end = lines.iter().position(is_empty).map(|number| {
                let line: usize = lines[..number].iter().map(|line| line.len()).sum();
                (line, line + lines[number].len())
            });
            proptest::prop_assert_eq!(head_end(bytes.as_bytes(), 0, 0), end);
        }
    }
}
