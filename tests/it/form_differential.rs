//! The same forms to CPython's `cgi.FieldStorage` and to us: the same fields, but for what is
//! listed here.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use socketserver::http::form::{Environ, FieldStorage, FormOptions};

/// A form as it comes.
#[derive(Clone, Debug)]
struct Case {
    method: &'static str,
    query: String,
    content_type: &'static str,
    body: Vec<u8>,
    keep: bool,
    strict: bool,
}

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=\"BB\"";

/// The part of a form, without the delimiter before it.
const PART: &str = "Content-Disposition: form-data; name=\"a\"";

/// Where we answer otherwise, by intent: the body, its type, the reason, CPython's answer and ours.
fn intended() -> Vec<(&'static str, String, &'static str, Value, Value)> {
    let text = |name, value| json!([[name, null, "text/plain", hex(value)]]);
    let file = |filename| json!([["a", filename, "text/plain", hex("1")]]);
    let form = |head: &str| format!("--BB\r\n{head}\r\n\r\n1\r\n--BB--");
    let with = |parameter: &str| form(&format!("{PART}; {parameter}"));
    let error = |name: &str| json!(name);
    let latin = format!(
        "--BB\r\n{PART}\r\nContent-Type: text/plain; charset=latin-1\r\n\r\n\u{e9}\r\n--BB--"
    );
    let mixed = format!(
        "--BB\r\n{PART}\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i--\r\n--BB--"
    );
    vec![
        (
            "truncated",
            form(PART).replace("--BB--", "--BB"),
            MULTIPART,
            text("a", "1"),
            error("Truncated"),
        ),
        ("cut", format!("--BB\r\n{PART}\r\n\r\n1"), MULTIPART, text("a", "1"), error("Truncated")),
        ("no boundary", "hello".into(), MULTIPART, json!([]), error("Truncated")),
        ("no body", String::new(), MULTIPART, json!([]), error("Truncated")),
        (
            "no colon",
            form("nonsense"),
            MULTIPART,
            json!([[null, null, "text/plain", hex("1")]]),
            error("PartHead"),
        ),
        ("RFC 8187", with("filename*=UTF-8''%C3%A9"), MULTIPART, text("a", "1"), file("é")),
        (
            "quotes of browsers",
            with("filename=\"%22%0d\""),
            MULTIPART,
            file("%22%0d"),
            file("\"\r"),
        ),
        (
            "two backslashes",
            with("filename=\"b\\\\\"; x=\"y\""),
            MULTIPART,
            file("b\"; x=\"y"),
            file("b\\"),
        ),
        ("charset", latin, MULTIPART, text("a", "é"), text("a", "Ã©")),
        ("JSON", "{}".into(), "application/json", error("TypeError"), json!(hex("{}"))),
        (
            "case of a type",
            "a=1".into(),
            "Application/X-WWW-Form-Urlencoded",
            error("TypeError"),
            json!([["a", null, "", hex("1")]]),
        ),
        (
            "nested",
            mixed,
            MULTIPART,
            json!([["a", null, "multipart/mixed", hex("[FieldStorage(None, None, 'x')]")]]),
            json!([["a", null, "multipart/mixed", hex("--i\r\n\r\nx\r\n--i--")]]),
        ),
    ]
}

#[test]
fn generated_forms_have_the_same_fields() {
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Case> =
        (0..600).map(|_| any_case().new_tree(&mut runner).unwrap().current()).collect();
    let Some(theirs) = ask_python(&cases) else { return };
    for (case, theirs) in cases.iter().zip(&theirs) {
        let ours = read(case);
        // CPython puts `&` between the body and the query even where there is no body.
        if case.strict && case.body.is_empty() && !case.query.is_empty() {
            continue;
        }
        let both_refuse = theirs == "ValueError" && ours.is_string();
        assert!(
            both_refuse || ours == *theirs,
            "{case:?}\n{}\n{theirs}\n{ours}",
            case.body.escape_ascii()
        );
    }
    // Most of them hold something.
    let fields: usize = theirs.iter().filter_map(Value::as_array).map(Vec::len).sum();
    assert!(fields > 1000, "{fields} fields");
}

#[test]
fn we_differ_where_we_mean_to() {
    let intended = intended();
    let case = |body: &str, content_type| Case {
        method: "POST",
        query: String::new(),
        content_type,
        body: body.as_bytes().to_vec(),
        keep: false,
        strict: false,
    };
    let cases: Vec<Case> = intended.iter().map(|(_, body, kind, ..)| case(body, kind)).collect();
    for (case, (what, .., ours)) in cases.iter().zip(&intended) {
        assert_eq!(read(case), *ours, "{what}");
    }
    let Some(theirs) = ask_python(&cases) else { return };
    for (found, (what, _, _, theirs, _)) in theirs.iter().zip(&intended) {
        assert_eq!(found, theirs, "CPython: {what}");
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let pairs = vec(
        select(vec!["a", "b", "=", "=", "&", "&", "+", "%20", "%C3%A9", "%e9", "%", ";", "1"]),
        0..12,
    );
    let pairs = || pairs.clone().prop_map(|words| words.concat());
    let multipart = (vec(any_part(), 0..5), select(vec!["\r\n", "\n"])).prop_map(|(parts, end)| {
        let mut body = b"preamble".to_vec();
        for (head, content) in parts {
            let line = format!("{end}--BB{end}{}{end}{end}", head.join(end));
            body.extend([line.as_bytes(), &content].concat());
        }
        body.extend(format!("{end}--BB--{end}epilogue").into_bytes());
        (MULTIPART, body)
    });
    let urlencoded = pairs().prop_map(|text| (URLENCODED, text.into_bytes()));
    let body = prop_oneof![urlencoded, multipart];
    let method = select(vec!["GET", "POST", "POST", "POST", "PUT"]);
    (method, pairs(), body, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(method, query, (content_type, body), keep, strict)| Case {
            method,
            query,
            content_type,
            body,
            keep,
            strict,
        },
    )
}

fn any_part() -> impl Strategy<Value = (Vec<String>, Vec<u8>)> {
    let name = || vec(select(vec!["a", "b", ".", ";", " ", "=", "'", "é", "\\\"", "\\x"]), 0..4);
    let content = vec(
        select(vec!["x", "\r\n", "\n", "\r", "-", "--", "B", "\r\n--BBx\r\n", "é", "\0"])
            .prop_map(String::from),
        0..20,
    );
    let content = prop_oneof![
        9 => content.prop_map(|words| words.concat().into_bytes()),
        1 => vec(any::<u8>(), 1500..2500)
            .prop_map(|bytes| bytes.into_iter().map(|byte| byte & 0x7f).collect()),
    ];
    let kind = option::of(select(vec!["text/html", "a/b; c=\"d;e\"", "image/png"]));
    (name(), option::of(name()), kind, content).prop_map(|(name, filename, kind, mut content)| {
        // Whether a CR at the end is content depends on the line end behind it.
        content.push(b'.');
        let mut line = format!("Content-Disposition: form-data; name=\"{}\"", name.concat());
        if let Some(filename) = filename {
            write!(line, "; filename=\"{}\"", filename.concat()).unwrap();
        }
        let kind = kind.map(|kind| format!("Content-Type: {kind}"));
        ([line].into_iter().chain(kind).collect(), content)
    })
}

fn read(case: &Case) -> Value {
    let environ = Environ::default()
        .request_method(case.method)
        .query_string(&case.query)
        .content_type(case.content_type);
    let options = FormOptions::default().keep_blank_values(case.keep).strict_parsing(case.strict);
    let form = match FieldStorage::new(case.body.as_slice(), environ, &options) {
        Ok(form) => form,
        Err(error) => return format!("{error:?}").split('(').next().unwrap().into(),
    };
    if let Some(raw) = form.value().unwrap() {
        return hex(raw).into();
    }
    let field = |field: &socketserver::http::form::Field| {
        let value =
            field.value().map_or_else(|| field.bytes().unwrap(), |text| text.as_bytes().to_vec());
        json!([field.name, field.filename, field.content_type, hex(value)])
    };
    form.list().iter().map(field).collect()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What CPython reads; nothing without one that has `cgi`.
fn ask_python(cases: &[Case]) -> Option<Vec<Value>> {
    let Some(python) = python_with_cgi() else {
        eprintln!("skipped: there is no Python with the module cgi");
        return None;
    };
    let lines: String = cases
        .iter()
        .map(|case| {
            let Case { method, query, content_type, body, keep, strict } = case;
            let case = json!({
                "method": method, "query": query, "type": content_type, "body": hex(body),
                "keep": keep, "strict": strict,
            });
            format!("{case}\n")
        })
        .collect();
    let mut child = Command::new(python)
        .args(["-W", "ignore", "-c", include_str!("forms.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    let answers: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), cases.len());
    Some(answers)
}

/// A Python that still has `cgi`, which 3.13 dropped: the one on the path, or one of pyenv's.
pub(crate) fn python_with_cgi() -> Option<PathBuf> {
    let home = PathBuf::from(env::var_os("HOME").unwrap_or_default());
    let versions = fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten();
    let mut pythons: Vec<_> = versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"3.1"))
        })
        .map(|path| path.join("bin/python3"))
        .collect();
    pythons.sort();
    pythons.push("python3".into());
    pythons.into_iter().rev().find(|python| {
        let has = Command::new(python).args(["-W", "ignore", "-c", "import cgi"]).output();
        has.is_ok_and(|output| output.status.success())
    })
}
