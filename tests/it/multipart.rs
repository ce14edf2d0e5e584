//! Multipart bodies in pieces of every size, against a parser that is slow and plain.

use std::io::{self, BufRead, Read};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use socketserver::http::form::{FormError, FormLimits, Multipart};

/// Headers and content of a part.
type PlainPart = (Vec<(String, String)>, Vec<u8>);

/// What there is of a form, and whether it is all there.
type Parsed = (Vec<PlainPart>, bool);

/// Gives so many bytes at a time, the last number again and again.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: &'a [usize],
}

impl Read for Pieces<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[0].min(target.len());
        if self.sizes.len() > 1 {
            self.sizes = &self.sizes[1..];
        }
        self.bytes.by_ref().read(&mut target[..size])
    }
}

fn parse(bytes: &[u8], boundary: &str, sizes: &[usize]) -> Parsed {
    let source = Pieces { bytes, sizes };
    let mut multipart = Multipart::new(source, boundary, FormLimits::default()).unwrap();
    let mut parts = Vec::new();
    loop {
        let mut part = match multipart.next_part() {
            Ok(Some(part)) => part,
            Ok(None) => return (parts, true),
            Err(_) => return (parts, false),
        };
        let headers = part.headers.iter().map(|(name, value)| (name.into(), value.into()));
        let headers = headers.collect();
        let mut content = Vec::new();
        // Each part is read in another way.
        let read = match parts.len() % 3 {
            0 => part.read_to_end(&mut content).map(drop),
            1 => part.copy_to(&mut content).map(drop).map_err(io::Error::from),
            _ => loop {
                match part.fill_buf().map(|data| data.first().copied()) {
                    Ok(Some(byte)) => content.push(byte),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
                part.consume(1);
            },
        };
        if read.is_err() {
            return (parts, false);
        }
        parts.push((headers, content));
    }
}

/// Goes by lines over what is all there.
fn parse_plainly(bytes: &[u8], boundary: &str) -> Parsed {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let mut parts = Vec::new();
    let mut is_last = loop {
        match lines.next().map(|line| delimiter(line, boundary)) {
            None => return (parts, false),
            Some(None) => {}
            Some(Some(is_last)) => break is_last,
        }
    };
    while !is_last {
        let Some(headers) = plain_headers(&mut lines) else { return (parts, false) };
        let mut content = Vec::new();
        is_last = loop {
            let Some(line) = lines.next() else { return (parts, false) };
            match delimiter(line, boundary) {
                Some(is_last) => break is_last,
                None => content.extend_from_slice(line),
            }
        };
        if content.pop().is_some() && content.ends_with(b"\r") {
            content.pop();
        }
        parts.push((headers, content));
    }
    (parts, true)
}

/// Whether a line is a delimiter, and the last one.
fn delimiter(line: &[u8], boundary: &str) -> Option<bool> {
    let line = String::from_utf8_lossy(line);
    let ends = line.ends_with('\n');
    let rest = line.strip_suffix('\n').unwrap_or(&line);
    let rest = rest.strip_suffix('\r').unwrap_or(rest);
    let bare = rest.trim_end_matches([' ', '\t']);
    let is_last = bare == format!("--{boundary}--");
    let is_delimiter = is_last || bare == format!("--{boundary}") && ends;
    (is_delimiter && rest.len() - bare.len() <= 256).then_some(is_last)
}

fn plain_headers<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Option<Vec<(String, String)>> {
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        let line = String::from_utf8_lossy(lines.next()?.strip_suffix(b"\n")?).into_owned();
        let line = line.strip_suffix('\r').unwrap_or(&line);
        if line.is_empty() {
            return Some(headers);
        }
        if line.starts_with([' ', '\t']) {
            let (_, value) = headers.last_mut()?;
            *value = format!("{value} {}", line.trim());
            continue;
        }
        let (name, value) = line.split_once(':')?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        headers.push((name.to_owned(), value.trim().to_owned()));
        if headers.len() > 16 {
            return None;
        }
    }
}

#[test]
fn any_body_in_any_pieces_reads_as_the_plain_parser_reads_it() {
    let words = select(vec![
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "\r\n--B",
        "\r\n--B\r\n",
        "\n--B",
        "--B",
        "--B\r\n",
        "--B--",
        "--",
        "-",
        "B",
        "x",
        " ",
        "\t",
        ":",
        "X: y\r\n\r\n",
        "\r\n\r\n",
        "\r\n--B\r\n\r\n",
        "Content-Disposition: form-data; name=\"a\"\r\n\r\n",
        "\r\n--B--\r\n",
        "\u{e9}",
    ]);
    let mut runner = TestRunner::new(Config { cases: 4000, ..Config::default() });
    let inputs = (vec(words, 0..40), vec(1..12_usize, 1..6));
    let ran = runner.run(&inputs, |(words, sizes)| {
        let body = words.concat();
        let plain = parse_plainly(body.as_bytes(), "B");
        prop_assert_eq!(&parse(body.as_bytes(), "B", &sizes), &plain);
        prop_assert_eq!(&parse(body.as_bytes(), "B", &[usize::MAX]), &plain);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn well_formed_bodies_of_any_content_come_back() {
    let content = vec(select(b"\r\n-Bb\0\xff".to_vec()), 0..60);
    let mut runner = TestRunner::new(Config { cases: 1000, ..Config::default() });
    let inputs = (vec(content, 0..5), vec(1..40_usize, 1..6), any::<bool>());
    let ran = runner.run(&inputs, |(contents, sizes, bare)| {
        let line_end: &[u8] = if bare { b"\n" } else { b"\r\n" };
        let boundary = "B--nobody-writes-this";
        let mut body = b"preamble".to_vec();
        for (number, content) in contents.iter().enumerate() {
            let head = format!("--{boundary}|X: {number}||")
                .replace('|', str::from_utf8(line_end).unwrap());
            body.extend([line_end, head.as_bytes(), content].concat());
        }
        body.extend([line_end, format!("--{boundary}--").as_bytes()].concat());
        let expected: Vec<PlainPart> = contents
            .iter()
            .enumerate()
            // Before a line end that is LF alone, a CR belongs to the line end.
            .map(|(number, content)| {
                let content =
                    if bare { content.strip_suffix(b"\r").unwrap_or(content) } else { content };
                (vec![("X".to_owned(), number.to_string())], content.to_vec())
            })
            .collect();
        prop_assert_eq!(parse(&body, boundary, &sizes), (expected, true));
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

/// A form with everything that is easy to get wrong.
const BODY: &str = "preamble\r\n--B not yet\r\n--B \t\r\n\
    Content-Disposition: form-data; name=\"first\"\r\n\r\n\
    one\r\n--Bx\r\n\r\n--B-\r\n two\r\n\r\n--B\r\n\
    Content-Disposition: form-data;\r\n name=\"file\"; filename=\"a.txt\"\r\nContent-Type: a/b\r\n\r\n\
    \r\n--B\r\n\r\n--B--x\n--B--\r\nepilogue\r\n--B\r\n";

#[test]
fn a_body_may_be_split_anywhere() {
    let whole = parse_plainly(BODY.as_bytes(), "B");
    assert!(whole.1);
    let contents: Vec<_> = whole.0.iter().map(|(_, content)| content.as_slice()).collect();
    assert_eq!(contents, [&b"one\r\n--Bx\r\n\r\n--B-\r\n two\r\n"[..], b"", b"--B--x"]);
    for offset in 1..BODY.len() {
        for size in [1, usize::MAX] {
            assert_eq!(parse(BODY.as_bytes(), "B", &[offset, size]), whole, "{offset} {size}");
        }
    }
}

#[test]
fn a_body_that_ends_early_is_an_error_wherever_it_ends() {
    // Without the line of content that is an end for whoever sees no more than its beginning.
    let body = BODY.replace("--B--x\n", "");
    let end = body.find("--B--").unwrap() + "--B--".len();
    for length in 0..end {
        let mut multipart =
            Multipart::new(&body.as_bytes()[..length], "B", FormLimits::default()).unwrap();
        let error = loop {
            match multipart.next_part() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{length} bytes pass for a whole form"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, FormError::Truncated), "{length}: {error}");
    }
    assert!(parse(&body.as_bytes()[..end], "B", &[usize::MAX]).1);
}

#[test]
fn content_larger_than_any_buffer_comes_whole() {
    // Near misses of a boundary at every distance from the ends of the parser's buffer.
    let boundary = "0123456789";
    for shift in 0..20 {
        let mut content = vec![b'x'; shift];
        while content.len() < 600_000 {
            content.extend_from_slice(b"\r\n--012345678\r\n--0123456789!");
            content.resize(content.len() + 4096 - 29 * 2, b'y');
        }
        let body = [b"--0123456789\r\nX: y\r\n\r\n", &content[..], b"\r\n--0123456789--"].concat();
        let (parts, is_whole) = parse(&body, boundary, &[usize::MAX]);
        assert!(is_whole && parts.len() == 1 && parts[0].1 == content, "{shift}");
    }
}

#[test]
fn parts_that_are_not_read_are_skipped() {
    let mut multipart = Multipart::new(BODY.as_bytes(), "B", FormLimits::default()).unwrap();
    let mut names = Vec::new();
    while let Some(mut part) = multipart.next_part().unwrap() {
        names.push((part.name.clone(), part.filename.clone(), part.content_type.clone()));
        part.read_exact(&mut [0; 2]).unwrap_or_default();
    }
    assert!(multipart.next_part().unwrap().is_none());
    let plain = "text/plain".to_owned();
    assert_eq!(
        names,
        [
            (Some("first".to_owned()), None, plain.clone()),
            (Some("file".to_owned()), Some("a.txt".to_owned()), "a/b".to_owned()),
            (None, None, plain),
        ]
    );
}

#[test]
fn a_part_of_parts_is_handed_over_and_can_be_read_in_turn() {
    let body = "--O\r\nContent-Disposition: form-data; name=\"files\"\r\n\
        Content-Type: multipart/mixed; boundary=Oi\r\n\r\n\
        --Oi\r\nContent-Disposition: file; filename=\"a\"\r\n\r\nA\r\n--Oi\r\n\
        Content-Disposition: file; filename=\"b\"\r\n\r\nB\r\n--Oi--\r\n--O--";
    let mut outer = Multipart::new(body.as_bytes(), "O", FormLimits::default()).unwrap();
    let part = outer.next_part().unwrap().unwrap();
    assert_eq!(part.content_type, "multipart/mixed");
    let boundary = part.type_options.get("boundary").unwrap().to_owned();
    let mut inner = Multipart::new(part, &boundary, FormLimits::default()).unwrap();
    let mut files = Vec::new();
    while let Some(mut part) = inner.next_part().unwrap() {
        let mut content = String::new();
        part.read_to_string(&mut content).unwrap();
        files.push((part.filename.clone().unwrap(), content));
    }
    assert_eq!(files, [("a".into(), "A".into()), ("b".into(), "B".into())]);
    assert!(outer.next_part().unwrap().is_none());
}

#[test]
fn each_limit_is_an_error_of_its_own() {
    let parts = |count| "--B\r\nX: y\r\n\r\n12345\r\n".repeat(count) + "--B--";
    let error = |body: &str, limits: FormLimits| -> FormError {
        let mut multipart = Multipart::new(body.as_bytes(), "B", limits).unwrap();
        loop {
            match multipart.next_part() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no limit in {body:?}"),
                Err(error) => return error,
            }
        }
    };
    let limits = FormLimits::default();
    let most = limits.max_parts(2).max_part_headers(1).max_part_header_bytes(6);
    let most = most.max_part_bytes(5).max_bytes(parts(2).len() as u64);
    let mut multipart = Multipart::new(parts(2).into_bytes().leak() as &[u8], "B", most).unwrap();
    while multipart.next_part().unwrap().is_some() {}

    let parts_error = error(&parts(3), limits.max_parts(2));
    assert!(matches!(parts_error, FormError::TooManyParts(2)), "{parts_error}");
    let two = "--B\r\nX: y\r\nX: y\r\n\r\n";
    let headers_error = error(two, limits.max_part_headers(1));
    assert!(matches!(headers_error, FormError::TooManyHeaders(1)), "{headers_error}");
    for head in ["--B\r\nX: yy\r\n\r\n", "--B\r\nX: yyyyyyyyy"] {
        let long_error = error(head, limits.max_part_header_bytes(6));
        assert!(matches!(long_error, FormError::HeadersTooLong(6)), "{long_error}");
    }
    // A head of exactly the limit is none too long, wherever it is cut.
    for offset in 1..20 {
        let source = Pieces { bytes: b"--B\r\nX: y\r\n\r\n\r\n--B--", sizes: &[offset, 1] };
        let limits = limits.max_part_header_bytes(6);
        let mut multipart = Multipart::new(source, "B", limits).unwrap();
        assert!(multipart.next_part().unwrap().is_some(), "{offset}");
    }
    let part_error = error(&parts(1), limits.max_part_bytes(4));
    assert!(matches!(part_error, FormError::PartTooLong(4)), "{part_error}");
    let whole_error = error(&parts(1), limits.max_bytes(20));
    assert!(matches!(whole_error, FormError::TooLong(20)), "{whole_error}");
    for error in [parts_error, headers_error, part_error, whole_error] {
        assert_eq!(error.status().code(), 413, "{error}");
    }
}
