//! Python's page of a directory.

use std::io::{self, Write};

use crate::http::exchange::Exchange;
use crate::http::files::tree::DirectoryEntry;
use crate::http::message::text::escape_html;
use crate::http::url::{quote, unquote};
use crate::os::name_bytes;

/// Answers with names, as CPython 3.14 does, in letters that can be read on a phone.
pub(super) fn send(http: &mut Exchange<'_>, entries: Vec<DirectoryEntry>) -> io::Result<()> {
    let page = page(&unquote(http.target().path()), &entries);
    // The client may take its time.
    drop(entries);
    http.send_response(200)?;
    http.send_header("Content-type", "text/html; charset=utf-8")?;
    http.send_header("Content-Length", page.len())?;
    http.end_headers()?;
    http.wfile.write_all(&page)
}

impl DirectoryEntry {
    fn push_item(&self, page: &mut Vec<u8>) {
        page.extend_from_slice(b"<li><a href=\"");
        let name = name_bytes(&self.name);
        page.extend_from_slice(quote(name).as_bytes());
        page.extend_from_slice(if self.is_directory { b"/\">" } else { b"\">" });
        // A name that is no UTF-8 is shown as far as it is.
        for chunk in name.utf8_chunks() {
            page.extend_from_slice(escape_html(chunk.valid()).as_bytes());
            page.extend_from_slice(chunk.invalid());
        }
        let mark: &[u8] = match (self.is_link, self.is_directory) {
            (true, _) => b"@",
            (false, true) => b"/",
            (false, false) => b"",
        };
        page.extend_from_slice(mark);
        page.extend_from_slice(b"</a></li>\n");
    }
}

fn page(directory: &str, entries: &[DirectoryEntry]) -> Vec<u8> {
    let title = format!("Directory listing for {}", escape_html(directory));
    let mut page = format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <style type=\"text/css\">\n:root {{\ncolor-scheme: light dark;\n}}\n</style>\n\
         <title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n<hr>\n<ul>\n"
    )
    .into_bytes();
    for entry in entries {
        entry.push_item(&mut page);
    }
    page.extend_from_slice(b"</ul>\n<hr>\n</body>\n</html>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_costs_what_its_names_are_long() {
        for unit in ["a", "%", "<", "\u{e9}", "/"] {
            assert!(crate::work::assert_linear(unit, 200_000, |length| {
                let name = unit.repeat(200 / unit.len());
                let entries = (0..length / 200).map(|_| DirectoryEntry {
                    name: name.clone().into(),
                    is_link: false,
                    is_directory: true,
                });
                page(&unit.repeat(length / 10), &entries.collect::<Vec<_>>());
            }));
        }
    }
}
