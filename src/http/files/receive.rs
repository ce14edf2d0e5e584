//! Which requests are uploads, and for which path.

use std::io;

use super::SimpleHttpRequestHandler;
#[cfg(feature = "forms")]
use super::directory::Listing;
use super::hooks::FileHooks;
#[cfg(feature = "forms")]
use super::uploads::is_form;
use crate::http::exchange::{BaseHttpRequestHandler, Exchange, HttpRequestHandler};

impl<K: FileHooks> SimpleHttpRequestHandler<K> {
    /// Answers a POST.
    pub(super) fn take_form(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        #[cfg(feature = "forms")]
        if let Some(receiver) = &self.receiver {
            let path = self.translate_path(http, &http.path);
            let is_shown = || self.listing != Listing::Off || self.index_page(&path).is_some();
            return receiver.post(http, &self.tree, &path, is_shown);
        }
        BaseHttpRequestHandler.do_post(http)
    }

    /// Answers a PUT.
    pub(super) fn take_file(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let Some(receiver) = &self.receiver else { return BaseHttpRequestHandler.do_put(http) };
        let path = self.translate_path(http, &http.path);
        receiver.put(http, &self.tree, &path)
    }

    /// Refuses a request whose body need not be read for that.
    pub(super) fn admit_body(&self, http: &Exchange<'_>) -> io::Result<()> {
        let Some(receiver) = &self.receiver else { return Ok(()) };
        let path = self.translate_path(http, &http.path);
        match http.command.as_str() {
            "PUT" => receiver.admit_put(http, &self.tree, &path).map(drop),
            // Others are a program's own.
            #[cfg(feature = "forms")]
            "POST" if is_form(http) => receiver.admit_post(http, &self.tree, &path).map(drop),
            _ => Ok(()),
        }
    }
}
