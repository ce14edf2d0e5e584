//! Files that a form sends into a directory.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::new_file::{Place, Way};
use super::path;
use super::tree::Tree;
use super::uploads::{Receiver, check_origin, check_reached, is_form, refuse, refused, unreached};
use crate::http::exchange::{Exchange, HttpError};
use crate::http::form::{FormError, FormLimits, Multipart, Part, safe_filename};
use crate::http::message::status::Status;
use crate::printable::shown;

/// What has become of the files of a form.
#[derive(Default)]
struct Results {
    taken: u64,
    refused: u64,
    /// Why the first of those was refused.
    why: Option<HttpError>,
    /// A text about each of the first ones: a form may have many.
    told: Vec<String>,
}

impl Receiver {
    /// Answers a form for the directory at this path. `is_shown` tells whether the client finds a
    /// page there.
    pub(super) fn post(
        &self,
        http: &mut Exchange<'_>,
        tree: &Tree,
        path: &Path,
        is_shown: impl FnOnce() -> bool,
    ) -> io::Result<()> {
        let directory = self.admit_post(http, tree, path)?;
        let mut results = Results::default();
        match self.take_parts(http, tree, path, &directory, &mut results) {
            Ok(()) => results.answer(http, is_shown),
            Err(error) => Err(results.end_early(error)),
        }
    }

    fn take_parts(
        &self,
        http: &mut Exchange<'_>,
        tree: &Tree,
        path: &Path,
        directory: &File,
        results: &mut Results,
    ) -> io::Result<()> {
        // Parts are not kept: their number costs no memory.
        let limits = FormLimits::default().max_parts(MOST_PARTS);
        let limits = limits.max_part_bytes(self.limit()).max_bytes(self.limit());
        let mut form = Multipart::read(http, limits)?;
        while let Some(mut part) = form.next_part()? {
            let Some(filename) = part.filename.clone().filter(|name| !name.is_empty()) else {
                // Another field, or one for a file without one.
                continue;
            };
            match self.take_part(tree, path, directory, &filename, &mut part) {
                Ok(()) => results.note(&filename, None),
                Err(error) => match HttpError::inside(&error) {
                    // What is wrong with this file alone; the rest of the form goes on.
                    Some(why) if matches!(why.status.code(), 403 | 409) => {
                        results.note(&filename, Some(why));
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Opens the directory of a form, unless it is known without its body that it takes nothing.
    pub(super) fn admit_post(
        &self,
        http: &Exchange<'_>,
        tree: &Tree,
        path: &Path,
    ) -> io::Result<File> {
        check_origin(http)?;
        if !is_form(http) {
            return Err(FormError::NotMultipart.into());
        }
        if !path::names_directory(http.target().path()) {
            return Err(refuse(409, "A form is for a directory, with a slash behind its name"));
        }
        if tree.sole.is_some() {
            return Err(refuse(403, "Only one file is served here"));
        }
        let directory = tree.open_for_uploads(path);
        let directory = directory.map_err(|error| unreached(tree, path, error))?;
        let directory = directory.ok_or_else(|| refuse(403, "Not a name for a directory"))?;
        let place = Place::new(directory.try_clone().map_err(refused)?, "".as_ref());
        self.check_length(http, &place)?;
        place.check_rights(None).map_err(refused)?;
        Ok(directory)
    }

    fn take_part<R: io::Read>(
        &self,
        tree: &Tree,
        path: &Path,
        directory: &File,
        filename: &str,
        part: &mut Part<'_, R>,
    ) -> io::Result<()> {
        // Bytes that are not UTF-8 have become that character.
        let is_text = !filename.contains(char::REPLACEMENT_CHARACTER);
        let name = safe_filename(filename).filter(|_| is_text);
        let name = name.ok_or_else(|| refuse(403, "Not a name for a file"))?;
        let place = Place::new(directory.try_clone().map_err(refused)?, name.as_ref());
        // Before it comes: it may be long.
        self.admit(tree, &place, place.look().map_err(refused)?.as_ref())?;
        let mut file = place.begin(Way::Nameless).map_err(refused)?;
        part.copy_to(&mut file.file())?;
        let published = file.publish(|found| {
            check_reached(tree, Some(path), &place)?;
            self.admit(tree, &place, found)
        });
        published.map(drop).map_err(refused)
    }
}

impl Results {
    fn note(&mut self, filename: &str, why: Option<HttpError>) {
        let count = if why.is_some() { &mut self.refused } else { &mut self.taken };
        *count += 1;
        if self.told.len() < MOST_TOLD {
            let what = why.as_ref().map_or("uploaded", |why| &why.message);
            self.told.push(format!("{}: {what}", shown(filename)));
        }
        self.why = self.why.take().or(why);
    }

    /// Leads back to the directory; where a file was not taken, says which.
    fn answer(
        mut self,
        http: &mut Exchange<'_>,
        is_shown: impl FnOnce() -> bool,
    ) -> io::Result<()> {
        if let Some(first) = &self.why {
            let more = self.taken + self.refused - self.told.len() as u64;
            if more > 0 {
                let (taken, refused) = (self.taken, self.refused);
                self.told.push(format!("and {more} more; uploaded: {taken}, not: {refused}"));
            }
            return http.send_error_explained(first.status, &first.message, &self.told.join("; "));
        }
        if self.taken == 0 {
            return Err(refuse(400, "No file was chosen"));
        }
        if !is_shown() {
            return say_taken(http, self.taken);
        }
        http.send_response(Status::SEE_OTHER)?;
        http.send_header("Location", path::directory_reference(&http.path))?;
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }

    /// Adds what has come before to the error that ends a form.
    fn end_early(&self, error: io::Error) -> io::Error {
        match HttpError::inside(&error) {
            Some(why) if self.taken > 0 => {
                let before = files(self.taken);
                HttpError::new(why.status, format!("{}; {before} stored before", why.message))
                    .into()
            }
            _ => error,
        }
    }
}

/// Answers where the directory has no page for the client.
fn say_taken(http: &mut Exchange<'_>, taken: u64) -> io::Result<()> {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Uploaded</title>\n</head>\n<body>\n<p>{} uploaded.</p>\n</body>\n</html>\n",
        files(taken)
    );
    http.send_response(Status::OK)?;
    http.send_header("Content-Type", "text/html; charset=utf-8")?;
    http.send_header("Content-Length", page.len())?;
    http.end_headers()?;
    http.wfile.write_all(page.as_bytes())
}

fn files(count: u64) -> String {
    if count == 1 { "1 file was".to_owned() } else { format!("{count} files were") }
}

/// More than a directory has that people send. The files cost room on the disk, which is bounded by
/// the disk, as with PUT.
const MOST_PARTS: usize = 100_000;

/// Files that the answer tells of.
const MOST_TOLD: usize = 100;
