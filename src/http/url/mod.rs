//! URLs and queries, taken apart and quoted: Python's `urllib.parse`.
//!
//! ```
//! use socketserver::http::url::{parse_qs, unquote, urlsplit};
//!
//! let parts = urlsplit("/search/caf%C3%A9?q=rust&q=python#top")?;
//! assert_eq!(unquote(&parts.path), "/search/café");
//! let query = parse_qs(&parts.query);
//! assert_eq!(query.get("q"), Some(&["rust".to_owned(), "python".to_owned()][..]));
//! # Ok::<(), socketserver::http::url::ValueError>(())
//! ```
//!
//! Results are those of CPython 3.13 with its later security fixes, for text. Escapes are UTF-8, as
//! they are in Python unless a program asks for another encoding.

mod netloc;
mod query;
mod quote;
mod split;
mod value_error;

pub use query::{Query, QueryOptions, parse_qs, parse_qsl, urlencode};
#[doc(alias = "quote_from_bytes")]
pub use quote::quote;
pub use quote::{quote_plus, quote_with, unquote, unquote_plus, unquote_to_bytes};
pub use split::{ParseResult, SplitResult, urlparse, urlsplit};
pub use value_error::ValueError;
