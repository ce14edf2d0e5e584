//! The fields of a query or of a simple form.

use std::collections::HashMap;

use super::quote::{quote_plus, unquote_plus};
use super::value_error::ValueError;
use crate::work;

/// Reads a query into lists by name: Python's `parse_qs`.
///
/// Fields without a value are left out; [`QueryOptions`] keeps them, and limits how many there may
/// be.
///
/// ```
/// # use socketserver::http::url::parse_qs;
/// let query = parse_qs("name=Ada&lang=en&lang=fr");
/// assert_eq!(query.first("name"), Some("Ada"));
/// assert_eq!(query.get("lang").map(<[String]>::len), Some(2));
/// ```
pub fn parse_qs(qs: &str) -> Query {
    Query::new(parse_qsl(qs))
}

/// Reads a query into names and values, in order: Python's `parse_qsl`.
pub fn parse_qsl(qs: &str) -> Vec<(String, String)> {
    // Nothing is refused unless an option says so.
    QueryOptions::default().parse_qsl(qs).unwrap_or_default()
}

/// How to read a query: Python's keyword arguments of `parse_qs` and `parse_qsl`.
///
/// ```
/// # use socketserver::http::url::QueryOptions;
/// let options = QueryOptions::default().keep_blank_values(true);
/// assert_eq!(options.parse_qs("debug&page=2")?.first("debug"), Some(""));
/// # Ok::<(), socketserver::http::url::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct QueryOptions<'a> {
    keep_blank_values: bool,
    strict_parsing: bool,
    max_num_fields: Option<usize>,
    separator: &'a str,
}

impl Default for QueryOptions<'_> {
    fn default() -> Self {
        Self {
            keep_blank_values: false,
            strict_parsing: false,
            max_num_fields: None,
            separator: "&",
        }
    }
}

impl<'a> QueryOptions<'a> {
    /// Keeps fields without a value. Defaults to `false`.
    pub fn keep_blank_values(mut self, kept: bool) -> Self {
        self.keep_blank_values = kept;
        self
    }

    /// Refuses a field without `=`. Defaults to `false`.
    pub fn strict_parsing(mut self, strict: bool) -> Self {
        self.strict_parsing = strict;
        self
    }

    /// The largest number of fields. Defaults to `None`: a request's head bounds its query.
    pub fn max_num_fields(mut self, fields: impl Into<Option<usize>>) -> Self {
        self.max_num_fields = fields.into();
        self
    }

    /// What stands between fields. Defaults to `&`.
    pub fn separator(mut self, separator: &'a str) -> Self {
        self.separator = separator;
        self
    }

    /// Reads a query into lists by name.
    ///
    /// # Errors
    ///
    /// As [`parse_qsl`](Self::parse_qsl).
    pub fn parse_qs(&self, qs: &str) -> Result<Query, ValueError> {
        self.parse_qsl(qs).map(Query::new)
    }

    /// Reads a query into names and values, in order.
    ///
    /// # Errors
    ///
    /// There are too many fields, a field is refused, or the separator is empty.
    pub fn parse_qsl(&self, qs: &str) -> Result<Vec<(String, String)>, ValueError> {
        if self.separator.is_empty() {
            return Err(ValueError::EmptySeparator);
        }
        if qs.is_empty() {
            return Ok(Vec::new());
        }
        let most = self.max_num_fields.unwrap_or(usize::MAX);
        work::note(qs.len());
        if qs.split(self.separator).nth(most).is_some() {
            return Err(ValueError::TooManyFields);
        }
        qs.split(self.separator).filter_map(|field| self.field(field)).collect()
    }

    fn field(&self, field: &str) -> Option<Result<(String, String), ValueError>> {
        let (name, value) = match field.split_once('=') {
            Some(parts) => parts,
            None if self.strict_parsing => {
                return Some(Err(ValueError::BadQueryField(field.to_owned())));
            }
            None => (field, ""),
        };
        let is_kept = !value.is_empty() || (self.keep_blank_values && !field.is_empty());
        is_kept.then(|| Ok((unquote_plus(name), unquote_plus(value))))
    }
}

/// The fields of a query, by name: the dict that Python's `parse_qs` returns.
///
/// Names come in the order in which each was first seen, values in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    fields: Vec<(String, Vec<String>)>,
}

impl Query {
    fn new(pairs: Vec<(String, String)>) -> Self {
        // A list alone would take time by the square of what a client sends.
        let mut positions = HashMap::new();
        let mut lists: Vec<Vec<String>> = Vec::new();
        for (name, value) in pairs {
            let position = *positions.entry(name).or_insert(lists.len());
            match lists.get_mut(position) {
                Some(list) => list.push(value),
                None => lists.push(vec![value]),
            }
        }
        let mut names: Vec<_> = positions.into_iter().collect();
        names.sort_unstable_by_key(|(_, position)| *position);
        let names = names.into_iter().map(|(name, _)| name);
        Self { fields: names.zip(lists).collect() }
    }

    /// All values of that name, in order: Python's `query.get(name)`.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, values)| values)
    }

    /// The first value of that name: Python's `query[name][0]`.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.get(name)?.first().map(String::as_str)
    }

    /// Tells whether there is such a field: Python's `name in query`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All names with their values, in order: Python's `query.items()`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.fields.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Tells whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// Makes a query of names and values: Python's `urlencode`.
///
/// A name that has several values is given once for each, which is what Python's `doseq=True` is
/// for.
///
/// ```
/// # use socketserver::http::url::urlencode;
/// assert_eq!(urlencode([("name", "Ada Lovelace"), ("x", "1&2")]), "name=Ada+Lovelace&x=1%262");
/// ```
pub fn urlencode<K, V>(query: impl IntoIterator<Item = (K, V)>) -> String
where
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let pairs = query.into_iter();
    let pairs = pairs.map(|(name, value)| quote_plus(name) + "=" + &quote_plus(value));
    pairs.collect::<Vec<_>>().join("&")
}
