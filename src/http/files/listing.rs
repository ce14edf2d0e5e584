//! The page that lists a directory.

use std::fs::{self, DirEntry};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::super::exchange::Exchange;
use super::super::text::escape_html;
use super::path::readable;

/// Answers with the names in a directory, as CPython 3.14 does.
pub(crate) fn list_directory(http: &mut Exchange<'_>, path: &Path) -> io::Result<()> {
    let Ok(entries) = read_entries(path) else {
        return http.send_error_with(404, "No permission to list directory");
    };
    let page = page(&readable(&http.path), &entries);
    http.send_response(200)?;
    http.send_header("Content-type", "text/html; charset=utf-8")?;
    http.send_header("Content-Length", page.len())?;
    http.end_headers()?;
    http.wfile.write_all(&page)
}

/// A name and what it is.
struct Entry {
    name: Vec<u8>,
    is_directory: bool,
    is_link: bool,
}

/// The entries in the order of their names, upper and lower case alike.
fn read_entries(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| Entry::of(&entry)))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_cached_key(|entry| String::from_utf8_lossy(&entry.name).to_lowercase());
    Ok(entries)
}

impl Entry {
    fn of(entry: &DirEntry) -> Self {
        let kind = entry.file_type();
        let is_link = kind.as_ref().is_ok_and(fs::FileType::is_symlink);
        let is_directory = if is_link {
            fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir())
        } else {
            kind.is_ok_and(|kind| kind.is_dir())
        };
        Self { name: entry.file_name().as_bytes().to_vec(), is_directory, is_link }
    }

    fn push_item(&self, page: &mut Vec<u8>) {
        page.extend_from_slice(b"<li><a href=\"");
        page.extend(percent_encode(&self.name, ESCAPED).flat_map(str::bytes));
        page.extend_from_slice(if self.is_directory { b"/\">" } else { b"\">" });
        // A name that is no UTF-8 is shown as far as it is.
        for chunk in self.name.utf8_chunks() {
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

fn page(directory: &str, entries: &[Entry]) -> Vec<u8> {
    let title = format!("Directory listing for {}", escape_html(directory));
    let mut page = format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
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

/// Everything that Python's `quote` escapes.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b'/');
