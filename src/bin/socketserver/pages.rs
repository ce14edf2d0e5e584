//! Options about where and how files appear.

use std::io;
use std::path::PathBuf;

use clap::Args;
use socketserver::http::{
    BaseHttpRequestHandler, Compression, ErrorPages, HttpRequestHandler, Status, StatusPages,
    UrlPrefix,
};

use crate::choices::Listings;
use crate::token::is_token;
use crate::uploads::Uploading;
use crate::values::number;

/// The options.
#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub(crate) struct Pages {
    /// announce files of text with this charset, such as utf-8
    #[arg(long, value_name = "NAME", value_parser = charset)]
    pub(crate) charset: Option<String>,

    /// send responses compressed, to clients that accept it
    ///
    /// app.js.br, app.js.zst or app.js.gz is sent in the place of app.js, unless -d names one file;
    /// make them anew when the file changes. Other text of 1 KiB and more is compressed with gzip
    /// as it is sent, for clients that speak HTTP/1.1, whatever -p says. For requests with a cookie
    /// or a password that holds for files alone, three seconds after their last change: listings
    /// are not compressed, nor is the output of programs that has no ETag or Last-Modified.
    #[arg(long)]
    pub(crate) compress: bool,

    /// answer this error with this file; may be repeated
    ///
    /// The file, of at most 1 MiB, is read at the start, and again on SIGHUP. It is sent with the
    /// status of the error. The addresses of styles and images in it have to begin with a slash, as
    /// it is shown at any path. Sent without a page are 416, 412 but for uploads, and the 503 of
    /// --overload refuse.
    #[arg(long, value_name = "CODE=PATH", value_parser = error_page)]
    error_page: Vec<(Status, PathBuf)>,

    /// Those pages, once they are read.
    #[arg(skip)]
    pages: StatusPages,

    /// how directories are listed: plain, table or off
    ///
    /// plain is Python's page; table has sizes and times, can be sorted, and is JSON for clients
    /// that ask for it by Accept: application/json; off answers 403.
    #[arg(long, value_name = "STYLE")]
    #[arg(value_enum, hide_possible_values = true, default_value_t = Listings::Plain)]
    pub(crate) listing: Listings,

    /// answer what is no file by the index page, for single-page apps
    ///
    /// index.html is sent with status 200 for paths that look like pages: the last name has no
    /// suffix, or the client asks for HTML by Accept, as browsers do. Scripts and images that are
    /// missing are 404, as is what begins with a dot. The addresses of scripts in the page have to
    /// begin with a slash, as it is shown at any path. No directory is listed. The page is sent
    /// with Cache-Control: no-cache.
    #[arg(long)]
    pub(crate) spa: bool,

    /// serve below this path, such as /docs
    ///
    /// For proxies that do not take the prefix away. /docs leads to /docs/, other paths are 404.
    /// The paths of --metrics and --healthz are below it, too. Addresses in pages are sent as they
    /// are: those that begin with a slash need the prefix.
    #[arg(long, value_name = "PATH", value_parser = url_prefix)]
    url_prefix: Option<String>,

    #[command(flatten)]
    pub(crate) uploading: Uploading,
}

impl Pages {
    /// Checks what goes together, and reads the files of error pages.
    ///
    /// # Errors
    ///
    /// One cannot be used. The text is the line for the user.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        if self.spa && matches!(self.listing, Listings::Table) {
            return Err("--spa lists no directory; leave out --listing".to_owned());
        }
        let codes: Vec<_> = self.error_page.iter().map(|(code, _)| code.code()).collect();
        let mut places = codes.iter().enumerate();
        if let Some((_, code)) = places.find(|(place, code)| codes[..*place].contains(code)) {
            return Err(format!("--error-page: {code} is given twice; leave out one of the two"));
        }
        let mut pages = StatusPages::default();
        if let Some(charset) = &self.charset {
            pages = pages.charset(charset);
        }
        let mut files = self.error_page.iter();
        let read = files.try_fold(pages, |pages, (code, path)| pages.file(*code, path));
        self.pages = read.map_err(|error| format!("--error-page: {error}"))?;
        Ok(())
    }

    /// Tells whether SIGHUP has something to read.
    pub(crate) fn has_files(&self) -> bool {
        !self.error_page.is_empty()
    }

    /// Tells whether any handler is put around that of the files.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.compress || self.url_prefix.is_some() || !self.error_page.is_empty()
    }

    /// Compresses the responses of a handler, if that is asked for.
    pub(crate) fn compress(
        &self,
        handler: Box<dyn HttpRequestHandler>,
    ) -> Box<dyn HttpRequestHandler> {
        if self.compress { Box::new(Compression::new(handler)) } else { handler }
    }

    /// Answers the errors of a handler with pages, if that is asked for.
    pub(crate) fn answer_errors(
        &self,
        handler: Box<dyn HttpRequestHandler>,
    ) -> Box<dyn HttpRequestHandler> {
        match self.has_files() {
            true => Box::new(ErrorPages::new(handler, self.pages.clone())),
            false => handler,
        }
    }

    /// The path of the directory that is served, which ends with a slash.
    pub(crate) fn root(&self) -> String {
        format!("{}/", self.url_prefix.as_deref().unwrap_or_default().trim_end_matches('/'))
    }

    /// Puts a handler below the prefix, if there is one.
    ///
    /// # Errors
    ///
    /// None, as the prefix was checked.
    pub(crate) fn below_prefix(
        &self,
        handler: Box<dyn HttpRequestHandler>,
    ) -> io::Result<Box<dyn HttpRequestHandler>> {
        match &self.url_prefix {
            Some(prefix) => Ok(Box::new(UrlPrefix::new(handler, prefix)?)),
            None => Ok(handler),
        }
    }
}

/// A name that may stand in a content type. There are hundreds, of which only the usual family is
/// compared with what browsers know (the Encoding standard's labels).
fn charset(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    let known = ["utf-8", "utf8", "utf-16", "utf-16le", "utf-16be"];
    match () {
        () if !is_token(text) => Err("a charset is a word, such as utf-8"),
        () if name.starts_with("utf") && !known.contains(&&*name) => {
            Err("browsers know no such charset; utf-8 is the usual one")
        }
        () => Ok(text.to_owned()),
    }
}

fn error_page(text: &str) -> Result<(Status, PathBuf), &'static str> {
    let page = text.split_once('=').and_then(|(code, path)| {
        let code = number(code).filter(|code: &u16| (400..600).contains(code))?;
        (!path.is_empty()).then_some((Status::try_from(code).ok()?, path.into()))
    });
    match page {
        Some((Status::RANGE_NOT_SATISFIABLE, _)) => Err("416 is sent without a page"),
        Some(page) => Ok(page),
        None => Err("CODE=PATH is expected, such as 404=404.html, with a code from 400 to 599"),
    }
}

fn url_prefix(text: &str) -> Result<String, String> {
    let checked = UrlPrefix::new(BaseHttpRequestHandler, text);
    checked.map(|_| text.to_owned()).map_err(|error| error.to_string())
}
