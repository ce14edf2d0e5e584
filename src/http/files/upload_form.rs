//! Files that a form sends into a directory.

use std::fs::File;
use std::io;
use std::path::Path;

use super::new_file::{Place, Way};
use super::path;
use super::tree::Tree;
use super::uploads::{Receiver, check_origin, check_reached, refuse, refused, unreached};
use crate::http::exchange::{Exchange, HttpError};
use crate::http::form::{FormError, FormLimits, Multipart, Part, parse_header, safe_filename};
use crate::http::message::status::Status;
use crate::printable::shown;

/// What has become of each file of a form: its name, and why it was not taken.
type Results = Vec<(String, Option<HttpError>)>;

impl Receiver {
    /// Answers a form for the directory at this path.
    pub(super) fn post(&self, http: &mut Exchange<'_>, tree: &Tree, path: &Path) -> io::Result<()> {
        let directory = self.admit_post(http, tree, path)?;
        let limits = FormLimits::default().max_part_bytes(self.limit()).max_bytes(self.limit());
        let mut results = Results::new();
        let mut form = Multipart::read(http, limits)?;
        while let Some(mut part) = form.next_part()? {
            let Some(filename) = part.filename.clone().filter(|name| !name.is_empty()) else {
                // Another field, or one for a file without one.
                continue;
            };
            match self.take_part(tree, path, &directory, &filename, &mut part) {
                Ok(()) => results.push((filename, None)),
                Err(error) => match HttpError::inside(&error) {
                    // What is wrong with this file alone; the rest of the form goes on.
                    Some(why) if matches!(why.status.code(), 403 | 409) => {
                        results.push((filename, Some(why)));
                    }
                    _ => return Err(error),
                },
            }
        }
        answer(http, &results)
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
        let name = safe_filename(filename).ok_or_else(|| refuse(403, "Not a name for a file"))?;
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

/// Tells whether a request has a form with files.
pub(super) fn is_form(http: &Exchange<'_>) -> bool {
    let content_type = http.headers.get("Content-Type").unwrap_or_default();
    parse_header(content_type).0.eq_ignore_ascii_case("multipart/form-data")
}

/// Leads back to the directory; where a file was not taken, says which.
fn answer(http: &mut Exchange<'_>, results: &Results) -> io::Result<()> {
    let failed = results.iter().find_map(|(_, why)| why.as_ref());
    if let Some(first) = failed {
        let told: Vec<String> = results.iter().map(tell).collect();
        return http.send_error_explained(first.status, &first.message, &told.join("; "));
    }
    if results.is_empty() {
        return Err(refuse(400, "No file was chosen"));
    }
    http.send_response(Status::SEE_OTHER)?;
    http.send_header("Location", path::directory_reference(&http.path))?;
    http.send_header("Content-Length", 0)?;
    http.end_headers()
}

fn tell((filename, why): &(String, Option<HttpError>)) -> String {
    let what = why.as_ref().map_or("uploaded", |why| &why.message);
    format!("{}: {what}", shown(filename))
}
