//! A field of a form.

use std::fmt;
use std::io::{self, Read};
use std::ops::Deref;

use super::form_file::FormFile;
use super::options::Encoding;
use super::part_head::PartHead;
use super::spool::Content;

/// A field of a [`FieldStorage`](super::FieldStorage), with its [head](PartHead): `field.name`,
/// `field.filename`.
#[derive(Clone)]
pub struct Field {
    head: PartHead,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Text(String),
    /// Text whose bytes are not those of UTF-8.
    Decoded {
        text: String,
        bytes: Content,
    },
    File(Content),
}

impl Field {
    pub(super) fn text(head: PartHead, bytes: Vec<u8>, encoding: Encoding) -> Self {
        let body = match encoding {
            Encoding::Utf8 => {
                String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes)
            }
            Encoding::Latin1 => Err(bytes),
        };
        let body = body.map_or_else(
            |bytes| Body::Decoded { text: encoding.decode(&bytes), bytes: Content::Memory(bytes) },
            Body::Text,
        );
        Self { head, body }
    }

    pub(super) fn file_of(head: PartHead, content: Content) -> Self {
        Self { head, body: Body::File(content) }
    }

    pub(super) fn pair((name, value): (String, String)) -> Self {
        Self { head: PartHead::named(name), body: Body::Text(value) }
    }

    /// The text of the field; `None` for an uploaded file, see [`bytes`](Self::bytes).
    ///
    /// Python's `field.value` is text or bytes, as the field has it.
    pub fn value(&self) -> Option<&str> {
        match &self.body {
            Body::Text(text) | Body::Decoded { text, .. } => Some(text),
            Body::File(_) => None,
        }
    }

    /// The content as it came, to be read from its beginning. Python's `field.file`, which there is
    /// for text, too.
    pub fn file(&self) -> FormFile<'_> {
        match &self.body {
            Body::Text(text) => FormFile::new(text.as_bytes()),
            Body::Decoded { bytes: content, .. } | Body::File(content) => FormFile::of(content),
        }
    }

    /// The whole content as it came: Python's `field.file.read()`.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be read.
    #[doc(alias = "value")]
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Deref for Field {
    type Target = PartHead;

    fn deref(&self) -> &PartHead {
        &self.head
    }
}

/// As Python's `repr` has it: the name, the file's name, and the text or the length.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Field");
        shown.field("name", &self.name).field("filename", &self.filename);
        match self.value() {
            Some(text) => shown.field("value", &text),
            None => shown.field("len", &self.file().len()),
        };
        shown.finish_non_exhaustive()
    }
}
