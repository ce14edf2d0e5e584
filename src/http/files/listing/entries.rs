//! The names of a directory with what is known of them, in little memory and in order.

use std::cmp::Ordering;
use std::io;

use super::order::{Column, Order};
use crate::http::files::tree::{Content, Found, Kind, OpenDirectory};
use crate::os::name_of;
use crate::work;

/// The names of a directory: 32 bytes for each beside the name itself.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// All names, each with a NUL behind it, which no name contains.
    names: Vec<u8>,
    entries: Vec<Packed>,
}

#[derive(Clone, Copy, Debug)]
struct Packed {
    /// Where the name begins.
    start: usize,
    size: u64,
    seconds: i64,
    nanoseconds: u32,
    tag: Tag,
    is_link: bool,
}

/// [`Content`] without a size: a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Directory,
    File,
    Other,
    Nothing,
}

/// A name and what there is behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) is_link: bool,
    pub(super) content: Option<Content>,
    /// Seconds since 1970.
    pub(super) modified: Option<i64>,
}

impl Entry<'_> {
    pub(super) fn is_directory(&self) -> bool {
        self.content == Some(Content::Directory)
    }
}

impl Entries {
    /// Reads a directory, and looks once at each name.
    pub(super) fn read(directory: &mut OpenDirectory<'_>) -> io::Result<Self> {
        let mut entries = Self::default();
        let mut kinds: Vec<Option<Kind>> = Vec::new();
        directory.read_names(|name, kind| {
            entries.push(name);
            kinds.push(kind);
        })?;
        let Self { names, entries: packed } = &mut entries;
        let mut kinds = kinds.into_iter();
        packed.retain_mut(|entry| {
            let kind = kinds.next().flatten();
            let found = directory.look(name_of(name_at(names, entry.start)), kind);
            entry.set(found);
            !found.is_gone
        });
        Ok(entries)
    }

    fn push(&mut self, name: &[u8]) {
        let start = self.names.len();
        self.names.extend_from_slice(name);
        self.names.push(0);
        let (tag, is_link) = (Tag::Nothing, false);
        self.entries.push(Packed { start, size: 0, seconds: 0, nanoseconds: 0, tag, is_link });
    }

    /// Directories first, whatever the order, as they have no size that says anything. Equals are
    /// in the order of their names.
    pub(super) fn sort(&mut self, order: Order) {
        if order.column == Column::Name && self.names.is_ascii() {
            return self.sort_by_name(order.is_descending);
        }
        let names = &self.names;
        let by_name = |a: &Packed, b: &Packed| {
            compare_names(name_at(names, a.start), name_at(names, b.start))
        };
        self.entries.sort_unstable_by(|a, b| {
            let is_directory = |entry: &Packed| entry.tag == Tag::Directory;
            let by_column = match order.column {
                Column::Name => by_name(a, b),
                Column::Size if is_directory(a) => Ordering::Equal,
                Column::Size => a.size.cmp(&b.size),
                Column::Modified => a.time().cmp(&b.time()),
            };
            let by_column = if order.is_descending { by_column.reverse() } else { by_column };
            is_directory(b).cmp(&is_directory(a)).then(by_column).then_with(|| by_name(a, b))
        });
    }

    /// The same for names of ASCII, in a fraction of the time: names lie scattered, and are looked
    /// at once for each eight letters that they have in common with others.
    fn sort_by_name(&mut self, is_descending: bool) {
        let mut keys: Vec<Key> = Vec::with_capacity(self.entries.len());
        let of_kind = |is_directory: bool| {
            let kinds = self.entries.iter().map(|entry| entry.tag == Tag::Directory).enumerate();
            kinds.filter_map(move |(index, kind)| (kind == is_directory).then_some((0, index)))
        };
        keys.extend(of_kind(true));
        let count = keys.len();
        keys.extend(of_kind(false));
        let (directories, others) = keys.split_at_mut(count);
        for part in [directories, others] {
            self.sort_keys(part, 0);
            if is_descending {
                part.reverse();
            }
        }
        // Each entry gets to its place in the memory that there is.
        for start in 0..keys.len() {
            let mut place = start;
            while keys[place].1 != start {
                let from = std::mem::replace(&mut keys[place].1, place);
                self.entries.swap(place, from);
                place = from;
            }
            keys[place].1 = place;
        }
    }

    /// Orders entries whose names are alike up to this letter.
    fn sort_keys(&self, keys: &mut [Key], depth: usize) {
        work::note(keys.len() * 8);
        let name = |index: usize| &self.names[self.entries[index].start..];
        for (letters, index) in keys.iter_mut() {
            *letters = eight_letters(&name(*index)[depth..]);
        }
        keys.sort_unstable_by_key(|(letters, _)| *letters);
        for alike in keys.chunk_by_mut(|(a, _), (b, _)| a == b).filter(|it| it.len() > 1) {
            if alike[0].0 & 0xff != 0 {
                self.sort_keys(alike, depth + 8);
            } else {
                // They differ in the case of letters alone.
                let name = |index: usize| name_at(&self.names, self.entries[index].start);
                alike.sort_unstable_by(|(_, a), (_, b)| name(*a).cmp(name(*b)));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries.iter().map(|entry| Entry {
            name: name_at(&self.names, entry.start),
            is_link: entry.is_link,
            content: match entry.tag {
                Tag::Directory => Some(Content::Directory),
                Tag::File => Some(Content::File(entry.size)),
                Tag::Other => Some(Content::Other),
                Tag::Nothing => None,
            },
            modified: (entry.tag != Tag::Nothing).then_some(entry.seconds),
        })
    }
}

impl Packed {
    fn set(&mut self, found: Found) {
        (self.tag, self.size) = match found.content {
            Some(Content::Directory) => (Tag::Directory, 0),
            Some(Content::File(size)) => (Tag::File, size),
            Some(Content::Other) => (Tag::Other, 0),
            None => (Tag::Nothing, 0),
        };
        (self.seconds, self.nanoseconds) = found.modified;
        self.is_link = found.is_link;
    }

    /// What has no time is older than all.
    fn time(&self) -> Option<(i64, u32)> {
        (self.tag != Tag::Nothing).then_some((self.seconds, self.nanoseconds))
    }
}

/// Eight letters of a name, and which entry has it.
type Key = (u64, usize);

/// The next letters in lower case, as a number; behind the name's end they are 0.
fn eight_letters(rest: &[u8]) -> u64 {
    let mut letters = [0; 8];
    for (letter, byte) in letters.iter_mut().zip(rest.iter().take_while(|&&byte| byte != 0)) {
        *letter = byte.to_ascii_lowercase();
    }
    u64::from_be_bytes(letters)
}

fn name_at(names: &[u8], start: usize) -> &[u8] {
    let rest = &names[start..];
    &rest[..memchr::memchr(0, rest).unwrap_or(rest.len())]
}

/// Upper and lower case alike, as in the plain listing; then by bytes, so that no two are equal.
fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    let same = a
        .iter()
        .zip(b)
        .take_while(|(a, b)| a.is_ascii() && b.is_ascii() && a.eq_ignore_ascii_case(b));
    let same = same.count();
    work::note(same + 1);
    let (rest_a, rest_b) = (&a[same..], &b[same..]);
    let folded = match (rest_a.first(), rest_b.first()) {
        (Some(first_a), Some(first_b)) if first_a.is_ascii() && first_b.is_ascii() => {
            first_a.to_ascii_lowercase().cmp(&first_b.to_ascii_lowercase())
        }
        (Some(_), Some(_)) => {
            work::note(rest_a.len().min(rest_b.len()));
            lower_case(rest_a).cmp(lower_case(rest_b))
        }
        _ => rest_a.len().cmp(&rest_b.len()),
    };
    folded.then_with(|| a.cmp(b))
}

/// Bytes that are no UTF-8 are U+FFFD.
fn lower_case(name: &[u8]) -> impl Iterator<Item = char> {
    name.utf8_chunks().flat_map(|chunk| {
        let replacement = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().flat_map(char::to_lowercase).chain(replacement)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Entries of these names and what there is behind each.
    pub(in super::super) fn entries<'a>(
        found: impl IntoIterator<Item = (&'a [u8], Found)>,
    ) -> Entries {
        let mut entries = Entries::default();
        for (index, (name, found)) in found.into_iter().enumerate() {
            entries.push(name);
            entries.entries[index].set(found);
        }
        entries
    }

    pub(in super::super) fn file(size: u64, seconds: i64) -> Found {
        Found { content: Some(Content::File(size)), modified: (seconds, 0), ..Found::default() }
    }

    fn sorted(entries: &mut Entries, query: &str) -> String {
        entries.sort(Order::of(Some(query)));
        let names = entries.iter().map(|entry| String::from_utf8_lossy(entry.name));
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_are_in_the_order_that_is_asked_for() {
        let directory = |seconds| Found { content: Some(Content::Directory), ..file(0, seconds) };
        let mut entries = entries([
            (&b"b"[..], file(3, 30)),
            (b"C", file(1, 30)),
            (b"a", file(3, 10)),
            (b"z", directory(50)),
            (b"Y", directory(60)),
            (b"gone", Found { is_link: true, ..Found::default() }),
        ]);
        for (query, expected) in [
            ("", "Y z a b C gone"),
            ("O=D", "z Y gone C b a"),
            ("C=S", "Y z gone C a b"),
            ("C=S;O=D", "Y z a b C gone"),
            ("C=M", "z Y gone a b C"),
            ("C=M;O=D", "Y z b C a gone"),
        ] {
            assert_eq!(sorted(&mut entries, query), expected, "{query}");
        }
        let of_gone = entries.iter().find(|entry| entry.name == b"gone").expect("an entry");
        assert_eq!((of_gone.content, of_gone.modified, of_gone.is_link), (None, None, true));
    }

    #[test]
    fn many_names_are_in_the_order_in_which_two_are() {
        let stems =
            ["", "a", "A", "abcdefg", "abcdefgh", "ABCDEFGH", "abcdefgH-abcdefgh", "_", "~"];
        let ends = ["", "0", "b", "B", "z", "Zz", "abcdefghi", "-", "\u{e9}"];
        for more in ["x", "\u{212a}"] {
            let mut names: Vec<String> = Vec::new();
            for (stem, end) in stems.iter().flat_map(|stem| ends.map(|end| (stem, end))) {
                names.extend(["", "k", "K", more].map(|last| format!("{stem}{end}{last}")));
            }
            // Of ASCII alone, and not.
            names.retain(|name| !name.is_empty() && (more != "x" || name.is_ascii()));
            names
                .sort_by_key(|name| name.bytes().map(|byte| u32::from(byte) * 7 % 31).sum::<u32>());
            names.dedup();
            let is_directory = |name: &str| name.len().is_multiple_of(3);
            let found = names.iter().map(|name| {
                let content = Content::Directory;
                let directory = Found { content: Some(content), ..file(0, 1) };
                (name.as_bytes(), if is_directory(name) { directory } else { file(1, 1) })
            });
            let mut entries = entries(found);
            for (query, is_descending) in [("", false), ("O=D", true)] {
                let mut expected: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
                expected.sort_by(|a, b| {
                    let by_name = compare_names(a, b);
                    let is_late = |name: &[u8]| !name.len().is_multiple_of(3);
                    let by_name = if is_descending { by_name.reverse() } else { by_name };
                    is_late(a).cmp(&is_late(b)).then(by_name)
                });
                entries.sort(Order::of(Some(query)));
                let sorted: Vec<&[u8]> = entries.iter().map(|entry| entry.name).collect();
                assert_eq!(sorted, expected, "{query}");
            }
        }
    }

    #[test]
    fn names_are_compared_as_in_the_plain_listing() {
        let names = [
            &b"a"[..],
            b"A",
            b"aa",
            b"b",
            b"B",
            b"",
            b"1",
            b"_",
            b"a\xc3\xa9",
            b"A\xc3\x89b",
            b"a\xff",
            b"\xff\xfe",
            "É".as_bytes(),
            "é".as_bytes(),
            "İ".as_bytes(),
            "\u{212a}a".as_bytes(),
            b"kb",
            b"ka",
            b"a\xe2\x98",
            "ß".as_bytes(),
            "\u{1f600}".as_bytes(),
        ];
        for a in names {
            for b in names {
                let key = |name| String::from_utf8_lossy(name).to_lowercase();
                let expected = key(a).cmp(&key(b)).then_with(|| a.cmp(b));
                assert_eq!(compare_names(a, b), expected, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn sorting_costs_little_more_than_in_proportion_to_the_names() {
        for prefix in ["a", "É", "\u{212a}"] {
            let prefix = prefix.repeat(10);
            for query in ["", "C=N;O=D", "C=S", "C=M;O=D"] {
                assert!(work::assert_linear(&format!("{prefix} {query}"), 2_000, |length| {
                    let names = (0..length).map(|number| format!("{prefix}{}", number * 7 % 9973));
                    let names: Vec<String> = names.collect();
                    let found = names.iter().map(|name| (name.as_bytes(), file(1, 1)));
                    entries(found).sort(Order::of(Some(query)));
                }));
            }
        }
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Packed>() <= 32);
    }
}
