//! A handler of one file.

use std::path::{Path, PathBuf};

use super::SimpleHttpRequestHandler;

impl SimpleHttpRequestHandler {
    /// Serves this one file, at `/` and at `/NAME`, where `NAME` is its own: `/report.pdf` for
    /// `out/report.pdf`.
    ///
    /// Nothing else of its directory is reached, listed or told of: every other path is 404. The
    /// file need not exist yet, and is looked up for each request, as any other is; if it is a
    /// symbolic link, that is followed, unless the handler is [`confined`](Self::confined) and it
    /// leads out of its directory. With [`hiding_dot_files`](Self::hiding_dot_files) a name that
    /// begins with a dot is hidden here, too. A path without a name, as `/` or `..`, is no file,
    /// and nothing is served. CPython has nothing alike.
    ///
    /// ```
    /// use socketserver::ThreadingHttpServer;
    /// use socketserver::http::SimpleHttpRequestHandler;
    ///
    /// let report = SimpleHttpRequestHandler::file("out/report.pdf");
    /// let server = ThreadingHttpServer::bind("127.0.0.1:0", report)?;
    /// # let _ = server;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn file(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let mut files = Self::new(path.parent().unwrap_or(path));
        // Spelled as the path of a target is.
        files.tree.sole = Some(files.tree.directory.join(path.file_name().unwrap_or_default()));
        files
    }
}

impl<K> SimpleHttpRequestHandler<K> {
    /// The only file, where the path is that of its directory.
    pub(super) fn sole_at(&self, path: &Path) -> Option<PathBuf> {
        self.tree.sole.clone().filter(|_| path == self.tree.directory)
    }
}
