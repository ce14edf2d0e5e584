//! How a request for a file is answered: as a whole, in part, or by what the client has already.

use std::io;

use super::answer::Answer;
use super::byteranges::{ByteRanges, content_range};
use super::conditional::Precondition;
use super::content::FileContent;
use super::mime;
use super::range::{Selection, select};
use crate::http::exchange::Exchange;
#[cfg(feature = "compression")]
use crate::http::exchange::Unmodified;
use crate::http::message::date;

impl FileContent {
    /// Begins the response that is due for this file and request: its status and the fields that
    /// are the file's. [`send`](Self::send) sends what it announces.
    ///
    /// | response | fields |
    /// |---|---|
    /// | 200, all of it | `Content-type`, `Content-Length`, `Last-Modified`, `ETag`, `Accept-Ranges` |
    /// | 206, the part or the parts that GET asks for by `Range` | the same without `Accept-Ranges`, with `Content-Range`, or as `multipart/byteranges` |
    /// | 304, the client has it ([`precondition`](Self::precondition)) | `ETag` |
    /// | 412, the client means another one | `Content-Length: 0` |
    /// | 416, the parts lie beyond the end | `Content-Range`, `Content-Length: 0` |
    ///
    /// Up to 64 parts are sent, if they do not overlap; otherwise the whole is. `ETag` and
    /// `Last-Modified` are sent where there is [one](Self::etag) and [the
    /// other](Self::last_modified).
    ///
    /// Further fields may be sent before [`end_headers`](Exchange::end_headers):
    ///
    /// ```
    /// use std::io;
    /// use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};
    ///
    /// struct Download {
    ///     files: SimpleHttpRequestHandler,
    /// }
    ///
    /// impl HttpRequestHandler for Download {
    ///     fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
    ///         let mut file = self.files.open(http)?;
    ///         file.begin_response(http, "application/octet-stream")?;
    ///         http.send_header("Content-Disposition", "attachment")?;
    ///         http.end_headers()?;
    ///         file.send(&mut http.wfile)
    ///     }
    ///
    ///     fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
    ///         self.do_get(http) // What is written as the body is dropped.
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// A response was begun before; the type cannot stand in a header.
    pub fn begin_response(
        &mut self,
        http: &mut Exchange<'_>,
        content_type: &str,
    ) -> io::Result<()> {
        self.answer = Answer::Nothing;
        let range = match self.evaluate(http) {
            Precondition::Holds { range } => range,
            Precondition::NotModified => {
                self.begin(http, 304)?;
                #[cfg(feature = "compression")]
                if http.notes.asks_what_is_unmodified {
                    http.notes.unmodified = Some(self.unmodified(content_type));
                }
                self.send_etag(http);
                return Ok(());
            }
            Precondition::Failed => {
                self.begin(http, 412)?;
                return http.send_header("Content-Length", 0);
            }
        };
        let size = self.size();
        let selection = if range { self.selection(http) } else { Selection::Whole };
        let (answer, length) = match selection {
            Selection::Whole => (Answer::Whole, size),
            Selection::Unsatisfiable => {
                self.begin(http, 416)?;
                http.send_header("Content-Range", format_args!("bytes */{size}"))?;
                return http.send_header("Content-Length", 0);
            }
            Selection::Part(part) => {
                let length = part.end - part.start;
                (Answer::Part(part), length)
            }
            Selection::Parts(parts) => {
                let parts = ByteRanges::new(&parts, size, content_type)?;
                let length = parts.length();
                // With what stands between the parts it may be more than the whole.
                if length < size { (Answer::Parts(parts), length) } else { (Answer::Whole, size) }
            }
        };
        self.answer = answer;
        self.announce(http, content_type, length)
    }

    fn begin(&self, http: &mut Exchange<'_>, code: u16) -> io::Result<()> {
        http.send_response(code)?;
        if self.is_negotiated {
            http.add_plain_header("Vary", "Accept-Encoding");
        }
        Ok(())
    }

    #[cfg(feature = "compression")]
    fn unmodified(&self, content_type: &str) -> Unmodified {
        if self.is_coded() {
            return Unmodified::Coded;
        }
        Unmodified::Plain { content_type: content_type.to_owned(), size: self.size() }
    }

    /// Tells whether the content has a coding of which the response speaks.
    fn is_coded(&self) -> bool {
        self.coding.is_some() || mime::coding(&self.path).is_some()
    }

    /// What the request's `Range` selects.
    fn selection(&self, http: &Exchange<'_>) -> Selection {
        let mut fields = http.headers.get_all("Range");
        let selection = match (fields.next(), fields.next()) {
            (Some(field), None) => select(field, self.size()),
            _ => Selection::Whole,
        };
        match selection {
            // Where the coding would be said: of the whole, or of each part.
            Selection::Parts(_) if self.is_coded() => Selection::Whole,
            selection => selection,
        }
    }

    fn announce(&self, http: &mut Exchange<'_>, content_type: &str, length: u64) -> io::Result<()> {
        let is_whole = matches!(self.answer, Answer::Whole);
        self.begin(http, if is_whole { 200 } else { 206 })?;
        match &self.answer {
            Answer::Parts(parts) => http.announce_multipart(parts.content_type()),
            _ => http.send_header("Content-type", content_type)?,
        }
        if let Some(coding) = self.coding {
            http.send_header("Content-Encoding", coding.name())?;
        } else if let Some((coding, inside)) = mime::coding(&self.path) {
            http.announce_coding(coding, inside);
        }
        http.send_header("Content-Length", length)?;
        if let Answer::Part(part) = &self.answer {
            http.send_header("Content-Range", content_range(part, self.size()))?;
        }
        if let Some(time) = self.last_modified() {
            http.add_plain_header("Last-Modified", &date::http_date(time));
        }
        self.send_etag(http);
        if is_whole {
            http.add_plain_header("Accept-Ranges", "bytes");
        }
        Ok(())
    }

    fn send_etag(&self, http: &mut Exchange<'_>) {
        if let Some(etag) = self.etag() {
            http.add_plain_header("ETag", etag);
        }
    }
}
