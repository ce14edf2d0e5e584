//! Forms as handlers read them: fields, files, limits, and how a bad form is answered.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use socketserver::http::form::{
    Encoding, Environ, FieldStorage, FormError, FormLimits, FormOptions, Multipart,
};

use crate::support::{Running, in_a_process_of_its_own, open_descriptors};
use crate::web::{Browser, Reply, answer, answering, ask, get, serve};

/// A multipart body with the boundary `B`, of a head and a content for each part.
fn multipart(parts: &[(&str, &str)]) -> String {
    let parts = parts.iter().map(|(disposition, content)| {
        format!("--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    });
    parts.collect::<String>() + "--B--\r\n"
}

const MULTIPART: &str = "multipart/form-data; boundary=B";

fn environ(content_type: &str) -> Environ<'_> {
    let content_type = Some(content_type).filter(|kind| !kind.is_empty());
    Environ::default().request_method("POST").content_type(content_type)
}

/// Reads a form with default options.
fn read(content_type: &str, body: impl AsRef<[u8]>) -> Result<FieldStorage, FormError> {
    FieldStorage::new(body.as_ref(), environ(content_type), &FormOptions::default())
}

/// Answers with all fields of the form.
fn listing(options: FormOptions) -> Running {
    serve(answering(move |http| {
        let form = FieldStorage::read_with(http, &options)?;
        let mut text = format!("{};", form.content_type);
        for field in &form {
            let name = field.name.as_deref().unwrap_or("-");
            match field.value() {
                Some(value) => write!(text, "{name}={value};"),
                None => write!(
                    text,
                    "{name}:{}:{};",
                    field.filename.as_deref().unwrap(),
                    field.file().len()
                ),
            }
            .map_err(io::Error::other)?;
        }
        if let Some(body) = form.value()? {
            text += &String::from_utf8_lossy(&body);
        }
        answer(http, text)
    }))
}

fn request(line: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{}\r\n{body}",
        if content_type.is_empty() {
            String::new()
        } else {
            format!("Content-Type: {content_type}\r\n")
        }
    )
}

#[test]
fn a_form_is_read_by_its_method_and_type() {
    let server = listing(FormOptions::default());
    let form = "application/x-www-form-urlencoded";
    let parts = multipart(&[("name=\"b\"", "2"), ("name=\"f\"; filename=\"x\"", "abc")]);
    for (line, content_type, body, answer) in [
        ("GET /?a=1&b=%C3%A9+x&c=", "", "", "application/x-www-form-urlencoded;a=1;b=é x;"),
        ("GET /?a=1", form, "b=2", "application/x-www-form-urlencoded;a=1;"),
        ("POST /?a=1", form, "b=2&b=3", "application/x-www-form-urlencoded;b=2;b=3;a=1;"),
        ("POST /", "", "b=2", "application/x-www-form-urlencoded;b=2;"),
        (
            "PUT /",
            "Application/X-WWW-Form-Urlencoded; charset=utf-8",
            "b=2",
            "Application/X-WWW-Form-Urlencoded;b=2;",
        ),
        ("POST /?a=1", MULTIPART, &parts, "multipart/form-data;a=1;b=2;f:x:3;"),
        ("POST /", "application/json", "{\"a\": 1}", "application/json;{\"a\": 1}"),
        ("PUT /?a=1", "", "a=1", "text/plain;a=1"),
        ("POST /", MULTIPART, "--B--", "multipart/form-data;"),
    ] {
        let reply = ask(&server, request(line, content_type, body));
        assert_eq!((reply.status(), reply.text()), (200, answer), "{line} {content_type}");
    }
}

#[test]
fn a_form_without_any_limit_is_read() {
    let limits = FormLimits::default()
        .max_num_fields(usize::MAX)
        .max_parts(usize::MAX)
        .max_part_headers(usize::MAX)
        .max_part_header_bytes(usize::MAX)
        .max_part_bytes(u64::MAX)
        .max_field_bytes(usize::MAX)
        .max_memory(usize::MAX)
        .max_bytes(u64::MAX);
    let options = FormOptions::default().spool_threshold(usize::MAX).limits(limits);
    let parts = multipart(&[("name=\"b\"", "2"), ("name=\"f\"; filename=\"x\"", "abc")]);
    let server = listing(options);
    for (content_type, body, answer) in [
        ("application/x-www-form-urlencoded", "b=2", "application/x-www-form-urlencoded;b=2;"),
        (MULTIPART, &parts, "multipart/form-data;b=2;f:x:3;"),
        ("application/json", "{}", "application/json;{}"),
    ] {
        let reply = ask(&server, request("POST /", content_type, body));
        assert_eq!((reply.status(), reply.text()), (200, answer), "{content_type}");
    }
}

#[test]
fn the_connection_goes_on_after_a_form() {
    let server = listing(FormOptions::default());
    let mut browser = Browser::connect(&server);
    let body = multipart(&[("name=\"a\"", "1")]) + "an epilogue\r\nthat nobody reads";
    for _ in 0..2 {
        assert_eq!(
            browser.ask(request("POST /", MULTIPART, &body)).text(),
            "multipart/form-data;a=1;"
        );
    }
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert_eq!(browser.ask(chunked).text(), "multipart/form-data;a=1;");
    assert_eq!(browser.ask(get("/?x=y")).text(), "application/x-www-form-urlencoded;x=y;");
}

#[test]
fn fields_are_found_by_pythons_words() {
    let body = multipart(&[
        ("name=\"a\"", "1"),
        ("name=\"b\"", ""),
        ("name=\"a\"; filename=\"f.txt\"", "file"),
        ("name=\"a\"", "2"),
        ("no=\"name\"", "3"),
    ]);
    let form = read(MULTIPART, body).unwrap();
    assert_eq!(form.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((form.len(), form.list().len(), form.is_empty()), (2, 5, false));
    assert_eq!(
        (form.getvalue("a"), form.getfirst("b"), form.getvalue("c")),
        (Some("1"), Some(""), None)
    );
    assert_eq!((form.getlist("a"), form.getlist("c")), (vec!["1", "2"], vec![]));
    assert!(form.contains("b") && !form.contains("c") && form.get("c").is_none());
    assert_eq!((form["a"].value(), form["a"].filename.as_deref()), (Some("1"), None));
    let file = form.get_all("a").nth(1).unwrap();
    assert_eq!((file.filename.as_deref(), file.value()), (Some("f.txt"), None));
    assert_eq!((file.bytes().unwrap(), file.disposition.as_str()), (b"file".to_vec(), "form-data"));
    assert_eq!(
        file.headers.get("content-disposition"),
        Some("form-data; name=\"a\"; filename=\"f.txt\"")
    );
    assert_eq!(file.disposition_options.get("name"), Some("a"));
    assert_eq!(form.list()[4].name, None);
    assert!(form.file().is_none() && form.value().unwrap().is_none());
}

#[test]
#[should_panic(expected = "no field \"b\"")]
fn a_field_that_is_not_there_cannot_be_indexed() {
    let _ = &read("", "a=1").unwrap()["b"];
}

#[test]
fn text_is_read_in_the_encoding_that_its_part_names() {
    let body = b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xe9\r\n\
        --B\r\nContent-Disposition: form-data; name=\"_charset_\"\r\n\r\niso-8859-1\r\n\
        --B\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n\xe9\r\n\
        --B\r\nContent-Disposition: form-data; name=\"c\"\r\nContent-Type: text/plain; charset=\"UTF-8\"\r\n\r\n\xc3\xa9\r\n\
        --B\r\nContent-Disposition: form-data; name=\"d\"\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n\xe9\r\n--B--";
    let form = read(MULTIPART, body).unwrap();
    let values: Vec<_> = form.list().iter().map(|field| field.value().unwrap()).collect();
    assert_eq!(values, ["\u{fffd}", "iso-8859-1", "é", "é", "é"]);
    let bytes: Vec<_> = form.list().iter().map(|field| field.bytes().unwrap()).collect();
    assert_eq!(bytes[2..], [b"\xe9".to_vec(), b"\xc3\xa9".to_vec(), b"\xe9".to_vec()]);
    let options = FormOptions::default().encoding(Encoding::Latin1);
    let form = FieldStorage::new(&body[..], environ(MULTIPART), &options).unwrap();
    assert_eq!(form.getvalue("a"), Some("é"));
}

#[test]
fn a_file_is_the_same_in_memory_and_on_the_disk() {
    let contents = ["x".repeat(99), "y".repeat(101), "z".repeat(300_000)];
    let parts = contents.each_ref().map(|content| ("name=f; filename=f", content.as_str()));
    let options = FormOptions::default().spool_threshold(100);
    let form =
        FieldStorage::new(multipart(&parts).as_bytes(), environ(MULTIPART), &options).unwrap();
    for (field, content) in form.list().iter().zip(&contents) {
        let mut file = field.file();
        assert_eq!(file.len(), content.len() as u64);
        assert_eq!(field.bytes().unwrap(), content.as_bytes());
        let mut end = String::new();
        file.seek(SeekFrom::End(-3)).unwrap();
        file.read_to_string(&mut end).unwrap();
        assert_eq!(end, content[content.len() - 3..]);
        assert_eq!(file.seek(SeekFrom::Current(-1)).unwrap(), content.len() as u64 - 1);
        assert!(file.seek(SeekFrom::Current(i64::MIN)).is_err());
        file.seek(SeekFrom::Start(1 << 40)).unwrap();
        assert_eq!(file.read(&mut [0; 9]).unwrap(), 0);
    }
    let raw = FieldStorage::new(contents[2].as_bytes(), environ("a/b"), &options).unwrap();
    assert_eq!(raw.value().unwrap().unwrap(), contents[2].as_bytes());
    assert_eq!(raw.file().unwrap().len(), 300_000);
}

#[test]
fn a_form_on_the_disk_costs_one_descriptor_and_leaves_no_name() {
    in_a_process_of_its_own(
        "forms::a_form_on_the_disk_costs_one_descriptor_and_leaves_no_name",
        || {
            let content = "x".repeat(16_000);
            let parts = vec![("name=f; filename=f", content.as_str()); 50];
            let before = open_descriptors();
            let form = read(MULTIPART, multipart(&parts)).unwrap();
            assert_eq!(open_descriptors(), before, "all of it fits into memory");
            drop(form);
            let limits = FormLimits::default().max_memory(10_000);
            let options = FormOptions::default().limits(limits);
            let form =
                FieldStorage::new(multipart(&parts).as_bytes(), environ(MULTIPART), &options)
                    .unwrap();
            assert_eq!(open_descriptors(), before + 1);
            let names = fs::read_dir("/proc/self/fd").unwrap();
            let names = names.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
            let temporary = std::env::temp_dir();
            for name in names.filter(|name| name.starts_with(&temporary)) {
                assert!(!name.exists(), "{}", name.display());
            }
            drop(form);
            assert_eq!(open_descriptors(), before);
        },
    );
}

#[test]
fn a_full_disk_is_answered_507_and_leaves_nothing_behind() {
    in_a_process_of_its_own("forms::a_full_disk_is_answered_507_and_leaves_nothing_behind", || {
        // Instead of the signal, the write fails.
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGXFSZ);
        signals.thread_block().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("upload");
        let target = path.clone();
        let handler = answering(move |http| {
            if http.path == "/form" {
                FieldStorage::read(http)?;
            }
            if http.path == "/body" {
                http.rfile.save_as(&target, 1 << 20)?;
                return answer(http, "saved");
            }
            let mut form = Multipart::new(&mut http.rfile, "B", FormLimits::default())?;
            while let Some(mut part) = form.next_part()? {
                part.save_as(&target)?;
            }
            answer(http, "saved")
        });
        let errors = handler.errors.clone();
        let server = serve(handler);
        setrlimit(Resource::RLIMIT_FSIZE, 100_000, 100_000).unwrap();
        let body = multipart(&[("name=f; filename=f", &"x".repeat(200_000))]);
        for (path, what) in [("/form", "form"), ("/part", "form"), ("/body", "body")] {
            let reply = ask(&server, request(&format!("POST {path}"), MULTIPART, &body));
            let reason = format!("No room for the {what}");
            assert_eq!((reply.status(), reply.reason()), (507, &*reason), "{path}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        assert_eq!(errors.so_far(), Vec::<String>::new());
        let body = multipart(&[("name=f; filename=f", "small")]);
        assert_eq!(ask(&server, request("POST /part", MULTIPART, &body)).text(), "saved");
        assert_eq!(fs::read(path).unwrap(), b"small");
    });
}

#[test]
fn an_upload_is_saved_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    let save = |body: &[u8]| -> Result<u64, FormError> {
        let mut form = Multipart::new(body, "B", FormLimits::default())?;
        let mut part = form.next_part()?.expect("a part");
        part.save_as(&path)
    };
    let body = multipart(&[("name=f; filename=f", &"x".repeat(200_000))]);
    assert!(matches!(save(&body.as_bytes()[..150_000]), Err(FormError::Truncated)));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(save(body.as_bytes()).unwrap(), 200_000);
    assert_eq!(fs::read(&path).unwrap(), [b'x'; 200_000]);
    assert!(save(&body.as_bytes()[..150_000]).is_err());
    assert_eq!(fs::read(&path).unwrap().len(), 200_000, "the old file stays");
    // The mode that any new file gets here.
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));

    let form = read(MULTIPART, &body).unwrap();
    let field = &form["f"];
    assert_eq!(field.file().save_as(&path).unwrap(), 200_000);
    let missing = field.file().save_as(directory.path().join("no/such/directory")).unwrap_err();
    assert!(matches!(&missing, FormError::Store(error) if error.kind() == io::ErrorKind::NotFound));
    assert_eq!(missing.status().code(), 500);
}

#[test]
fn a_bad_form_is_answered_with_its_reason() {
    let limits = FormLimits::default()
        .max_num_fields(3)
        .max_parts(2)
        .max_field_bytes(50)
        .max_part_bytes(60)
        .max_memory(300)
        .max_bytes(400);
    let options = FormOptions::default().strict_parsing(true).limits(limits);
    let server = listing(options);
    let (part, long) = (("name=a", "1"), "x".repeat(51));
    let longer = "x".repeat(61);
    let form = "application/x-www-form-urlencoded";
    for (line, content_type, body, code, reason) in [
        ("POST /", "multipart/form-data", "", 400, "Invalid boundary in multipart form"),
        ("POST /", MULTIPART, "", 400, "The multipart form ends early"),
        ("POST /", MULTIPART, "--B\r\nname\r\n\r\n", 400, "Malformed header in a part of the form"),
        ("POST /", form, "a=1&b", 400, "Bad field in the form ('b')"),
        ("GET /?a=1&b=2&c=3&d=4", "", "", 413, "More than 3 fields in the form"),
        (
            "POST /?a=1&b=2",
            MULTIPART,
            &multipart(&[part; 2]),
            413,
            "More than 3 fields in the form",
        ),
        ("POST /", MULTIPART, &multipart(&[part; 3]), 413, "More than 2 parts in the form"),
        (
            "POST /",
            MULTIPART,
            &multipart(&[("name=a", &long)]),
            413,
            "A field of the form exceeds 50 bytes",
        ),
        ("POST /", form, &format!("a={long}"), 413, "A field of the form exceeds 50 bytes"),
        (
            "POST /",
            MULTIPART,
            &multipart(&[("name=a; filename=b", &longer)]),
            413,
            "A part of the form exceeds 60 bytes",
        ),
        ("POST /", form, &"a=1&".repeat(80), 413, "The fields of the form exceed 300 bytes"),
        ("POST /", form, &"&".repeat(401), 413, "The form exceeds 400 bytes"),
        ("POST /", "a/b", &"&".repeat(401), 413, "The form exceeds 400 bytes"),
    ] {
        let reply = ask(&server, request(line, content_type, body));
        assert_eq!((reply.status(), reply.reason()), (code, reason), "{line} {body:?}");
    }
    let chunk = "a".repeat(401);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n191\r\n{chunk}\r\n0\r\n\r\n"
    );
    assert_eq!(ask(&server, chunked).reason(), "The form exceeds 400 bytes");
}

#[test]
fn a_form_that_is_too_long_is_refused_before_it_comes() {
    let server = listing(FormOptions::default());
    let mut browser = Browser::connect(&server);
    let length = (128 << 20) + 1;
    browser.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
    assert_eq!(browser.reply().status(), 413);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_form_is_answered_400() {
    let server = listing(FormOptions::default());
    let body = multipart(&[("name=a", "1")]);
    let whole = request("POST /", MULTIPART, &body);
    let mut browser = Browser::connect(&server);
    browser.send(&whole[..whole.len() - 9]).client.finish_sending();
    let reply: Reply = browser.reply();
    assert_eq!(reply.status(), 400);
}

#[test]
fn an_io_error_gives_the_form_error_back() {
    let error = io::Error::from(read(MULTIPART, "").unwrap_err());
    let error = error.downcast::<FormError>().unwrap();
    assert!(matches!(error, FormError::Truncated));
    // A part that is read as a stream reports the same.
    let mut form = Multipart::new(&b"--B\r\n\r\nabc"[..], "B", FormLimits::default()).unwrap();
    let error = form.next_part().unwrap().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert!(matches!(error.downcast::<FormError>(), Ok(FormError::Truncated)));
    let reset = FormError::Read(io::ErrorKind::ConnectionReset.into());
    assert_eq!(io::Error::from(reset).kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_body_is_saved_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    let target = path.clone();
    let server = serve(answering(move |http| {
        let length = http.rfile.save_as(&target, 5)?;
        answer(http, length.to_string())
    }));
    let chunked = |size: usize| {
        let chunk = "x".repeat(size);
        format!(
            "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{chunk}\r\n0\r\n\r\n"
        )
    };
    for (request, code) in [(chunked(6), 413), (request("PUT /", "", "sixsix"), 413)] {
        let reply = ask(&server, request);
        assert_eq!((reply.status(), reply.reason()), (code, "The body is longer than 5 bytes"));
    }
    let mut browser = Browser::connect(&server);
    browser
        .send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel")
        .client
        .finish_sending();
    assert_eq!(browser.reply().status(), 400);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    for body in ["first", "2nd"] {
        assert_eq!(ask(&server, request("PUT /", "", body)).text(), body.len().to_string());
        assert_eq!(fs::read_to_string(&path).unwrap(), body);
    }
    assert_eq!(ask(&server, chunked(5)).text(), "5");
}

#[test]
fn the_parts_of_a_request_are_read_as_they_come() {
    let limits = FormLimits::default().max_bytes(1000);
    let server = serve(answering(move |http| {
        let mut form = Multipart::read(http, limits)?;
        let mut text = String::new();
        while let Some(mut part) = form.next_part()? {
            part.read_to_string(&mut text)?;
        }
        answer(http, text)
    }));
    let body = multipart(&[("name=a", "one "), ("name=b", "two")]);
    assert_eq!(ask(&server, request("POST /", MULTIPART, &body)).text(), "one two");
    let long = multipart(&[("name=a", &"x".repeat(1000))]);
    for (content_type, body, code, reason) in [
        ("", "a=1", 415, "The form has no parts"),
        ("application/x-www-form-urlencoded", "a=1", 415, "The form has no parts"),
        (MULTIPART, &long, 413, "The form exceeds 1000 bytes"),
        (MULTIPART, &body[..body.len() - 9], 400, "The multipart form ends early"),
    ] {
        let reply = ask(&server, request("POST /", content_type, body));
        assert_eq!((reply.status(), reply.reason()), (code, reason));
    }
}

#[test]
fn all_text_of_a_form_together_is_bounded() {
    let limits = FormLimits::default().max_memory(600);
    let options = FormOptions::default().limits(limits);
    let read = |content_type, body: &[u8]| FieldStorage::new(body, environ(content_type), &options);
    let field = ("name=a", "0123456789");
    assert!(read(MULTIPART, multipart(&[field; 5]).as_bytes()).is_ok());
    // What a byte that is no text becomes takes three.
    let garbage = [b"a=", &[0xff; 250][..]].concat();
    let long = "x".repeat(300);
    for (content_type, body) in [
        ("", garbage),
        (MULTIPART, multipart(&[field; 50]).into_bytes()),
        (MULTIPART, multipart(&[("name=a", &long), ("name=a", &long)]).into_bytes()),
    ] {
        let error = read(content_type, &body).unwrap_err();
        assert!(matches!(error, FormError::TooMuchText(600)), "{error}");
    }
}
