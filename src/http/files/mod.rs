//! Files of a directory over HTTP: Python's `SimpleHTTPRequestHandler`.

#[cfg(feature = "cgi")]
mod aliases;
mod answer;
mod begin_response;
mod beneath;
mod byteranges;
mod cache;
mod conditional;
mod content;
mod directory;
mod etag;
mod find;
mod hooks;
mod listing;
mod mime;
mod new_file;
mod no_file;
mod path;
mod precompressed;
mod range;
mod receive;
mod redirect;
mod same_origin;
mod sole;
mod source;
mod spa;
mod tree;
#[cfg(feature = "forms")]
mod upload_form;
mod uploads;

pub use content::FileContent;
pub use directory::{Directory, Listing};
pub use hooks::{Defaults, FileHooks};
pub(super) use mime::{page_type, with_charset};
pub use no_file::NoFile;
pub use tree::DirectoryEntry;
pub use uploads::Uploads;

#[cfg(any(test, fuzzing))]
pub(super) use {
    conditional::{Precondition, evaluate, parse_date},
    etag::EntityTag,
    path::{directory_location, directory_reference, translate_path},
    range::{MAX_PARTS, Selection, select},
};

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::http::exchange::{BaseHttpRequestHandler, Exchange, HttpRequestHandler, RequestHead};
use answer::Answer;
use cache::SmallFiles;
use etag::Identity;
pub(super) use etag::Validators;
use redirect::redirect_to_directory;
use source::Source;
use tree::Tree;
use uploads::Receiver;

/// Serves the files below a directory to GET and HEAD requests.
///
/// Directories are answered with their index page or a listing. If the name of a directory does not
/// end with a slash, it is redirected to `sub/`, a relative name, which is right also if a proxy
/// takes a prefix away. Conditions and ranges are honoured (RFC 9110 §13 and §14; see
/// [`FileContent::begin_response`]). Symbolic links are followed wherever they lead, as in CPython,
/// unless it is [`confined`](Self::confined). Only regular files are served: a pipe or a device is
/// 404.
///
/// To change how a file is found, named or listed, give it [hooks](Self::with_hooks). To change
/// what concerns every response, or to answer other methods, extend it: see [`HttpRequestHandler`].
/// A handler may hold several and call the one that it wants; each serves its own directory.
#[derive(Clone, Debug)]
pub struct SimpleHttpRequestHandler<K = Defaults> {
    tree: Tree,
    small_files: Arc<SmallFiles>,
    charset: Option<Arc<str>>,
    is_spa: bool,
    listing: Listing,
    receiver: Option<Receiver>,
    hooks: K,
}

impl SimpleHttpRequestHandler {
    /// Serves the files below `directory`, which need not exist yet: where Python has
    /// `functools.partial(SimpleHTTPRequestHandler, directory=directory)`.
    #[doc(alias = "partial")]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let tree = Tree { directory: directory.into(), ..Tree::default() };
        Self {
            tree,
            small_files: Arc::default(),
            charset: None,
            is_spa: false,
            listing: Listing::default(),
            receiver: None,
            hooks: Defaults,
        }
    }
}

impl<K> SimpleHttpRequestHandler<K> {
    /// The same directory, with hooks that say how its files are found, named and listed.
    #[must_use]
    pub fn with_hooks<N: FileHooks>(self, hooks: N) -> SimpleHttpRequestHandler<N> {
        let Self { tree, small_files, charset, is_spa, listing, receiver, .. } = self;
        SimpleHttpRequestHandler { tree, small_files, charset, is_spa, listing, receiver, hooks }
    }

    /// Reaches nothing outside the directory, wherever symbolic links lead and however names
    /// change meanwhile: what is outside is 404.
    ///
    /// The kernel sees to that (openat2(2) with `RESOLVE_BENEATH`, Linux 5.6). Links that stay
    /// inside are followed, except where the kernel cannot do it: there no link is followed.
    /// CPython has no such switch (gh-132142).
    ///
    /// This holds for what this handler opens, also by [`open`](Self::open). A path of
    /// [`translate_path`](Self::translate_path) that a program opens by itself may lead outside.
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

    /// Announces text with this charset, such as `utf-8`, if the type of a file names no other.
    /// Nothing is converted. By default browsers guess, as with CPython.
    #[must_use]
    pub fn charset(mut self, charset: &str) -> Self {
        self.charset = Some(charset.into());
        self
    }

    /// Sends files that stand compressed beside others in their place, where the client accepts
    /// that: `app.js.br`, `app.js.zst` or `app.js.gz` for `app.js`.
    ///
    /// By the weights of `Accept-Encoding` (RFC 9110 §12.5.3), and in this order where they are
    /// equal. The response has the type of the file that is asked for, `Content-Encoding`, and
    /// `ETag` and `Last-Modified` of the file that is sent; conditions and ranges refer to that
    /// file, too. If there is a compressed file, `Vary: Accept-Encoding` is sent, whichever file is
    /// chosen, and a `Range` with a date in `If-Range` is answered by the whole, as the files may
    /// have the same date.
    ///
    /// When the original changes, compress it again: as with nginx's `gzip_static`, only the name
    /// says that the files belong together. `Content-Location` is not sent, as the compressed file
    /// has another type if it is asked for by its own name. [`open`](Self::open) always finds the
    /// file itself. CPython has nothing alike.
    ///
    /// With [`uploads`](Self::uploads) that replace nothing, none is taken under such a name beside
    /// a file that is there; one that is there before its original is sent for it.
    #[must_use]
    pub fn precompressed(mut self) -> Self {
        self.tree.is_precompressed = true;
        self
    }

    /// Lists directories in this way. Defaults to [`Listing::Plain`], CPython's page.
    ///
    /// [`FileHooks::list_directory`] obeys it, unless it is overridden.
    #[must_use]
    pub fn listing(mut self, listing: Listing) -> Self {
        self.listing = listing;
        self
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.tree.directory
    }

    /// The hooks.
    pub fn hooks(&self) -> &K {
        &self.hooks
    }

    /// What there is at a path, if it may be reached.
    pub(crate) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.tree.metadata(path)
    }
}

impl<K: FileHooks> SimpleHttpRequestHandler<K> {
    /// The file that a target names, by its text alone, as the hooks have it.
    ///
    /// # Security
    ///
    /// What is opened by this path is not checked: a symbolic link may lead elsewhere, a name may
    /// begin with a dot, and opening a pipe waits. Only [`open`](Self::open) looks at what it
    /// opens. To take files from clients, see [`uploads`](Self::uploads).
    pub fn translate_path(&self, http: &Exchange<'_>, path: &str) -> PathBuf {
        self.hooks.translate_path(http, &self.tree.directory, path)
    }

    /// The content type of a file, as the hooks have it.
    pub fn guess_type(&self, http: &Exchange<'_>, path: &Path) -> String {
        mime::with_charset(self.hooks.guess_type(http, path), self.charset.as_deref())
    }

    /// Finds and opens the file that the request's target names, and answers nothing yet.
    ///
    /// [`FileContent::begin_response`] begins the response that is due, with the request's
    /// conditions and ranges; the example answers each request with the whole.
    ///
    /// The file is checked: it is regular, [not hidden](Self::hiding_dot_files), and
    /// [inside](Self::confined) where that is asked for. For a directory it is the index page.
    ///
    /// ```
    /// use std::io;
    /// use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};
    ///
    /// struct Download {
    ///     files: SimpleHttpRequestHandler,
    /// }
    ///
    /// impl HttpRequestHandler for Download {
    ///     fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
    ///         let file = match self.files.open(http) {
    ///             Ok(file) => file,
    ///             Err(why) => return self.files.send_instead(http, why),
    ///         };
    ///         http.send_response(200)?;
    ///         http.send_header("Content-Type", "application/octet-stream")?;
    ///         http.send_header("Content-Length", file.size())?;
    ///         http.end_headers()?;
    ///         file.send(&mut http.wfile)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// What there is instead.
    pub fn open(&self, http: &Exchange<'_>) -> Result<FileContent, NoFile> {
        let now = SystemTime::now();
        let (path, found) = self.find(http)?;
        self.opened(path, found, now)
    }

    /// Opens a file of which this was just found out.
    fn opened(
        &self,
        path: PathBuf,
        found: Metadata,
        now: SystemTime,
    ) -> Result<FileContent, NoFile> {
        match self.content(&path, found, now) {
            Ok((source, modified, validators)) => {
                Ok(FileContent::new(source, path, modified, validators))
            }
            Err(error) => Err(NoFile::because(&error)),
        }
    }

    /// Answers for what [`open`](Self::open) has found instead of a file: 404, a redirect to the
    /// directory, its listing (404 with [`spa_fallback`](Self::spa_fallback)), or 503.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub fn send_instead(&self, http: &mut Exchange<'_>, why: NoFile) -> io::Result<()> {
        match why {
            NoFile::NotFound => http.send_error_with(404, "File not found"),
            NoFile::Directory(_) if self.is_spa => http.send_error_with(404, "File not found"),
            NoFile::NoSlash => redirect_to_directory(http),
            NoFile::Directory(path) => {
                self.hooks.list_directory(http, &Directory::new(&self.tree, &path, self.listing))
            }
            NoFile::Exhausted => http.send_error(503),
        }
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
        let mut file = match self.open_accepted(http) {
            Ok(file) => file,
            Err(why) => return self.send_instead(http, why).map(|()| None),
        };
        let content_type = self.guess_type(http, &file.path);
        file.begin_response(http, &content_type)?;
        self.say_if_app(http, &file.path);
        http.end_headers()?;
        Ok((!matches!(file.answer, Answer::Nothing)).then_some(file))
    }

    fn content(
        &self,
        path: &Path,
        found: Metadata,
        now: SystemTime,
    ) -> io::Result<(Source, SystemTime, Validators)> {
        if let Some((content, validators)) = self.small_files.get(path, &found, now) {
            return Ok((Source::Memory(content), found.modified()?, validators));
        }
        let (file, metadata) = self.tree.open(path)?;
        let (source, validators) = match self.small_files.keep(path, &file, &metadata, now)? {
            Some((content, validators)) => (Source::Memory(content), validators),
            None => {
                let validators = Validators::of(&Identity::of(&metadata), now);
                (Source::File(file, metadata.len()), validators)
            }
        };
        Ok((source, metadata.modified()?, validators))
    }
}

/// Serves the directory that is the current one when the handler is made.
impl Default for SimpleHttpRequestHandler {
    fn default() -> Self {
        Self::new(std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")))
    }
}

impl<K: FileHooks> HttpRequestHandler for SimpleHttpRequestHandler<K> {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match self.send_head(http)? {
            Some(content) => content.send(&mut http.wfile),
            None => Ok(()),
        }
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.send_head(http).map(drop)
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.take_form(http)
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.take_file(http)
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.vary_if_missing(http);
        BaseHttpRequestHandler.end_headers(http)
    }

    /// Of a body that is an upload, up to its limit.
    fn body_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        self.upload_buffer_size(head)
    }

    fn handle_expect_100(&self, http: &mut Exchange<'_>) -> io::Result<bool> {
        self.admit_body(http)?;
        BaseHttpRequestHandler.handle_expect_100(http)
    }

    fn server_version(&self) -> &str {
        "SimpleHTTP/0.6"
    }
}
