//! Reads a form's fields from wherever they stand.

use std::io::Read;

use super::environ::{Environ, is_multipart, is_urlencoded};
use super::error::FormError;
use super::field::Field;
use super::form_file::FormFile;
use super::header::HeaderParams;
use super::multipart::Multipart;
use super::options::{Encoding, FormOptions};
use super::part::Part;
use super::save::copy;
use super::spool::{Content, Spool};
use super::urlencoded::parse_qsl;

/// A form that is being read.
pub(super) struct Reader<'a> {
    spool: Spool,
    pub(super) list: Vec<Field>,
    options: &'a FormOptions,
}

impl<'a> Reader<'a> {
    pub(super) fn new(options: &'a FormOptions) -> Self {
        let spool = Spool::new(options.spool_threshold, options.limits.max_memory);
        Self { spool, list: Vec::new(), options }
    }

    /// Reads all fields, or the body that is no form.
    pub(super) fn read(
        &mut self,
        fp: impl Read,
        environ: &Environ<'_>,
        content_type: &str,
        type_options: &HeaderParams,
    ) -> Result<Option<Content>, FormError> {
        let query = environ.query();
        if environ.is_bodiless() {
            self.urlencoded(&query)?;
        } else if is_urlencoded(content_type) {
            self.urlencoded(&self.whole(fp)?)?;
            self.urlencoded(&query)?;
        } else if is_multipart(content_type) {
            self.urlencoded(&query)?;
            self.multipart(fp, type_options.get("boundary").unwrap_or_default())?;
        } else {
            return self.raw(fp).map(Some);
        }
        Ok(None)
    }

    /// A URL-encoded body.
    fn whole(&self, fp: impl Read) -> Result<Vec<u8>, FormError> {
        let limits = &self.options.limits;
        let most = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX).min(limits.max_memory);
        let mut body = Vec::new();
        fp.take((most as u64).saturating_add(1))
            .read_to_end(&mut body)
            .map_err(FormError::from_read)?;
        match body.len() {
            length if length <= most => Ok(body),
            _ if most < limits.max_memory => Err(FormError::TooLong(limits.max_bytes)),
            _ => Err(FormError::TooMuchText(limits.max_memory)),
        }
    }

    fn urlencoded(&mut self, text: &[u8]) -> Result<(), FormError> {
        let options = self.options;
        parse_qsl(text, options, |name, value| {
            let most = options.limits.max_field_bytes;
            if value.len() > most {
                return Err(FormError::FieldTooLong(most));
            }
            self.spool.charge(name.len() + value.len())?;
            self.add(Field::pair((name, value)))
        })
    }

    fn multipart(&mut self, fp: impl Read, boundary: &str) -> Result<(), FormError> {
        let mut encoding = self.options.encoding;
        let mut multipart = Multipart::new(fp, boundary, self.options.limits)?;
        while let Some(part) = multipart.next_part()? {
            let field = self.part(part, encoding)?;
            if field.name.as_deref() == Some("_charset_") {
                encoding = field.value().and_then(Encoding::named).unwrap_or(encoding);
            }
            self.add(field)?;
        }
        Ok(())
    }

    fn part<R: Read>(
        &mut self,
        mut part: Part<'_, R>,
        encoding: Encoding,
    ) -> Result<Field, FormError> {
        let head: usize = part.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.spool.charge(head)?;
        if part.is_file() {
            let content = self.spool.file(&mut part, |part, file| part.copy_to(file))?;
            return Ok(Field::file_of(part.into_head(), content));
        }
        let text = self.spool.text(&mut part, self.options.limits.max_field_bytes)?;
        let head = part.into_head();
        let own = head.type_options.get("charset").and_then(Encoding::named);
        Ok(Field::text(head, text, own.unwrap_or(encoding)))
    }

    fn raw(&mut self, fp: impl Read) -> Result<Content, FormError> {
        let most = self.options.limits.max_bytes;
        let mut input = fp.take(most.saturating_add(1));
        let content = self.spool.file(&mut input, |input, file| copy(input, file))?;
        if FormFile::of(&content).len() > most {
            Err(FormError::TooLong(most))
        } else {
            Ok(content)
        }
    }

    fn add(&mut self, field: Field) -> Result<(), FormError> {
        let most = self.options.limits.max_num_fields;
        if self.list.len() == most {
            return Err(FormError::TooManyFields(most));
        }
        self.list.push(field);
        Ok(())
    }
}
