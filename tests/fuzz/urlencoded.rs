//! What is true of every URL-encoded form.

use socketserver::http::form::{Environ, FieldStorage, FormOptions, parse_header, safe_filename};

/// Reads a form, writes it and reads that. The same bytes are read as a header, too.
pub(crate) fn check(data: &[u8]) {
    let options = FormOptions::default().keep_blank_values(true);
    let environ = Environ::default().request_method("POST");
    if let Ok(form) = FieldStorage::new(data, environ, &options) {
        let written = write(&form);
        let again = FieldStorage::new(written.as_bytes(), environ, &options).unwrap();
        assert_eq!(write(&again), written);
        assert_eq!(again.list().len(), form.list().len());
    }
    let text = String::from_utf8_lossy(data);
    let (value, params) = parse_header(&text);
    assert!(text.contains(value) && params.iter().count() <= text.matches('=').count());
    assert!(safe_filename(&text).is_none_or(|name| !name.contains(['/', '\\', '\0'])));
}

fn write(form: &FieldStorage) -> String {
    let mut text = String::new();
    for field in form {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (name, value): (String, String) =
            (escape(field.name.as_deref().unwrap()), escape(field.value().unwrap()));
        text.push_str(&format!("{name}={value}&"));
    }
    text
}
