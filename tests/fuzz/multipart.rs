//! What is true of every multipart body.

use std::io::Read;

use socketserver::http::form::{Environ, FieldStorage, FormLimits, FormOptions, Multipart};

fn limits() -> FormLimits {
    FormLimits::default()
        .max_num_fields(20)
        .max_parts(20)
        .max_part_headers(4)
        .max_part_header_bytes(256)
        .max_part_bytes(2_000)
        .max_field_bytes(500)
        .max_memory(4_000)
        .max_bytes(20_000)
}

/// Gives as many bytes at a time as its number says.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        let size = self.1.min(target.len());
        self.0.read(&mut target[..size])
    }
}

/// Reads a body whole and in pieces. The first byte is the size of the pieces.
pub(crate) fn check(data: &[u8]) {
    let [size, body @ ..] = data else { return };
    let whole = parts(body, usize::MAX);
    assert_eq!(parts(body, usize::from(*size).max(1)), whole);
    let environ =
        Environ::default().request_method("POST").content_type("multipart/form-data; boundary=B");
    let options = FormOptions::default().limits(limits()).spool_threshold(600);
    if let Ok(form) = FieldStorage::new(body, environ, &options) {
        assert!(whole.1 && form.list().len() == whole.0.len());
        for (field, (name, content)) in form.list().iter().zip(&whole.0) {
            assert_eq!((&field.name, &field.bytes().unwrap()), (name, content));
        }
    }
}

type Parts = Vec<(Option<String>, Vec<u8>)>;

fn parts(body: &[u8], size: usize) -> (Parts, bool) {
    let mut multipart = Multipart::new(Pieces(body, size), "B", limits()).unwrap();
    let mut parts = Vec::new();
    loop {
        let Ok(next) = multipart.next_part() else { return (parts, false) };
        let Some(mut part) = next else { return (parts, true) };
        let (name, mut content) = (part.name.clone(), Vec::new());
        if part.copy_to(&mut content).is_err() {
            return (parts, false);
        }
        assert!(content.len() as u64 <= 2_000 && part.headers.len() <= 4);
        parts.push((name, content));
        assert!(parts.len() <= 20);
    }
}
