//! What a directory without an index page is answered with.

mod entries;
mod form;
mod json;
mod order;
mod plain;
mod table;

use std::io::{self, Write};

use super::directory::{Directory, Listing};
use super::tree::OpenDirectory;
use crate::http::exchange::{Exchange, ResponseBody};
use crate::http::message::accept::prefers;
use crate::os::is_exhausted;
use entries::Entries;
use order::Order;

/// Answers as the handler of the directory has been told to.
pub(super) fn list_directory(http: &mut Exchange<'_>, directory: &Directory<'_>) -> io::Result<()> {
    match directory.listing() {
        Listing::Plain => match directory.entries() {
            Ok(entries) => plain::send(http, entries),
            Err(error) => refuse(http, &error),
        },
        Listing::Table => match directory.open() {
            Ok(opened) => send_table(http, directory, opened),
            Err(error) => refuse(http, &error),
        },
        Listing::Off => http.send_error_with(403, NO_PERMISSION),
    }
}

/// Answers for a directory that cannot be read.
fn refuse(http: &mut Exchange<'_>, error: &io::Error) -> io::Result<()> {
    if is_exhausted(error) {
        return http.send_error(503);
    }
    http.send_error_with(404, NO_PERMISSION)
}

/// Python's words.
const NO_PERMISSION: &str = "No permission to list directory";

/// Sends a table of the names, or JSON to a client that prefers it.
fn send_table(
    http: &mut Exchange<'_>,
    directory: &Directory<'_>,
    mut opened: OpenDirectory<'_>,
) -> io::Result<()> {
    let order = Order::of(http.target().query());
    let is_json = prefers(&http.headers, "application/json", "text/html");
    let entries = if http.command == "HEAD" {
        // The head is the same whatever is in it.
        Entries::default()
    } else {
        match Entries::read(&mut opened) {
            Ok(entries) => entries,
            Err(error) => return refuse(http, &error),
        }
    };
    // Clients may be slow, and descriptors few.
    drop(opened);
    http.send_response(200)?;
    http.send_header("Content-type", if is_json { json::TYPE } else { table::TYPE })?;
    http.send_header("Vary", "Accept")?;
    if !is_json {
        let more = if form::is_in(directory) { form::POLICY } else { "" };
        http.send_header("Content-Security-Policy", format_args!("{}{more}", table::POLICY))?;
    }
    http.end_headers()?;
    let page = Page { entries, order };
    if is_json {
        return page.send(&mut http.wfile, json::push);
    }
    let path = http.target().path().to_owned();
    page.send(&mut http.wfile, |text, piece| table::push(text, piece, directory, &path))
}

/// A listing that is sent while it is made.
struct Page {
    entries: Entries,
    order: Order,
}

/// What comes next on a page.
enum Piece<'a> {
    /// Before the first name.
    Start {
        count: usize,
        order: Order,
    },
    Entry {
        entry: entries::Entry<'a>,
        is_first: bool,
    },
    /// Behind the last name.
    End,
}

impl Page {
    fn send(
        mut self,
        wfile: &mut ResponseBody,
        push: impl Fn(&mut String, Piece<'_>),
    ) -> io::Result<()> {
        self.entries.sort(self.order);
        let mut text = String::with_capacity(2 * PORTION);
        push(&mut text, Piece::Start { count: self.entries.len(), order: self.order });
        for (index, entry) in self.entries.iter().enumerate() {
            push(&mut text, Piece::Entry { entry, is_first: index == 0 });
            if text.len() >= PORTION {
                crate::work::note(text.len());
                wfile.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        push(&mut text, Piece::End);
        wfile.write_all(text.as_bytes())
    }
}

/// Bytes that are sent at once.
const PORTION: usize = 16 << 10;
