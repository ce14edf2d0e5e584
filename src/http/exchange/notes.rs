//! What handlers around another one have found out, for those within and for the log.

use super::Exchange;

/// Empty until a handler has something to say.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    remote_user: Option<String>,
    /// The message of the error that was answered, for a log that writes it with the request.
    pub(crate) error: Option<String>,
    /// What is logged now is that error.
    pub(crate) is_error_logged: bool,
    /// What handlers around have taken from the path.
    url_prefix: String,
    /// The page that has made the request is of an origin that may do so, as it is named.
    pub(crate) is_origin_named: bool,
    #[cfg(feature = "compression")]
    /// The tags of compressed responses that the client has, as it wrote them.
    pub(crate) compressed_tags: Option<String>,
    #[cfg(feature = "compression")]
    /// A handler around wants to know what the client has where that is unmodified.
    pub(crate) asks_what_is_unmodified: bool,
    #[cfg(feature = "compression")]
    /// What the client has, of a file.
    pub(crate) unmodified: Option<Unmodified>,
    #[cfg(feature = "auth")]
    /// Why a handler around the others has refused the request.
    pub(crate) refused: Option<Refused>,
}

#[cfg(feature = "compression")]
/// What a client has of a file, so that it is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmodified {
    /// It is compressed as it is.
    Coded,
    Plain {
        content_type: String,
        /// Bytes.
        size: u64,
    },
}

#[cfg(feature = "auth")]
/// Why a request was refused whose user is to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The client is to say who its user is.
    Unknown,
    /// Too many passwords are being verified.
    Busy,
}

impl Exchange<'_> {
    /// What a [`UrlPrefix`](crate::http::UrlPrefix) around this handler has taken from the front of
    /// [`path`](Self::path), as `/docs`; otherwise empty. A link of this server that begins with a
    /// slash has it at its front.
    #[doc(alias = "root_path")]
    pub fn url_prefix(&self) -> &str {
        &self.notes.url_prefix
    }

    /// Tells whether the client speaks nothing newer than HTTP/1.0.
    #[cfg(feature = "compression")]
    pub(crate) fn is_http10(&self) -> bool {
        self.is_http10
    }

    pub(crate) fn add_url_prefix(&mut self, prefix: &str) {
        self.notes.url_prefix.push_str(prefix);
    }

    /// The user whose password was verified, by a `BasicAuth` around this handler or by a handler
    /// of your own.
    ///
    /// What a client merely says, in `Authorization`, is not this.
    #[doc(alias = "REMOTE_USER")]
    pub fn remote_user(&self) -> Option<&str> {
        self.notes.remote_user.as_deref()
    }

    /// Names the user, for handlers that verify passwords in their own way: logs that name users
    /// have it from here, and programs have it as `REMOTE_USER`.
    pub fn set_remote_user(&mut self, name: impl Into<String>) {
        self.notes.remote_user = Some(name.into());
    }
}
