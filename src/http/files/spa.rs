//! Applications of one page, whose addresses name no files.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::SimpleHttpRequestHandler;
use super::hooks::FileHooks;
use super::no_file::NoFile;
use crate::http::exchange::Exchange;
use crate::http::message::accept;
use crate::http::message::status::Status;
use crate::os::name_bytes;

impl<K> SimpleHttpRequestHandler<K> {
    /// Answers paths that name no file with the index page of the directory, and 200: for
    /// single-page applications, which make up addresses of their own, and are asked for them when
    /// a page is reloaded or a link is followed from elsewhere.
    ///
    /// It is about GET and HEAD, and about what looks like a page:
    ///
    /// | path | answer |
    /// |---|---|
    /// | a file, or a directory with an index page | that, as ever |
    /// | `/users/7`: the last name has no suffix, and the client takes HTML | the application's page |
    /// | `/users/jane.doe`: it has one, and `Accept` names `text/html`, as browsers do for what they show as a page | the application's page |
    /// | `/app.js`: it has one, and `Accept` is `*/*`, as for scripts, images and `fetch` | 404 |
    /// | a directory without an index page | as a path that is no file; it is never listed |
    /// | `/app.js/`: a file's name, and a slash | as a path that is no file |
    /// | a name that begins with a dot, or one below it; what is outside of a [`confined`](Self::confined) directory, unreadable, or a pipe | 404 |
    ///
    /// The page has `Cache-Control: no-cache` under all its addresses, `/` included: it names the
    /// scripts of one build, and an old page asks for some that are gone. It is asked for again
    /// each time, and answered 304 while it is the same. As `Accept` may decide, `Vary: Accept` is
    /// sent with it where it stands in for another path, and with 404.
    ///
    /// Where there is no index page, nothing stands in, and no directory is listed either.
    /// [`open`](Self::open) finds the page, too, and sends neither field. CPython has nothing
    /// alike: there one overrides `translate_path` or `send_head`.
    #[doc(alias = "try_files")]
    #[doc(alias = "historyApiFallback")]
    #[doc(alias = "fallback")]
    #[must_use]
    pub fn spa_fallback(mut self) -> Self {
        self.is_spa = true;
        self
    }
}

// nginx's and Caddy's `try_files` and `serve -s` send the page for whatever is missing, so that a
// browser takes it for a script; Vite looks at `Accept` alone, and does the same for `*/*`.
// connect-history-api-fallback asks for HTML in `Accept` and no dot in the last name, ASP.NET Core
// (`{*path:nonfile}`) and sirv for no dot, and a user called `jane.doe` has no page there.
impl<K: FileHooks> SimpleHttpRequestHandler<K> {
    /// The application's page, where that is due for a path at which there is no file.
    pub(super) fn app_page(
        &self,
        http: &Exchange<'_>,
        path: &Path,
        why: &NoFile,
    ) -> Option<(PathBuf, Metadata)> {
        let relative = path.strip_prefix(&self.tree.directory).ok()?;
        let is_hidden = |name: &Path| name_bytes(name).starts_with(b".");
        let is_due = matches!(http.command.as_str(), "GET" | "HEAD")
            && !relative.iter().any(|name| is_hidden(Path::new(name)))
            && looks_like_a_page(http, relative)
            && match why {
                NoFile::Directory(_) => true,
                NoFile::NotFound => self.is_absent(path),
                NoFile::NoSlash | NoFile::Exhausted => false,
            };
        if is_due { self.index_page(&self.tree.directory) } else { None }
    }

    /// Tells whether there is nothing at a path at which no file was found, rather than something
    /// that may not be served.
    fn is_absent(&self, path: &Path) -> bool {
        match self.tree.metadata(path) {
            // A file is no directory. The kernel says so where the slash gets to it, which it does
            // not in a confined tree.
            Ok(_) => name_bytes(path).ends_with(b"/"),
            // Others say that there is something, or that it lies outside.
            Err(error) => matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename
            ),
        }
    }

    /// Sends the fields of the application's page, if this file is that.
    pub(super) fn say_if_app(&self, http: &mut Exchange<'_>, file: &Path) {
        if !self.is_spa || !self.is_app_page(file) {
            return;
        }
        http.add_plain_header("Cache-Control", "no-cache");
        let named = self.translate_path(http, &http.path);
        if named != file && named != self.tree.directory {
            http.add_plain_header("Vary", "Accept");
        }
    }

    fn is_app_page(&self, file: &Path) -> bool {
        let name = file.file_name().and_then(|name| name.to_str());
        file.parent() == Some(&self.tree.directory)
            && name.is_some_and(|name| self.hooks.index_pages().contains(&name))
    }

    /// Says that others might have got the application's page, where this one gets 404.
    pub(super) fn vary_if_missing(&self, http: &mut Exchange<'_>) {
        if self.is_spa && http.status() == Some(Status::NOT_FOUND) {
            http.add_plain_header("Vary", "Accept");
        }
    }
}

fn looks_like_a_page(http: &Exchange<'_>, relative: &Path) -> bool {
    let has_suffix = relative.extension().is_some_and(|suffix| !suffix.is_empty());
    if has_suffix {
        accept::names(&http.headers, "text/html")
    } else {
        accept::allows(&http.headers, "text/html")
    }
}
