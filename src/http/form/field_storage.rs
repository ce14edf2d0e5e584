//! A whole form: Python's `cgi.FieldStorage`.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read};
use std::ops::Index;

use super::environ::Environ;
use super::error::FormError;
use super::field::Field;
use super::form_file::FormFile;
use super::header::HeaderParams;
use super::options::FormOptions;
use super::reader::Reader;
use super::spool::Content;
use crate::http::exchange::Exchange;

/// A form that has been read: its fields in the order in which they came, or the body of a request
/// that is no form.
///
/// | request | fields |
/// |---|---|
/// | GET, HEAD | the query's; the body is not read |
/// | `application/x-www-form-urlencoded`, and POST without a type | the body's, then the query's |
/// | `multipart/…` | the query's, then the parts |
/// | another type, and PUT without a type | no fields; the body is in [`file`](Self::file) |
///
/// That is what CPython does with CGI's environment; in the hands of a `BaseHTTPRequestHandler` it
/// never sees the query. It cannot read a body of another type at all (`TypeError`). A form that
/// ends early is an error here, and passes for a shorter one there.
///
/// Memory is bounded by [`FormLimits::max_memory`](super::FormLimits::max_memory): larger files go
/// to a temporary file in [`std::env::temp_dir`], one for the whole form, which has no name and is
/// gone with the form.
pub struct FieldStorage {
    /// The content type of the body, without its parameters.
    #[doc(alias = "type")]
    pub content_type: String,
    /// The parameters of the content type.
    pub type_options: HeaderParams,
    list: Vec<Field>,
    /// A body that is no form.
    body: Option<Content>,
}

impl FieldStorage {
    /// Reads the form of a request, with the default options:
    /// `cgi.FieldStorage(fp=self.rfile, headers=self.headers, environ=…)`.
    ///
    /// # Errors
    ///
    /// A limit is passed, the form is malformed or ends early, the connection or a file fails. By
    /// `?` in a handler, the request is answered accordingly.
    #[doc(alias = "parse")]
    pub fn read(http: &mut Exchange<'_>) -> Result<Self, FormError> {
        Self::read_with(http, &FormOptions::default())
    }

    /// Reads the form of a request with options of your own.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_with(http: &mut Exchange<'_>, options: &FormOptions) -> Result<Self, FormError> {
        let most = options.limits.max_bytes;
        let query = http.target().query().unwrap_or_default().to_owned();
        let environ = Environ::default()
            .request_method(&http.command)
            .query_string(&query)
            .content_type(http.headers.get("Content-Type"));
        if !environ.is_bodiless() && http.rfile.length().is_some_and(|length| length > most) {
            return Err(FormError::TooLong(most));
        }
        Self::new(&mut http.rfile, environ, options)
    }

    /// Reads a form from anywhere, to the end of `fp`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn new(
        fp: impl Read,
        environ: Environ<'_>,
        options: &FormOptions,
    ) -> Result<Self, FormError> {
        let (content_type, type_options) = environ.form_type();
        let content_type = content_type.to_owned();
        let mut reader = Reader::new(options);
        let body = reader.read(fp, &environ, &content_type, &type_options)?;
        Ok(Self { content_type, type_options, list: reader.list, body })
    }

    /// All fields in their order; empty for a body that is not a form.
    pub fn list(&self) -> &[Field] {
        &self.list
    }

    /// The first field of that name. `form["name"]` is the same, and panics without one.
    #[doc(alias = "__getitem__")]
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.get_all(name).next()
    }

    /// All fields of that name, in order: Python's `form[name]`, which is a list only if there are
    /// several.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Field> {
        self.list.iter().filter(move |field| field.name.as_deref() == Some(name))
    }

    /// The text of the first field of that name that is no file.
    ///
    /// Python's is a list where there are several, which its programs forget to expect; here that
    /// is [`getlist`](Self::getlist).
    pub fn getvalue(&self, name: &str) -> Option<&str> {
        self.get_all(name).find_map(Field::value)
    }

    /// The same as [`getvalue`](Self::getvalue). For a default, `unwrap_or` follows.
    pub fn getfirst(&self, name: &str) -> Option<&str> {
        self.getvalue(name)
    }

    /// The texts of all fields of that name that are no files, in order.
    pub fn getlist(&self, name: &str) -> Vec<&str> {
        self.get_all(name).filter_map(Field::value).collect()
    }

    /// The names of the fields, each once, in the order in which they first came.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let mut seen = HashSet::new();
        let names = self.list.iter().filter_map(|field| field.name.as_deref());
        names.filter(move |name| seen.insert(*name))
    }

    /// Tells whether a field of that name came: Python's `name in form`.
    #[doc(alias = "__contains__")]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// How many different names the fields have, as Python counts them; `list().len()` counts
    /// fields.
    #[doc(alias = "__len__")]
    pub fn len(&self) -> usize {
        self.keys().count()
    }

    /// Tells whether there are no fields: Python's `not form`.
    #[doc(alias = "__bool__")]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The body of a request that is not a form, to be read from its beginning; `None` of a form.
    pub fn file(&self) -> Option<FormFile<'_>> {
        self.body.as_ref().map(FormFile::of)
    }

    /// The whole body of a request that is not a form; `None` of a form.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be read.
    pub fn value(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.file() else { return Ok(None) };
        let mut value = Vec::new();
        file.read_to_end(&mut value)?;
        Ok(Some(value))
    }
}

/// The first field of that name.
///
/// # Panics
///
/// There is no such field, where Python's raises `KeyError`.
impl Index<&str> for FieldStorage {
    type Output = Field;

    fn index(&self, name: &str) -> &Field {
        self.get(name).unwrap_or_else(|| panic!("no field {name:?} in the form"))
    }
}

impl<'a> IntoIterator for &'a FieldStorage {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl fmt::Debug for FieldStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldStorage")
            .field("content_type", &self.content_type)
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}
