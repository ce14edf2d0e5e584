//! `http::url` and CPython's `urllib.parse`, asked the same.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use socketserver::ThreadPool;
use socketserver::http::url::{
    QueryOptions, ValueError, parse_qs, parse_qsl, quote, quote_plus, quote_with, unquote,
    unquote_plus, unquote_to_bytes, urlencode, urlparse, urlsplit,
};
use socketserver::http::{Exchange, HttpRequestHandler};

use crate::differential::newest_python;
use crate::support::{Running, bind};

#[test]
fn urls_and_queries_are_read_and_written_as_cpython_does() {
    let mut dice = Dice(0x5eed);
    let mut cases = Vec::new();
    for _ in 0..4000 {
        let url = dice.text(&URL_PIECES, 9);
        cases.push(("urlsplit", url.clone().into()));
        cases.push(("urlparse", url.into()));
    }
    for _ in 0..2000 {
        let address = dice.text(&ADDRESS_PIECES, 12);
        cases.push(("urlsplit", format!("//[{address}]").into()));
        let text = dice.text(&QUERY_PIECES, 12);
        cases.push(("parse_qs", text.clone().into()));
        cases.push(("parse_qsl", json!([text, dice.coin(), dice.coin(), dice.most(), "&"])));
        let separator = dice.pick(&["&", ";", "&&", "=", "é", ""]);
        cases.push(("parse_qsl", json!([text, dice.coin(), false, null, separator])));
        let text = dice.text(&TEXT_PIECES, 8);
        let safe = dice.text(&TEXT_PIECES, 3);
        cases.push(("quote_with", json!([text, safe])));
        cases.push(("urlencode", json!([[text, safe], [safe, text]])));
        for function in ["quote", "quote_plus", "unquote", "unquote_plus", "unquote_to_bytes"] {
            cases.push((function, text.clone().into()));
        }
    }
    cases.push(("quote_bytes", (0..=255).collect::<Vec<u8>>().into()));
    compare(&cases);
}

#[test]
fn every_character_that_stands_for_a_delimiter_is_refused_where_cpython_does() {
    let Some(theirs) = ask_python(&[("refused", 0x11_0000.into())]) else { return };
    let refuses = |text: &str| urlsplit(&format!("//a{text}b")).is_err();
    let characters: Vec<_> = ('\0'..=char::MAX).collect();
    // Most are refused by neither: where all of a piece are not, none of them is.
    let (first, rest) = characters.split_at(0x100);
    let refused = rest.chunks(0x100).filter(|piece| refuses(&String::from_iter(*piece)));
    let asked = first.iter().chain(refused.flatten());
    let ours: Vec<_> =
        asked.filter(|one| refuses(&one.to_string())).map(|one| u32::from(*one)).collect();
    assert_eq!(json!([ours]), json!(theirs));
    assert!(ours.len() > 10);
}

#[test]
fn a_query_may_have_so_many_fields_and_no_more() {
    let options = QueryOptions::default().max_num_fields(2);
    assert_eq!(options.parse_qs("a=1&b=2&c=3"), Err(ValueError::TooManyFields));
    assert!(options.parse_qs("a=1&b=2").is_ok_and(|query| query.contains("b")));
}

#[test]
fn a_refused_url_is_its_clients_mistake() {
    struct Splits;

    impl HttpRequestHandler for Splits {
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            let url = urlsplit(&http.path)?;
            http.send_response(200)?;
            http.end_headers()?;
            http.wfile.write_all(url.path.as_bytes())
        }
    }

    let running = Running::start(bind::<ThreadPool, _>(Splits));
    let ask = |target: &str| {
        let mut client = running.connect();
        client.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
        client.read_to_end()
    };
    assert!(ask("http:/p?q").ends_with("\r\n\r\n/p"));
    let refused = ask("x://[::1/p");
    assert!(refused.starts_with("HTTP/1.0 400 Invalid IPv6 URL\r\n"), "{refused}");
}

/// Asks both and compares the answers.
fn compare(cases: &[(&str, Value)]) {
    let Some(theirs) = ask_python(cases) else { return };
    assert_eq!(theirs.len(), cases.len());
    let mut problems = Vec::new();
    for ((function, argument), theirs) in cases.iter().zip(&theirs) {
        let ours = ask_us(function, argument);
        if ours != *theirs {
            problems.push(format!("{function}({argument})\n  ours   {ours}\n  theirs {theirs}"));
        }
    }
    let count = problems.len();
    problems.truncate(10);
    assert!(problems.is_empty(), "{count} of {}:\n{}", cases.len(), problems.join("\n"));
}

fn ask_python(cases: &[(&str, Value)]) -> Option<Vec<Value>> {
    let Some((version, program)) = newest_python() else {
        println!("skipped: no Python of 3.11 or later was found");
        assert!(std::env::var_os("CI").is_none(), "CI needs a Python to compare with");
        return None;
    };
    println!("asking {} {version:?}", program.display());
    let mut child = Command::new(program)
        .args(["-c", include_str!("urls.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It answers when it has read everything.
    let mut input = child.stdin.take().unwrap();
    input.write_all(serde_json::to_string(cases).unwrap().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn ask_us(function: &str, argument: &Value) -> Value {
    let text = argument.as_str().unwrap_or_default();
    let result = match function {
        "urlsplit" => urlsplit(text).map(|url| {
            json!([
                url.scheme,
                url.netloc,
                url.path,
                url.query,
                url.fragment,
                url.username(),
                url.password(),
                url.hostname(),
                port(url.port()),
                url.geturl(),
            ])
        }),
        "urlparse" => urlparse(text).map(|url| {
            json!([
                url.scheme,
                url.netloc,
                url.path,
                url.params,
                url.query,
                url.fragment,
                url.username(),
                url.password(),
                url.hostname(),
                port(url.port()),
                url.geturl(),
            ])
        }),
        "parse_qs" => Ok(json!(parse_qs(text).iter().collect::<Vec<_>>())),
        "parse_qsl" => read_query(argument).map(|pairs| json!(pairs)),
        "quote" => Ok(quote(text).into()),
        "quote_with" => Ok(quote_with(word(argument, 0), word(argument, 1)).into()),
        "quote_plus" => Ok(quote_plus(text).into()),
        "quote_bytes" => {
            Ok(quote(serde_json::from_value::<Vec<u8>>(argument.clone()).unwrap()).into())
        }
        "unquote" => Ok(unquote(text).into()),
        "unquote_plus" => Ok(unquote_plus(text).into()),
        "unquote_to_bytes" => Ok(unquote_to_bytes(text).into()),
        "urlencode" => {
            let pairs = argument.as_array().unwrap();
            Ok(urlencode(pairs.iter().map(|pair| (word(pair, 0), word(pair, 1)))).into())
        }
        other => panic!("{other}"),
    };
    result.unwrap_or_else(|error| json!({"ValueError": error.to_string()}))
}

fn read_query(argument: &Value) -> Result<Vec<(String, String)>, ValueError> {
    let options = QueryOptions::default()
        .keep_blank_values(argument[1].as_bool().unwrap())
        .strict_parsing(argument[2].as_bool().unwrap())
        .max_num_fields(argument[3].as_u64().map(|most| usize::try_from(most).unwrap()))
        .separator(word(argument, 4));
    let result = options.parse_qsl(word(argument, 0));
    if options == QueryOptions::default() {
        assert_eq!(result.as_ref(), Ok(&parse_qsl(word(argument, 0))));
    }
    result
}

fn port(port: Result<Option<u16>, ValueError>) -> Value {
    port.map_or_else(|error| error.to_string().into(), Value::from)
}

fn word(list: &Value, position: usize) -> &str {
    list[position].as_str().unwrap()
}

/// Throws the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn most(&mut self) -> Option<usize> {
        [None, Some(0), Some(1), Some(3)][self.below(4)]
    }

    fn pick<'a>(&mut self, pieces: &[&'a str]) -> &'a str {
        pieces[self.below(pieces.len())]
    }

    /// Up to so many pieces in a row.
    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| self.pick(pieces)).collect()
    }
}

const URL_PIECES: [&str; 60] = [
    "http:",
    "HTTPS:",
    "file:",
    "mailto:",
    "itms-services:",
    "sip:",
    "x-y+z.1:",
    "1x:",
    "é:",
    "//",
    "//",
    "//",
    "///",
    "/",
    "/",
    "?",
    "#",
    ":",
    ":",
    "@",
    "@",
    ";",
    "[",
    "]",
    "[::1]",
    "[v1.x]",
    "[V1.x]",
    "[vz.x]",
    "[v1.]",
    "[1.2.3.4]",
    "[::ffff:1.2.3.4]",
    "[fe80::1%Eth0]",
    "[fe80::1%]",
    "[FE80::A]",
    "h",
    "Host.Example",
    "user",
    "pass",
    "80",
    "065",
    "65536",
    "999999999999999999999",
    "٣",
    "a/b;c",
    "..",
    "%2F",
    "%",
    "&",
    "=",
    " ",
    "\t",
    "\r\n",
    "\0",
    "\u{1f}",
    "é",
    "ẞ",
    "İ",
    "／",
    "℀",
    "e\u{301}",
];

const ADDRESS_PIECES: [&str; 16] = [
    ":", ":", ":", "::", "0", "1", "ffff", "00001", "g", "1.2.3.4", "01.2.3.4", "%", "eth0", "v",
    "A", "255",
];

const QUERY_PIECES: [&str; 24] = [
    "a",
    "a=",
    "a=1",
    "b",
    "b=2",
    "=",
    "=",
    "&",
    "&",
    "&",
    "&&",
    ";",
    "+",
    "%20",
    "%C3%A9",
    "%c3",
    "%",
    "%zz",
    "%2",
    "é",
    "%26",
    "%3D",
    "\t",
    "\u{1F600}",
];

const TEXT_PIECES: [&str; 40] = [
    "a",
    "Z",
    "0",
    "_",
    ".",
    "-",
    "~",
    "/",
    "//",
    " ",
    "+",
    "*",
    "!",
    "'",
    "(",
    "\"",
    "<",
    "\\",
    "^",
    "`",
    "|",
    "%",
    "%%",
    "%4",
    "%41",
    "%e2",
    "%82",
    "%AC",
    "%ed%a0%80",
    "%f4%90",
    "%FF",
    "%2B",
    "&",
    "=",
    "é",
    "☃",
    "\u{1F600}",
    "\0",
    "\n",
    "\u{7f}",
];
