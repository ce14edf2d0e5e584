//! Files of a directory over HTTP: Python's `SimpleHTTPRequestHandler`.

mod beneath;
mod cache;
mod conditional;
mod listing;
mod mime;
mod path;
mod tree;

pub(crate) use mime::guess_type;
pub(crate) use path::{translate_path, without_query};

#[cfg(any(test, fuzzing))]
pub(super) use {
    conditional::is_unmodified,
    path::{directory_location, directory_reference},
};

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;

use crate::http::exchange::Exchange;
use crate::http::exchange::HttpRequestHandler;
use crate::http::exchange::ResponseBody;
use crate::http::message::date;
use cache::SmallFiles;
use tree::Tree;

/// Serves the files below a directory to GET and HEAD requests.
///
/// Directories are answered with their index page or a listing, and redirected to where their
/// name ends with a slash: to `sub/`, which is right below any prefix that a proxy takes away.
/// `If-Modified-Since` is honoured. Symbolic links are followed wherever they lead, as in CPython,
/// unless it is [`confined`](Self::confined). Only regular files are served: a pipe or a device is
/// 404.
///
/// To change a part of it, extend it: see [`HttpRequestHandler`].
#[derive(Clone, Debug)]
pub struct SimpleHttpRequestHandler {
    tree: Tree,
    small_files: Arc<SmallFiles>,
}

/// The content of a file that is about to be sent; see [`SimpleHttpRequestHandler::send_head`].
#[derive(Debug)]
pub struct FileContent {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Memory(Arc<[u8]>),
    File(File, u64),
}

impl FileContent {
    /// How many bytes it was when it was looked at: what `Content-Length` says.
    pub fn size(&self) -> u64 {
        match &self.source {
            Source::Memory(content) => content.len() as u64,
            Source::File(_, length) => *length,
        }
    }

    /// Sends the content: Python's `copyfile`.
    ///
    /// No more than was announced; a file that shrank meanwhile leaves the response short, and
    /// the connection is closed.
    ///
    /// # Errors
    ///
    /// The connection is broken, or the file cannot be read.
    #[doc(alias = "copyfile")]
    pub fn send(&self, wfile: &mut ResponseBody) -> io::Result<()> {
        self.send_range(wfile, 0, self.size()).map(drop)
    }

    /// Sends up to `count` bytes of the content from `offset` on, and returns how many there were.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_range(&self, wfile: &mut ResponseBody, offset: u64, count: u64) -> io::Result<u64> {
        match &self.source {
            Source::Memory(content) => {
                let size = content.len() as u64;
                let start = offset.min(size);
                let end = start.saturating_add(count).min(size);
                wfile.write_all(&content[start as usize..end as usize])?;
                Ok(end - start)
            }
            Source::File(file, _) => wfile.send_file(file, offset, count),
        }
    }
}

impl SimpleHttpRequestHandler {
    /// Serves the files below `directory`, which need not exist yet: where Python has
    /// `functools.partial(SimpleHTTPRequestHandler, directory=directory)`.
    #[doc(alias = "partial")]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let tree = Tree { directory: directory.into(), is_confined: false, hides_dot_files: false };
        Self { tree, small_files: Arc::default() }
    }

    /// Reaches nothing outside the directory, wherever symbolic links lead and however names
    /// change meanwhile: what is outside is 404.
    ///
    /// The kernel sees to that (openat2(2) with `RESOLVE_BENEATH`, Linux 5.6). Links that stay
    /// inside are followed, except where the kernel cannot do it: there no link is followed.
    /// CPython has no such switch (gh-132142).
    ///
    /// This holds for what this handler opens. A path of
    /// [`translate_path`](HttpRequestHandler::translate_path) that a program opens by itself may
    /// lead outside.
    #[must_use]
    pub fn confined(mut self) -> Self {
        self.tree.is_confined = true;
        self
    }

    /// Serves and lists no name that begins with a dot, nor what is below it; `.well-known`
    /// excepted (RFC 8615). CPython serves them all. As with [`confined`](Self::confined), a path
    /// that a program opens by itself is not checked.
    #[must_use]
    pub fn hiding_dot_files(mut self) -> Self {
        self.tree.hides_dot_files = true;
        self
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.tree.directory
    }

    /// Answers with everything but the file's content: Python's `send_head`.
    ///
    /// Returns the content that is to follow; `None` where the response is complete: an error, a
    /// redirect, a listing, or "not modified".
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub fn send_head(&self, http: &mut Exchange<'_>) -> io::Result<Option<FileContent>> {
        let handler = http.handler();
        let mut path = handler.translate_path(http, &http.path);
        let mut found = self.tree.metadata(&path);
        if found.as_ref().is_ok_and(Metadata::is_dir) {
            let target = path::without_query(&http.path);
            if !path::ends_with_slash(target) {
                return redirect_to_directory(http);
            }
            match self.index_page(&path, handler.index_pages()) {
                Some((page, metadata)) => (path, found) = (page, Ok(metadata)),
                None => return handler.list_directory(http, &path).map(|()| None),
            }
        }
        // Looked at before it is opened: opening a pipe waits for its writer, and opening a
        // device may do anything.
        let is_named_as_file = !path.as_os_str().as_bytes().ends_with(b"/");
        let content = match found {
            Ok(found) if found.is_file() && is_named_as_file => self.content(&path, found),
            Ok(_) => return not_found(http),
            Err(error) => Err(error),
        };
        let (source, metadata) = match content {
            Ok(content) => content,
            Err(error) if is_exhausted(&error) => return http.send_error(503).map(|()| None),
            Err(_) => return not_found(http),
        };
        let modified = metadata.modified()?;
        if conditional::is_unmodified(&http.headers, modified) {
            http.send_response(304)?;
            return http.end_headers().map(|()| None);
        }
        http.send_response(200)?;
        let content_type = handler.guess_type(http, &path);
        http.gzipped_type = mime::type_inside(&path);
        http.send_header("Content-type", content_type)?;
        http.send_header("Content-Length", metadata.len())?;
        http.send_header("Last-Modified", date::http_date(modified))?;
        http.end_headers()?;
        Ok(Some(FileContent { source }))
    }

    fn index_page(&self, directory: &Path, names: &[&str]) -> Option<(PathBuf, Metadata)> {
        names.iter().find_map(|name| {
            let page = directory.join(name);
            let metadata = self.tree.metadata(&page).ok().filter(Metadata::is_file)?;
            Some((page, metadata))
        })
    }

    /// What there is at a path, if it may be reached.
    pub(crate) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.tree.metadata(path)
    }

    fn content(&self, path: &Path, found: Metadata) -> io::Result<(Source, Metadata)> {
        if let Some(content) = self.small_files.get(path, &found) {
            return Ok((Source::Memory(content), found));
        }
        let (file, metadata) = self.tree.open(path)?;
        let source = match self.small_files.keep(path, &file, &metadata)? {
            Some(content) => Source::Memory(content),
            None => Source::File(file, metadata.len()),
        };
        Ok((source, metadata))
    }
}

/// Answers with the names in a directory, whatever they are.
pub(crate) fn list_directory(http: &mut Exchange<'_>, path: &Path) -> io::Result<()> {
    SimpleHttpRequestHandler::new(path).list_directory(http, path)
}

/// Serves the current directory, as it is when the handler is made.
impl Default for SimpleHttpRequestHandler {
    fn default() -> Self {
        Self::new(std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")))
    }
}

impl HttpRequestHandler for SimpleHttpRequestHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match self.send_head(http)? {
            Some(content) => content.send(&mut http.wfile),
            None => Ok(()),
        }
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.send_head(http).map(drop)
    }

    fn server_version(&self) -> &str {
        "SimpleHTTP/0.6"
    }

    fn translate_path(&self, _: &Exchange<'_>, path: &str) -> PathBuf {
        translate_path(&self.tree.directory, path)
    }

    fn list_directory(&self, http: &mut Exchange<'_>, path: &Path) -> io::Result<()> {
        listing::list_directory(http, &self.tree, path)
    }
}

/// Tells whether this process or the system has run out of what opening a file takes, which says
/// nothing of the file: a cache or a crawler would take 404 for its end.
fn is_exhausted(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
}

fn not_found<T>(http: &mut Exchange<'_>) -> io::Result<Option<T>> {
    http.send_error_with(404, "File not found").map(|()| None)
}

/// Sends the client to the same place with a slash at its end, which its relative links need.
fn redirect_to_directory<T>(http: &mut Exchange<'_>) -> io::Result<Option<T>> {
    // A relative reference begins where the client is, which is not where a script or a handler has
    // sent the request on to.
    let is_there = http.local_redirects == 0
        && path::last_name_of(http.requested_target()) == path::last_name_of(&http.path);
    let location = if is_there {
        path::directory_reference(&http.path)
    } else {
        path::directory_location(&http.path)
    };
    http.send_response(301)?;
    http.send_header("Location", location)?;
    http.send_header("Content-Length", 0)?;
    http.end_headers().map(|()| None)
}
