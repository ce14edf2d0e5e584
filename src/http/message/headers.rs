//! The header fields of a request.

use std::fmt;
use std::ops::Range;

use super::text::Latin1;

/// A request's header fields, in the order and spelling in which they came.
///
/// Names are found whatever their case. Values are text of ISO 8859-1, as in Python, without
/// the blanks around them.
#[derive(Clone, Default)]
pub struct Headers {
    /// All names and values, one after the other.
    text: String,
    fields: Vec<Field>,
}

#[derive(Clone)]
struct Field {
    name: Range<u32>,
    value: Range<u32>,
}

impl Headers {
    pub(crate) fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), fields: Vec::with_capacity(fields) }
    }

    /// Adds a field. A head is far below 4 GiB, so that its positions fit.
    pub(crate) fn push(&mut self, name: &str, value: &[u8], decoder: Latin1<'_>) {
        let start = self.position();
        self.text.push_str(name);
        let name_end = self.position();
        decoder.push(&mut self.text, value);
        let (name, value) = (start..name_end, name_end..self.position());
        self.fields.push(Field { name, value });
    }

    /// Adds a field that is text already.
    pub(crate) fn push_text(&mut self, name: &str, value: &str) {
        let start = self.position();
        self.text.push_str(name);
        let name_end = self.position();
        self.text.push_str(value);
        let (name, value) = (start..name_end, name_end..self.position());
        self.fields.push(Field { name, value });
    }

    /// Gives the first field of that name another value, or adds one that has it.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let Some(field) = self.fields.iter().position(|field| self.is_named(field, name)) else {
            return self.push_text(name, value);
        };
        let start = self.position();
        self.text.push_str(value);
        self.fields[field].value = start..self.position();
    }

    /// Gives fields of that name other values, where there is another one.
    #[cfg(feature = "compression")]
    pub(crate) fn replace(&mut self, name: &str, other: impl Fn(&str) -> Option<String>) {
        for field in 0..self.fields.len() {
            if !self.is_named(&self.fields[field], name) {
                continue;
            }
            if let Some(text) = other(self.slice(&self.fields[field].value)) {
                let start = self.position();
                self.text.push_str(&text);
                self.fields[field].value = start..self.position();
            }
        }
    }

    /// The first value of that name: Python's `headers.get(name)` and `headers[name]`.
    #[doc(alias = "headers.get")]
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| self.is_named(field, name))?;
        Some(self.slice(&field.value))
    }

    /// All values of that name, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |field| self.is_named(field, name))
            .map(|field| self.slice(&field.value))
    }

    /// Tells whether a field of that name came: Python's `name in headers`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All fields, in order: Python's `headers.items()`.
    #[doc(alias = "items")]
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| (self.slice(&field.name), self.slice(&field.value)))
    }

    /// How many fields there are, repeated ones included.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Tells whether there are no fields, as in every HTTP/0.9 request.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Tells whether a field has this name. Most have another length.
    fn is_named(&self, field: &Field, name: &str) -> bool {
        field.name.len() == name.len() && self.slice(&field.name).eq_ignore_ascii_case(name)
    }

    fn position(&self) -> u32 {
        self.text.len() as u32
    }

    fn slice(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// As a message has them: `Name: value` lines.
impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))
    }
}
