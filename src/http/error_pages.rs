//! A program's own pages for errors.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::http::exchange::{Exchange, HttpRequestHandler};
use crate::http::files::{page_type, with_charset};
use crate::http::message::status::Status;
use crate::os::read_small_file;
use crate::signal::Signal;
use crate::stderr::report;

/// Pages for errors, one for each status; see [`ErrorPages`].
///
/// They are in memory. [`ErrorPages`] reads those of files again when the program hears of SIGHUP.
#[derive(Clone, Debug, Default)]
pub struct StatusPages {
    charset: Option<String>,
    pages: BTreeMap<Status, Arc<Page>>,
}

/// What is sent for an error.
#[derive(Debug)]
struct Page {
    kind: String,
    content: Vec<u8>,
    /// Where it was read.
    file: Option<PathBuf>,
}

impl StatusPages {
    /// Has this content for an error. The latest page for an error counts.
    #[must_use]
    pub fn page(self, code: Status, content_type: &str, content: impl Into<Vec<u8>>) -> Self {
        self.with(code, Page { kind: content_type.to_owned(), content: content.into(), file: None })
    }

    /// Has what a file holds now for an error, with the content type of its name.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no regular file, or is longer than 1 MiB.
    pub fn file(self, code: Status, path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let kind = with_charset(page_type(&path), self.charset.as_deref());
        let content = read(&path)?;
        Ok(self.with(code, Page { kind, content, file: Some(path) }))
    }

    /// The charset of the files of text that are named from now on, such as `utf-8`. By default
    /// none is announced.
    #[must_use]
    pub fn charset(mut self, charset: &str) -> Self {
        self.charset = Some(charset.to_owned());
        self
    }

    fn with(mut self, code: Status, page: Page) -> Self {
        self.pages.insert(code, Arc::new(page));
        self
    }

    /// The same pages, those of the files as these are now.
    fn read_again(&self) -> io::Result<Self> {
        let mut again = self.clone();
        for page in again.pages.values_mut() {
            if let Some(path) = &page.file {
                let (kind, content) = (page.kind.clone(), read(path)?);
                *page = Arc::new(Page { kind, content, file: page.file.clone() });
            }
        }
        Ok(again)
    }
}

/// Answers the errors of another handler with [`StatusPages`], each with the error's status.
///
/// It is about what [`Exchange::send_error`] answers: missing files, refused requests, handlers
/// that fail. What a program sends as its own response stays, and so do 412 and 416 for a file that
/// is read, and what is answered to clients beyond `max_connections`. Pages of files are read again
/// on SIGHUP, where the program [watches](crate::Server::watch_signals) it; if that fails, the old
/// ones stay. A page is shown at the path of the request, so that its links have to begin with a
/// slash. Python has one format for all errors, `error_message_format`.
///
/// ```
/// use socketserver::ThreadingHttpServer;
/// use socketserver::http::{ErrorPages, SimpleHttpRequestHandler, Status, StatusPages};
///
/// let files = SimpleHttpRequestHandler::new("/srv/www");
/// let pages = StatusPages::default()
///     .page(Status::NOT_FOUND, "text/html; charset=utf-8", "<h1>It is not here.</h1>");
/// let server = ThreadingHttpServer::bind("127.0.0.1:0", ErrorPages::new(files, pages))?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
pub struct ErrorPages<H> {
    handler: H,
    pages: RwLock<StatusPages>,
}

impl<H: HttpRequestHandler> ErrorPages<H> {
    /// Answers this handler's errors with these pages; as before, where an error has no page.
    pub fn new(handler: H, pages: StatusPages) -> Self {
        Self { handler, pages: RwLock::new(pages) }
    }

    /// The handler within.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Reads the files again.
    ///
    /// # Errors
    ///
    /// One cannot be used. All pages stay as they were.
    pub fn reload(&self) -> io::Result<()> {
        let again = self.pages().read_again()?;
        *self.pages.write().unwrap_or_else(PoisonError::into_inner) = again;
        Ok(())
    }

    fn pages(&self) -> RwLockReadGuard<'_, StatusPages> {
        self.pages.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: HttpRequestHandler> HttpRequestHandler for ErrorPages<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.handler
    }

    fn send_error(
        &self,
        http: &mut Exchange<'_>,
        code: Status,
        message: Option<&str>,
        explain: Option<&str>,
    ) -> io::Result<()> {
        let page = self.pages().pages.get(&code).filter(|_| !code.is_bodiless()).map(Arc::clone);
        let Some(page) = page else {
            return self.handler.send_error(http, code, message, explain);
        };
        http.announce_error(code, message)?;
        http.send_header("Content-Type", &page.kind)?;
        http.send_header("Content-Length", page.content.len())?;
        http.end_headers()?;
        http.wfile.write_all(&page.content)
    }

    fn handle_signal(&self, signal: Signal) {
        if signal == Signal::HUP
            && let Err(error) = self.reload()
        {
            report(format_args!("the old error pages stay: {error}"));
        }
        self.handler.handle_signal(signal);
    }
}

impl<H: fmt::Debug> fmt::Debug for ErrorPages<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorPages").field("handler", &self.handler).finish_non_exhaustive()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_small_file(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot read '{}': {error}", path.display()))
    })
}
