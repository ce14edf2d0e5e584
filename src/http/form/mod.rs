//! Forms and uploaded files: the heir of Python's `cgi.FieldStorage`.
//!
//! Python 3.13 dropped the module `cgi`, and left programs without a way to read a form. Here are
//! two ways:
//!
//! - [`FieldStorage::read`] reads the whole form: fields in memory, uploaded files beyond a
//!   threshold in a temporary file that has no name.
//! - [`Multipart`] hands out the parts of a `multipart/form-data` body one by one while they
//!   arrive, so that an upload goes straight to its file, of whatever size.
//!
//! ```
//! use std::io::{self, Write};
//! use socketserver::http::form::FieldStorage;
//! use socketserver::http::{Exchange, HttpRequestHandler};
//!
//! struct Greeter;
//!
//! impl HttpRequestHandler for Greeter {
//!     fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
//!         let form = FieldStorage::read(http)?;
//!         let name = form.getfirst("name").unwrap_or("stranger");
//!         http.send_response(200)?;
//!         http.end_headers()?;
//!         writeln!(http.wfile, "Hello, {name}!")
//!     }
//! }
//! ```
//!
//! Everything is limited, see [`FormLimits`]. A client that passes a limit is answered 413, one
//! whose form is malformed or ends early 400, and a full disk is 507, all by the `?` above: a
//! [`FormError`] becomes an [`io::Error`](std::io::Error) that says how to answer. Nothing of this
//! knows a socket: [`FieldStorage::new`] and [`Multipart::new`] take any [`Read`](std::io::Read).

mod delimiter;
mod environ;
mod error;
mod field;
mod field_storage;
mod form_file;
mod header;
mod limits;
mod multipart;
mod options;
mod part;
mod part_head;
mod part_reader;
mod reader;
mod save;
mod spool;
mod urlencoded;

#[doc(alias = "environ")]
pub use environ::Environ;
pub use error::FormError;
pub use field::Field;
pub use field_storage::FieldStorage;
pub use form_file::FormFile;
pub use header::{HeaderParams, parse_header};
pub use limits::FormLimits;
#[doc(alias = "parse_multipart")]
pub use multipart::Multipart;
pub use options::{Encoding, FormOptions};
pub use part::Part;
#[doc(alias = "MiniFieldStorage")]
pub use part_head::PartHead;
pub use save::safe_filename;
