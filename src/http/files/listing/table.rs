//! A listing for people: a page with a table, which needs no script and nothing beside itself.

use std::fmt::Write as _;

use super::Piece;
use super::entries::Entry;
use super::form;
use super::order::{Column, Order};
use crate::http::files::directory::Directory;
use crate::http::files::tree::Content;
use crate::http::message::date;
use crate::http::message::text::escape_html;
use crate::http::url::{quote, unquote_to_bytes};
use crate::printable::shown;

pub(super) const TYPE: &str = "text/html; charset=utf-8";

/// Nothing in the page is executed but the script of [`form`], where that is in it; and it fetches
/// nothing but the site's icon. A form in it is sent to its own origin alone. The hash is that of
/// [`STYLE`].
pub(super) const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'self'; \
    img-src 'self'; style-src 'sha256-NFwMy7/zcRwXnkm08F+NZWbJKH6S2s3LqeCeX6ALTys='";

/// The page's style: the colours are those of the reader's system. On a phone the kind of an entry
/// is told to screen readers alone.
const STYLE: &str = "\
:root{color-scheme:light dark;font:100%/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.25rem;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse}
caption{text-align:left;padding:.5rem 0}
th,td{text-align:left;font-weight:normal;vertical-align:top}
th,td{padding:.3rem 1rem .3rem 0;border-bottom:1px solid #8885}
th:last-child,td:last-child{padding-right:0}
thead th{white-space:nowrap;border-bottom-width:2px}
th:first-child{width:100%}
[aria-sort]{font-weight:bold}
tbody tr:hover{background:#8882}
tbody a{display:block;white-space:pre-wrap;overflow-wrap:anywhere}
td{white-space:nowrap;font-variant-numeric:tabular-nums}
th:nth-child(2),td:nth-child(2){text-align:right}
@media(max-width:40rem){
body{padding:.5rem}
th,td{padding-right:.6rem}
th:nth-child(3),td:nth-child(3){white-space:normal;min-width:6em;padding-right:0}
th:nth-child(4),td:nth-child(4){position:absolute;width:1px;height:1px;padding:0;border:0}
th:nth-child(4),td:nth-child(4){overflow:hidden;clip-path:inset(50%)}
}
";

/// Appends the next piece of the page about the directory at this path of a target.
pub(super) fn push(page: &mut String, piece: Piece<'_>, directory: &Directory<'_>, path: &str) {
    match piece {
        Piece::Start { count, order } => push_start(page, directory, path, count, order),
        Piece::Entry { entry, .. } => push_row(page, &entry),
        Piece::End => page.push_str("</tbody>\n</table>\n</body>\n</html>\n"),
    }
}

fn push_start(
    page: &mut String,
    directory: &Directory<'_>,
    path: &str,
    count: usize,
    order: Order,
) {
    let mut title = String::new();
    push_name(&mut title, &unquote_to_bytes(path));
    page.extend([
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>",
        STYLE,
        "</style>\n<title>Directory listing for ",
        &title,
        "</title>\n</head>\n<body>\n<h1>Directory listing for <bdi>",
        &title,
        "</bdi></h1>\n",
    ]);
    if !directory.is_root() {
        page.push_str("<nav><a href=\"../\">\u{2191} Parent directory</a></nav>\n");
    }
    if form::is_in(directory) {
        form::push(page);
    }
    let entries = if count == 1 { "entry" } else { "entries" };
    // Writing to a string does not fail.
    let _ = writeln!(page, "<table>\n<caption>{count} {entries}</caption>\n<thead>\n<tr>");
    for (column, text) in
        [(Column::Name, "Name"), (Column::Size, "Size"), (Column::Modified, "Modified (UTC)")]
    {
        let (sorted, arrow) = match (column == order.column, order.is_descending) {
            (false, _) => ("", ""),
            (true, false) => {
                (" aria-sort=\"ascending\"", " <span aria-hidden=\"true\">\u{25b2}</span>")
            }
            (true, true) => {
                (" aria-sort=\"descending\"", " <span aria-hidden=\"true\">\u{25bc}</span>")
            }
        };
        let query = order.by(column).query();
        let _ =
            writeln!(page, "<th scope=\"col\"{sorted}><a href=\"{query}\">{text}</a>{arrow}</th>");
    }
    page.push_str("<th scope=\"col\">Kind</th>\n</tr>\n</thead>\n<tbody>\n");
}

fn push_row(page: &mut String, entry: &Entry<'_>) {
    let slash = if entry.is_directory() { "/" } else { "" };
    page.extend(["<tr><th scope=\"row\"><a href=\"./", &quote(entry.name), slash, "\"><bdi>"]);
    push_name(page, entry.name);
    page.extend([slash, "</bdi></a></th><td>"]);
    if let Some(Content::File(size)) = entry.content {
        push_size(page, size);
    }
    page.push_str("</td><td>");
    if let Some(time) = entry.modified.and_then(date::rfc3339)
        && let Some((day, rest)) = time.split_once('T')
    {
        let minute = rest.get(..5).unwrap_or(rest);
        page.extend(["<time datetime=\"", &time, "\">", day, " ", minute, "</time>"]);
    }
    page.extend(["</td><td>", kind(entry), "</td></tr>\n"]);
}

fn kind(entry: &Entry<'_>) -> &'static str {
    match (entry.content, entry.is_link) {
        (Some(Content::Directory), false) => "folder",
        (Some(Content::Directory), true) => "link to folder",
        (Some(Content::File(_)), false) => "file",
        (Some(Content::File(_)), true) => "link to file",
        (Some(Content::Other), false) => "special file",
        (Some(Content::Other), true) => "link to special file",
        (None, true) => "broken link",
        (None, false) => "unknown",
    }
}

/// Appends a name as text of the page. What cannot be shown, or steers what shows it, is escaped as
/// by Python's `repr`, and bytes that are no UTF-8 as `\xff`; the link has the name itself.
fn push_name(page: &mut String, name: &[u8]) {
    for chunk in name.utf8_chunks() {
        page.push_str(&escape_html(&shown(chunk.valid())));
        for byte in chunk.invalid() {
            let _ = write!(page, "\\x{byte:02x}");
        }
    }
}

/// Appends a size in units of 1,024, with the exact number beside it.
fn push_size(page: &mut String, size: u64) {
    let _ = write!(page, "<data value=\"{size}\" title=\"{} bytes\">", Grouped(size));
    let (mut tenths, mut unit) = (u128::from(size) * 10, 0);
    while tenths >= 10_235 && unit + 1 < UNITS.len() {
        // Half a tenth is rounded up.
        (tenths, unit) = ((tenths + 512) / 1024, unit + 1);
    }
    let _ = match (unit, tenths) {
        (0, _) => write!(page, "{size} B</data>"),
        (_, ..100) => write!(page, "{}.{} {}</data>", tenths / 10, tenths % 10, UNITS[unit]),
        _ => write!(page, "{} {}</data>", (tenths + 5) / 10, UNITS[unit]),
    };
}

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number with a comma before each three digits.
struct Grouped(u64);

impl std::fmt::Display for Grouped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sha2::{Digest, Sha256};

    use super::super::entries::tests::{entries, file};
    use super::*;
    use crate::http::files::directory::Listing;
    use crate::http::files::tree::Tree;

    #[test]
    fn the_policy_has_the_hash_of_the_style() {
        let hash = data_encoding::BASE64.encode(&Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}'")), "sha256-{hash}");
    }

    #[test]
    fn a_table_costs_what_its_names_are_long() {
        let tree = Tree { directory: "/d".into(), ..Tree::default() };
        let directory = Directory::new(&tree, Path::new("/d/sub/"), Listing::Table);
        for unit in ["a", "%", "<", "\u{e9}", "\u{202e}", "\u{1b}"] {
            assert!(crate::work::assert_linear(unit, 200_000, |length| {
                let name = unit.repeat(200 / unit.len());
                let found = (0..length / 200).map(|_| (name.as_bytes(), file(1, 1)));
                let (mut page, order) = (String::new(), Order::default());
                let path = format!("/{}/", unit.repeat(length / 10));
                push(&mut page, Piece::Start { count: 1, order }, &directory, &path);
                for entry in entries(found).iter() {
                    push(&mut page, Piece::Entry { entry, is_first: false }, &directory, &path);
                }
            }));
        }
    }

    #[test]
    fn sizes_are_short_and_exact() {
        for (size, short, exact) in [
            (0, "0 B", "0"),
            (1, "1 B", "1"),
            (999, "999 B", "999"),
            (1_023, "1023 B", "1,023"),
            (1_024, "1.0 KiB", "1,024"),
            (1_536, "1.5 KiB", "1,536"),
            (10_239, "10 KiB", "10,239"),
            (10_240, "10 KiB", "10,240"),
            (123_456, "121 KiB", "123,456"),
            (1_048_575, "1.0 MiB", "1,048,575"),
            (5 << 30, "5.0 GiB", "5,368,709,120"),
            (u64::MAX, "16 EiB", "18,446,744,073,709,551,615"),
        ] {
            let mut page = String::new();
            push_size(&mut page, size);
            let title = format!("title=\"{exact} bytes\"");
            assert_eq!(page, format!("<data value=\"{size}\" {title}>{short}</data>"));
        }
    }

    #[test]
    fn names_steer_nothing_and_end_nothing() {
        for (name, expected) in [
            (&b"plain \xc3\xa9"[..], "plain é"),
            (b"<b>&amp;\"'", "&lt;b&gt;&amp;amp;\"'"),
            (b"a\nb\tc\x1b\x7f\0", r"a\nb\tc\x1b\x7f\x00"),
            ("\u{202e}gpj.exe\u{2066}\u{61c}".as_bytes(), r"\u202egpj.exe\u2066\u061c"),
            (b"\xff<\xe2\x98", r"\xff&lt;\xe2\x98"),
        ] {
            let mut page = String::new();
            push_name(&mut page, name);
            assert_eq!(page, expected);
        }
    }
}
