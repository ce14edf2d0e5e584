//! Files that clients send, into a directory: what is taken, and what is refused for which reason.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::SimpleHttpRequestHandler;
use super::conditional::{self, Precondition};
use super::etag::Validators;
use super::new_file::{Existing, NewFile, Place, Way};
use super::path;
use super::precompressed;
use super::same_origin;
use super::tree::Tree;
use crate::http::exchange::{Exchange, HttpError, RequestHead, is_full};
use crate::http::message::status::Status;
use crate::os::{is_exhausted, is_link_refused};

/// Which files a [`SimpleHttpRequestHandler`] takes: see
/// [`uploads`](SimpleHttpRequestHandler::uploads).
///
/// ```
/// use socketserver::http::{SimpleHttpRequestHandler, Uploads};
///
/// let uploads = Uploads::default().limit(100 << 20).replace(true);
/// let files = SimpleHttpRequestHandler::new("/srv/inbox").uploads(uploads);
/// # let _ = files;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Uploads {
    limit: u64,
    replace: bool,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { limit: 1 << 30, replace: false }
    }
}

impl Uploads {
    /// Takes bodies of up to this many bytes, be it one file or a form with several; longer ones
    /// are 413. Defaults to 1 GiB.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Whether a file may take the place of another one. By default it may not: 409.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }
}

impl<K> SimpleHttpRequestHandler<K> {
    /// Takes files by PUT, and by forms (feature `forms`).
    ///
    /// A file appears under its name at once when it is complete, with the mode that the process's
    /// mask leaves, and never as a program. It is made below the directory, in a directory that is
    /// there, through no symbolic link, [`confined`](Self::confined) or not. Each name in its path
    /// is UTF-8, though files with other names are served: a listing could not tell two of them
    /// apart, and not every file system has them. None begins with a dot, begins or ends with white
    /// space (that of Unicode, which a reader does not see), contains a control character or a
    /// backslash, or is longer than 255 bytes; `.well-known` is no exception, as files there may
    /// prove who a server belongs to. So it is with the directories that lead to it. Nothing is
    /// left of a file that has not come completely: on Linux it has no name until then, where the
    /// file system knows such files; elsewhere, and for the moment in which it takes the place of
    /// another one, it has one (`.socketserver-upload-` and 16 digits) that no handler serves or
    /// lists, also where it takes no files. What a killed server leaves under it is removed when
    /// files are taken in that directory again.
    ///
    /// | response | when |
    /// |---|---|
    /// | 201 with `Location` and `ETag` | there was no such file |
    /// | 204 with `ETag` | there was, and it may be [replaced](Uploads::replace) |
    /// | 400 | `Content-Range`: it is a part of a file (RFC 9110 §14.5) |
    /// | 403 | the name is not one for a file, the process may not write there, the file may not be replaced (`chattr +a`), a condition could not be kept as the directory cannot be locked, or a page of another origin has made the request |
    /// | 409 | its directory is missing, is a file or a link, or was moved before the file was complete; it is a directory, a link or a device itself; it is there, and may not be replaced, or is [sent in the place](Self::precompressed) of one that is |
    /// | 411 | neither `Content-Length` nor `Transfer-Encoding`: a request without a body is not one with an empty body |
    /// | 412 | `If-Match`, `If-None-Match` or `If-Unmodified-Since` |
    /// | 413 | it is [longer](Uploads::limit), before it is read where its length is known |
    /// | 415 | it has a `Content-Encoding`, or is a form (`multipart/form-data`) in the place of a file |
    /// | 503 | descriptors or memory are exhausted |
    /// | 507 | the disk or the quota is full |
    ///
    /// A new file may change what other addresses answer: a directory without an index page answers
    /// with a new `index.html` from then on.
    ///
    /// A form (`multipart/form-data`) is for a directory, with a slash at the end of its name; the
    /// last part of each file's name counts, whatever parts it, without white space around it. A
    /// name with U+FFFD is refused, as that stands for bytes that are not UTF-8. It is 303, back to
    /// the directory, when all files were taken, and 200 with a line about them where that is
    /// [not listed](super::Listing::Off) and has no index page; forms of which one file cannot be
    /// taken are answered as above, with what has become of the first hundred. A form has up to
    /// 100,000 parts. Where it ends early or becomes too long, the files before that stay, and the
    /// answer says how many. [`Listing::Table`](super::Listing::Table) has such a form, in
    /// directories in which files may be made. POST of anything else is 415.
    ///
    /// What is known beforehand is answered before the body is asked for (`Expect: 100-continue`).
    /// Of two that replace a file at the same time under the same `If-Match`, one is 412, whichever
    /// processes take them. A file that is replaced keeps its mode, without the right to run it.
    ///
    /// # Security
    ///
    /// Every client that reaches the server may upload: put a `BasicAuth`
    /// around it, or bind it to this machine. Browsers say which page makes a request
    /// (`Sec-Fetch-Site`, `Origin`), and those of other origins are refused, as they could use the
    /// password that the browser has; pages of origins that a [`Cors`](crate::http::Cors) names may
    /// upload, `null` excepted, and programs, which send neither field.
    ///
    /// Python has nothing alike.
    #[doc(alias = "PUT")]
    #[doc(alias = "uploadserver")]
    #[must_use]
    pub fn uploads(mut self, uploads: Uploads) -> Self {
        self.receiver = Some(Receiver::new(uploads));
        self.tree.takes_uploads = true;
        self
    }

    /// Up to how many bytes of an upload are waited for before it is taken. Others are refused.
    pub(super) fn upload_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        let is_form = cfg!(feature = "forms") && head.command == "POST";
        let takes = head.command == "PUT" || is_form;
        let limit = self.receiver.as_ref().filter(|_| takes).map_or(0, |it| it.uploads.limit);
        head.buffer_size(limit)
    }

    /// Tells whether it takes files.
    #[cfg(feature = "cgi")]
    pub(crate) fn takes_uploads(&self) -> bool {
        self.receiver.is_some()
    }

    /// Tells whether it takes them by forms, too.
    #[cfg(feature = "cgi")]
    pub(crate) fn takes_forms(&self) -> bool {
        cfg!(feature = "forms") && self.receiver.is_some()
    }
}

/// Takes files as [`Uploads`] say.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    uploads: Uploads,
}

impl Receiver {
    pub(super) fn new(uploads: Uploads) -> Self {
        Self { uploads }
    }

    /// Answers a PUT of the file at this path.
    pub(super) fn put(&self, http: &mut Exchange<'_>, tree: &Tree, path: &Path) -> io::Result<()> {
        let place = self.admit_put(http, tree, path)?;
        let mut file = place.begin(Way::Nameless).map_err(refused)?;
        let length = http.rfile.copy_to(file.file(), self.uploads.limit).map_err(refused)?;
        let replaced = file
            .publish(|found| {
                check_reached(tree, path.parent(), &place)?;
                self.admit(tree, &place, found)?;
                check_conditions(http, &place, found)
            })
            .map_err(refused)?;
        if replaced.is_some() {
            http.send_response(Status::NO_CONTENT)?;
        } else {
            http.send_response(Status::CREATED)?;
            http.send_header("Location", path::file_reference(&http.path))?;
            http.send_header("Content-Length", 0)?;
        }
        send_etag(http, &file, length)
    }

    /// Bytes of the longest body that is taken.
    #[cfg(feature = "forms")]
    pub(super) fn limit(&self) -> u64 {
        self.uploads.limit
    }

    /// Says where the file of a PUT is to be made, unless it is known without its body that it is
    /// not.
    pub(super) fn admit_put(
        &self,
        http: &Exchange<'_>,
        tree: &Tree,
        path: &Path,
    ) -> io::Result<Place> {
        // The target of OPTIONS for the server as a whole, and no path (RFC 9112 §3.2.4).
        if http.path == "*" {
            return Err(refuse(400, "The target is not a file"));
        }
        check_origin(http)?;
        if http.headers.contains("Content-Range") {
            return Err(refuse(400, "A part of a file is not the whole"));
        }
        check_coding(http)?;
        if is_form(http) {
            return Err(refuse(
                415,
                "A form is for POST to a directory; PUT takes the file itself",
            ));
        }
        let is_framed =
            ["Content-Length", "Transfer-Encoding"].iter().any(|it| http.headers.contains(it));
        if !is_framed {
            // No body at all is not an empty one: it would replace the file by nothing.
            return Err(HttpError::new(411, "Length Required").into());
        }
        if path::names_directory(http.target().path()) {
            return Err(refuse(409, "A name that ends with / is no file"));
        }
        let place = place(tree, path)?;
        let found = place.look().map_err(refused)?;
        self.admit(tree, &place, found.as_ref())?;
        check_conditions(http, &place, found.as_ref())?;
        self.check_length(http, &place)?;
        Ok(place)
    }

    /// Refuses to put a file where this is.
    pub(super) fn admit(
        &self,
        tree: &Tree,
        place: &Place,
        found: Option<&Existing>,
    ) -> io::Result<()> {
        match found {
            Some(found) if found.is_directory => return Err(refuse(409, IS_DIRECTORY)),
            Some(found) if !found.is_file => {
                return Err(refuse(409, "What has this name is not a regular file"));
            }
            // Before any condition: those count where the request would otherwise succeed (RFC 9110
            // §13.2.1).
            Some(_) if !self.uploads.replace => {
                return Err(refuse(409, "A file of this name is there already"));
            }
            // What is there would stay, and clients would get this instead.
            None if !self.uploads.replace && tree.is_precompressed => {
                if let Some(original) = original_beside(place)? {
                    return Err(refuse(409, &in_place_of(place.name(), original)));
                }
            }
            _ => {}
        }
        place.check_rights(found).map_err(refused)
    }

    /// Refuses a body that is known to be too long.
    pub(super) fn check_length(&self, http: &Exchange<'_>, place: &Place) -> io::Result<()> {
        http.rfile.check_length(self.uploads.limit)?;
        match (http.rfile.length(), place.room()) {
            (Some(length), Some(room)) if length > room => {
                Err(HttpError::new(507, "No room for the body").into())
            }
            _ => Ok(()),
        }
    }
}

/// The name of the file that is there and that this one would be sent in the place of, compressed.
fn original_beside(place: &Place) -> io::Result<Option<&OsStr>> {
    let Some(original) = precompressed::original(place.name()) else { return Ok(None) };
    let found = place.look_beside(original).map_err(refused)?;
    Ok(found.filter(|found| !found.is_directory).map(|_| original))
}

/// Names both files, if a status line can: its text is ISO 8859-1, and read as UTF-8 by some.
fn in_place_of(name: &OsStr, original: &OsStr) -> String {
    match [name, original].map(|name| name.to_str().filter(|name| name.is_ascii())) {
        [Some(name), Some(original)] => {
            format!("{name} would be sent for {original}, which is there")
        }
        _ => "A file would be sent for another, which is there".to_owned(),
    }
}

/// Where a file of this path may be made.
fn place(tree: &Tree, path: &Path) -> io::Result<Place> {
    let directory = path.parent().unwrap_or(path);
    let place = tree.place(path).map_err(|error| unreached(tree, directory, error))?;
    place.ok_or_else(|| refuse(403, "Not a name for a file"))
}

/// Refuses a file for a directory that is elsewhere by now, perhaps outside, or is another one.
pub(super) fn check_reached(tree: &Tree, path: Option<&Path>, place: &Place) -> io::Result<()> {
    let directory = path.map(|path| tree.open_for_uploads(path)).transpose()?.flatten();
    match directory {
        Some(directory) if place.is_in(&directory)? => Ok(()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Refuses what a page of another origin has had a browser send.
pub(super) fn check_origin(http: &Exchange<'_>) -> io::Result<()> {
    if same_origin::may_change(http) {
        return Ok(());
    }
    Err(refuse(403, "Pages of other origins may not upload"))
}

/// Tells whether a request has a form with files.
pub(super) fn is_form(http: &Exchange<'_>) -> bool {
    let content_type = http.headers.get("Content-Type").unwrap_or_default();
    let name = content_type.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("multipart/form-data")
}

/// Refuses what would be stored in another form than it is to be served in.
fn check_coding(http: &Exchange<'_>) -> io::Result<()> {
    let mut codings = http.headers.get_all("Content-Encoding");
    if codings.all(|coding| coding.eq_ignore_ascii_case("identity")) {
        return Ok(());
    }
    Err(refuse(415, "Send the file without a Content-Encoding"))
}

/// Refuses where the request's conditions fail (RFC 9110 §13.1).
fn check_conditions(
    http: &Exchange<'_>,
    place: &Place,
    found: Option<&Existing>,
) -> io::Result<()> {
    let now = SystemTime::now();
    let asks_for_tag = ["If-Match", "If-None-Match"].iter().any(|it| http.headers.contains(it));
    let current = found.map(|found| {
        let content = if asks_for_tag { place.small_content(found) } else { None };
        Validators::to_be_changed(&found.identity, content.as_deref(), now)
    });
    match conditional::evaluate(&http.command, &http.headers, current.as_ref()) {
        Precondition::Holds { .. } => {}
        _ => return Err(HttpError::new(412, "Precondition Failed").into()),
    }
    // What it holds for could change before it is replaced. A new name is taken by one alone.
    if found.is_some() && (asks_for_tag || http.headers.contains("If-Unmodified-Since")) {
        place.check_turns().map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => refuse(403, "No condition can be kept here"),
            _ => refused(error),
        })?;
    }
    Ok(())
}

/// Gives the client a tag of what it has sent, if that is what is stored (RFC 9110 §9.3.4).
fn send_etag(http: &mut Exchange<'_>, file: &NewFile<'_>, length: u64) -> io::Result<()> {
    if let Some(tag) = file.tag(length) {
        http.add_plain_header("ETag", tag.as_str());
    }
    http.end_headers()
}

pub(super) fn refuse(status: u16, message: &str) -> io::Error {
    HttpError::new(status, message).into()
}

/// What a client is told where no file can be made in a directory. That a link is in the way is no
/// secret where links are followed for GET, wherever they lead.
pub(super) fn unreached(tree: &Tree, directory: &Path, error: io::Error) -> io::Error {
    // A link at the end of the path is "not a directory".
    let is_link = is_link_refused(&error)
        || (error.kind() == io::ErrorKind::NotADirectory
            && directory.components().as_path().is_symlink());
    match is_link && !tree.is_confined {
        true => refuse(409, "Not through a symbolic link"),
        false => refused(error),
    }
}

/// What a client is told of an error of the file system; others are the server's own.
pub(super) fn refused(error: io::Error) -> io::Error {
    use io::ErrorKind::{
        CrossesDevices, InvalidFilename, NotADirectory, NotFound, PermissionDenied,
        ReadOnlyFilesystem, ResourceBusy,
    };
    if is_full(&error) {
        return refuse(507, "No room for the body");
    }
    if is_exhausted(&error) {
        return HttpError::new(503, "Service Unavailable").into();
    }
    match error.kind() {
        // What leaves the directory, or is a link, is no directory for uploads.
        NotFound | NotADirectory | CrossesDevices => refuse(409, "No such directory"),
        _ if is_link_refused(&error) => refuse(409, "No such directory"),
        PermissionDenied | ReadOnlyFilesystem => refuse(403, "No permission to write here"),
        InvalidFilename => refuse(403, "Not a name for a file"),
        ResourceBusy => HttpError::new(503, "Service Unavailable").into(),
        _ => error,
    }
}

const IS_DIRECTORY: &str = "A directory is not a file";
