//! The cases of the comparison with CPython, byte by byte.

use std::fs;

use crate::cgi_site::CgiSite;
use crate::differential::case;

/// The programs that the reference's cases speak of, and some more.
pub(crate) fn cgi_site() -> CgiSite {
    let plain = "printf 'Content-Type: a\\r\\n\\r\\n';";
    let site = CgiSite::new(&[
        ("status.sh", "printf 'Status: 404 Nope\\nLocation: /x\\n\\nbody\\n'"),
        (
            "post.sh",
            "printf 'Content-Type: text/plain\\n\\nCL=%s CT=%s\\n' $CONTENT_LENGTH $CONTENT_TYPE; \
             head -c $CONTENT_LENGTH",
        ),
        ("local.sh", "printf 'Location: /nocgi.txt\\n\\n'"),
        ("away.sh", "printf 'Location: http://x/\\n\\n'"),
        ("err.sh", "echo oops >&2; exit 7"),
        ("sig.sh", "kill -9 $$"),
        ("nph-x.sh", "printf 'HTTP/1.0 201 Created\\r\\n\\r\\nhi'"),
        (
            "plain.sh",
            &format!("{plain} echo $PATH_INFO $SCRIPT_NAME $QUERY_STRING $REQUEST_METHOD"),
        ),
        ("args.sh", &format!("{plain} echo $# \"$1\"")),
        ("header.sh", &format!("{plain} echo $HTTP_X_A")),
    ]);
    fs::create_dir(site.site.path("cgi-bin/dir")).unwrap();
    site.site.write("cgi-bin/plain.txt", "x");
    site.site.write("nocgi.txt", "x");
    site.script("cgi-bin/dir/deep.sh", &format!("#!/bin/sh\n{plain} echo $SCRIPT_NAME\n"));
    site
}

pub(crate) fn cgi_cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = Vec::new();
    for (name, target) in [
        ("CGI status", "/cgi-bin/status.sh"),
        ("CGI escaped", "/cgi%2dbin%2fstatus.sh"),
        ("CGI local redirect", "/cgi-bin/local.sh"),
        ("CGI client redirect", "/cgi-bin/away.sh"),
        ("CGI failure", "/cgi-bin/err.sh"),
        ("CGI crash", "/cgi-bin/sig.sh"),
        ("CGI above the root", "/../../x"),
        ("CGI without parsed headers", "/cgi-bin/nph-x.sh"),
        ("CGI option as query", "/cgi-bin/args.sh?-s"),
        ("no CGI script", "/cgi-bin/none"),
        ("no CGI script, with more", "/cgi-bin/none/more?query"),
        ("CGI directory", "/cgi-bin/dir"),
        ("CGI directories", "/cgi-bin/"),
        ("CGI directories without slash", "/cgi-bin"),
        ("no CGI program", "/cgi-bin/plain.txt"),
        ("CGI", "/cgi-bin/plain.sh"),
        ("CGI with everything", "/cgi-bin/plain.sh/a/b%20c?d=e&f"),
        ("CGI with question marks", "/cgi-bin/plain.sh?a=b?c"),
        ("CGI with slashes in its query", "/cgi-bin/plain.sh?a=b//c//"),
        ("CGI collapsed", "///cgi-bin/./dir/../plain.sh"),
        ("CGI in the depth", "/cgi-bin/dir/deep.sh"),
        ("CGI with an argument", "/cgi-bin/args.sh?one"),
        ("CGI with no argument", "/cgi-bin/args.sh?a=b"),
        ("no CGI", "/nocgi.txt"),
    ] {
        cases.push(case(name, format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")));
    }
    let post = "Content-Length: 5\r\nContent-Type: text/x\r\n\r\nHELLOextra";
    for (name, request) in [
        ("CGI status to HEAD", "HEAD /cgi-bin/status.sh HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("CGI line ends", format!("POST /cgi-bin/post.sh HTTP/1.1\r\nHost: x\r\n{post}")),
        ("CGI header names", "GET /cgi-bin/header.sh HTTP/1.0\r\nX-A: b\r\n\r\n".to_owned()),
        ("POST without CGI", "POST /nocgi.txt HTTP/1.0\r\n\r\n".to_owned()),
        ("PUT to CGI", "PUT /cgi-bin/plain.sh HTTP/1.0\r\n\r\n".to_owned()),
        ("CGI over HTTP/1.0", "GET /cgi-bin/plain.sh HTTP/1.0\r\n\r\n".to_owned()),
    ] {
        cases.push(case(name, request));
    }
    cases
}

/// Targets that are asked for with GET and with HEAD.
const TARGETS: [(&str, &str); 56] = [
    ("file", "/a.txt"),
    ("missing file", "/nope"),
    ("root", "/"),
    ("directory", "/sub/"),
    ("directory with odd names", "/%C3%A9/"),
    ("empty directory", "/empty/"),
    ("directory without slash", "/sub"),
    ("redirect with query and fragment", "/sub?x=1&y=%20#f"),
    ("redirect with empty query", "/sub?"),
    ("redirect with empty fragment", "/sub#"),
    ("redirect with fragment", "/sub#f?g"),
    ("redirect with slashes in query", "/sub?a//b/"),
    ("redirect with dots", "/sub/../sub/./C"),
    ("redirect with inner slashes", "/sub//C"),
    ("redirect of slashes", "//sub"),
    ("redirect of many slashes", "////sub"),
    ("redirect to another host", "//evil.com/..%2fsub"),
    ("redirect of an escape", "/%73ub"),
    ("/\\ in a redirect", "/\\evil.com/%2e%2e%2fsub"),
    ("%5C in a redirect", "/back\\slash"),
    ("escaped backslash", "/back%5cslash"),
    ("%2f behind a directory", "/sub%2f"),
    ("%2F behind a directory", "/sub%2F"),
    ("%2f behind a file", "/a.txt%2f"),
    ("slash behind a file", "/a.txt/"),
    ("index", "/idx/"),
    ("index with query", "/idx/?q"),
    ("directory as index", "/spam/"),
    ("title with query", "/empty/?x=%bb&<b>"),
    ("title with fragment", "/empty/#f"),
    ("title with dots", "/sub/../empty/"),
    ("title with escapes", "/%65mpty/"),
    ("target without slash", "a.txt"),
    ("absolute target", "http://h/a.txt"),
    ("other scheme", "ftp://h/a.txt"),
    ("asterisk", "*"),
    ("dots above the root", "/../../etc/passwd"),
    ("escaped dots above the root", "/%2e%2e/%2e%2e/a.txt"),
    ("dots", "/./sub/../a.txt"),
    ("query", "/a.txt?q/r"),
    ("fragment", "/a.txt#f/g"),
    ("fragment before query", "/a.txt#f?q"),
    ("escaped marks", "/q%3fb%23.txt?z"),
    ("UTF-8 as it is", "/sub/\u{c3}\u{a9}&<.txt"),
    ("escaped UTF-8", "/sub/%C3%A9&%3c.txt"),
    ("NUL in a path", "/a%00.txt"),
    ("NUL in a directory", "/sub%00/"),
    ("empty file", "/empty0"),
    ("compressed file", "/t.tar.gz"),
    ("bad escape", "/%zz%4"),
    ("link", "/sub/l"),
    ("link to directory", "/sub/d"),
    ("broken link", "/sub/z"),
    ("long name", LONG),
    ("file below a file", "/a.txt/b"),
    ("semicolon", "/a.txt;x=y"),
];

/// Longer than any file system takes.
const LONG: &str = match str::from_utf8(&[b'x'; 300]) {
    Ok(text) => text,
    Err(_) => "",
};

/// Characters as bytes.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap()).collect()
}

pub(crate) fn file_cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = Vec::new();
    for (name, target) in TARGETS {
        for method in ["GET", "HEAD"] {
            cases.push(case(
                name,
                latin1(&format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n")),
            ));
        }
    }
    let dates = [
        "Thu, 02 Jan 2020 03:04:05 GMT",
        "Thu, 02 Jan 2020 03:04:04 GMT",
        "Thu, 02 Jan 2020 03:04:06 GMT",
        "Thu, 02 Jan 2099 03:04:05 GMT",
        "Sun, 02 Jan 2020 03:04:05 GMT",
        "Thu Jan  2 03:04:05 2020",
        "Thursday, 02-Jan-20 03:04:05 GMT",
        "Thu, 02 Jan 2020 03:04:05 UTC",
        "Thu, 02 Jan 2020 03:04:05 +0000",
        "Thu, 02 Jan 2020 03:04:05 -0000",
        "Thu, 02 Jan 2020 03:04:05 +0100",
        "Thu, 02 Jan 2020 03:04:05 EST",
        "Thu, 02 Jan 2020 25:04:05 GMT",
        "Thu, 02 Jan 10000 03:04:05 GMT",
        "junk",
        "",
    ];
    for date in dates {
        let request = |more: &str| {
            format!("GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: {date}\r\n{more}\r\n")
        };
        cases.push(case(&format!("since {date}"), request("")));
        cases.push(case(&format!("since {date} with a tag"), request("If-None-Match: \"x\"\r\n")));
    }
    let (r, h) = ("x".repeat(65_521), "r".repeat(65_534));
    let requests: Vec<(&str, String)> = vec![
        ("HTTP/1.0", "GET /a.txt HTTP/1.0\r\n\r\n".into()),
        ("HTTP/1.0 with host", "GET /a.txt HTTP/1.0\r\nHost: x\r\n\r\n".into()),
        ("keep-alive", "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".into()),
        ("range", "GET /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n".into()),
        ("POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".into()),
        ("PUT", "PUT / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("lower case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("markup in a method", "<b>'x'\" / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("quote in a method", "it's / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("controls in a method", "\x01\x7f\u{e9}\u{ad}\\ / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("long method", format!("{} / HTTP/1.1\r\nHost: x\r\n\r\n", "M".repeat(300))),
        ("bad version", "GET / FUBAR\r\n\r\n".into()),
        ("HTTP/2.0", "GET / HTTP/2.0\r\n\r\n".into()),
        ("HTTP/9.9", "GET / HTTP/9.9\r\n\r\n".into()),
        ("lower case version", "GET / http/1.1\r\n\r\n".into()),
        ("leading zeros", "GET /a.txt HTTP/01.001\r\nHost: x\r\n\r\n".into()),
        ("HTTP/1.2", "GET /a.txt HTTP/1.2\r\nHost: x\r\n\r\n".into()),
        ("HTTP/1.10", "GET /a.txt HTTP/1.10\r\nHost: x\r\n\r\n".into()),
        ("eleven digits", "GET / HTTP/1.12345678901\r\n\r\n".into()),
        ("signed version", "GET / HTTP/+1.1\r\n\r\n".into()),
        ("version of one part", "GET / HTTP/1\r\n\r\n".into()),
        ("version of three parts", "GET / HTTP/1.1.1\r\n\r\n".into()),
        ("empty version", "GET / HTTP/\r\n\r\n".into()),
        ("version with underscore", "GET / HTTP/1_0.1\r\n\r\n".into()),
        ("four words", "GET /a b HTTP/1.1\r\n\r\n".into()),
        ("five words", "GET /a b c HTTP/1.1\r\n\r\n".into()),
        ("four words, bad version", "GET /a b c\r\n\r\n".into()),
        ("one word", "GET\r\n\r\n".into()),
        ("HTTP/0.9", "GET /a.txt\r\n\r\n".into()),
        ("HTTP/0.9 of a missing file", "GET /nope\r\n\r\n".into()),
        ("HTTP/0.9 of a listing", "GET /empty/\r\n\r\n".into()),
        ("HTTP/0.9 of a redirect", "GET /sub\r\n\r\n".into()),
        ("HTTP/0.9 with POST", "POST /a.txt\r\n\r\n".into()),
        ("HTTP/0.9 by name", "GET /a.txt HTTP/0.9\r\n\r\n".into()),
        ("leading blank line", "\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("bare LF", "GET /a.txt HTTP/1.1\nHost: x\n\n".into()),
        ("tabs and blanks", "GET\t /a.txt \x0b\x0c HTTP/1.1  \r\nHost: x\r\n\r\n".into()),
        ("NBSP between words", "GET \u{a0}/a.txt HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("long request line", format!("GET /{r} HTTP/1.1\r\n\r\n")),
        ("long header", format!("GET /a.txt HTTP/1.1\r\nX: {h}\r\n\r\n")),
        ("long header of HEAD", format!("HEAD /a.txt HTTP/1.1\r\nX: {h}\r\n\r\n")),
        ("99 headers", format!("GET /a.txt HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(99))),
        ("100 headers", format!("GET /a.txt HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(100))),
        ("100 headers of HEAD", format!("HEAD /a.txt HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(100))),
        ("end inside a head", "GET /a.txt HTTP/1.1\r\nX: y".into()),
        ("end inside a request line", "GET /a.txt HTTP/1.0".into()),
        ("controls in a target", "GET /\x1b[31m\\x HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("nothing", String::new()),
        ("no host", "GET /a.txt HTTP/1.1\r\n\r\n".into()),
        ("undecodable name in a listing", "GET /raw/ HTTP/1.0\r\n\r\n".into()),
        ("undecodable name", "GET /raw/%FF HTTP/1.0\r\n\r\n".into()),
        ("colonless header", "GET /a.txt HTTP/1.0\r\nNo colon\r\n\r\n".into()),
        ("folded header", "GET /a.txt HTTP/1.0\r\nA: b\r\n c\r\n\r\n".into()),
        ("first header folded", "GET /a.txt HTTP/1.0\r\n A: b\r\n\r\n".into()),
        ("nameless header", "GET /a.txt HTTP/1.0\r\n: b\r\n\r\n".into()),
        ("NUL in a header", "GET /a.txt HTTP/1.0\r\nA: b\0c\r\n\r\n".into()),
        ("NUL in a request line", "GET /a.txt\0 HTTP/1.0\r\n\r\n".into()),
        ("CR in a request line", "GET /a.txt\rHTTP/1.0\r\n\r\n".into()),
    ];
    cases.extend(requests.into_iter().map(|(name, request)| case(name, latin1(&request))));
    cases
}

/// The end of all cases that show whether a connection is kept.
const LAST: &str = "GET /empty0 HTTP/1.1\r\nHost: x\r\n\r\n";

pub(crate) fn kept_cases() -> Vec<(String, Vec<u8>)> {
    let host = "HTTP/1.1\r\nHost: x\r\n";
    [
        ("HTTP/1.1", format!("GET /a.txt {host}\r\n")),
        ("HEAD", format!("HEAD /a.txt {host}\r\n")),
        ("close", format!("GET /a.txt {host}Connection: CLOSE\r\n\r\n")),
        ("close in a list", format!("GET /a.txt {host}Connection: close, TE\r\n\r\n")),
        ("close and a blank", format!("GET /a.txt {host}Connection: close \r\n\r\n")),
        ("other connection option", format!("GET /a.txt {host}Connection: TE\r\n\r\n")),
        ("HTTP/1.0 closed", "GET /a.txt HTTP/1.0\r\n\r\n".into()),
        ("HTTP/1.0 kept", "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into()),
        (
            "HTTP/1.0 kept in any case",
            "GET /a.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n".into(),
        ),
        ("pipelining", format!("HEAD /a.txt {host}\r\nGET /sub/ {host}\r\nGET /empty/ {host}\r\n")),
        ("error", format!("GET /nope {host}\r\n")),
        ("error for HEAD", format!("HEAD /nope {host}\r\n")),
        ("redirect", format!("GET /sub {host}\r\n")),
        ("listing", format!("GET /sub/ {host}\r\n")),
        (
            "304",
            format!("GET /a.txt {host}If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n\r\n"),
        ),
        ("expectation", format!("GET /a.txt {host}Expect: 100-Continue\r\n\r\n")),
        ("expectation of HTTP/1.0", "GET /a.txt HTTP/1.0\r\nExpect: 100-continue\r\n\r\n".into()),
        ("other expectation", format!("GET /a.txt {host}Expect: foo\r\n\r\n")),
        ("unread body", format!("GET /a.txt {host}Content-Length: 5\r\n\r\nHELLO")),
        (
            "unread chunked body",
            format!("GET /a.txt {host}Transfer-Encoding: chunked\r\n\r\n5\r\nHELLO\r\n0\r\n\r\n"),
        ),
        ("two hosts", "GET /a.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into()),
        ("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("blank before a colon", format!("GET /a.txt {host}Bad : x\r\n\r\n")),
        ("CR in a header", format!("GET /a.txt {host}A: b\rConnection: close\r\n\r\n")),
        ("signed length", format!("GET /a.txt {host}Content-Length: +5\r\n\r\nHELLO")),
        (
            "two lengths",
            format!("GET /a.txt {host}Content-Length: 5\r\nContent-Length: 0\r\n\r\nHELLO"),
        ),
        (
            "length and coding",
            format!(
                "GET /a.txt {host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        ("unknown coding", format!("GET /a.txt {host}Transfer-Encoding: identity\r\n\r\n")),
        ("bad version", "GET / FUBAR\r\n\r\n".into()),
        ("HTTP/0.9", "GET /a.txt\r\n\r\n".into()),
        ("four words", "GET /a b HTTP/1.1\r\n\r\n".into()),
    ]
    .into_iter()
    .map(|(name, request)| case(name, request + LAST))
    .collect()
}

pub(crate) fn method_cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = Vec::new();
    // Every status that either knows, and some that neither does.
    for code in
        (100..104).chain(200..227).chain(299..309).chain(399..452).chain(499..512).chain([999])
    {
        let request = |method: &str| format!("{method} /{code} HTTP/1.1\r\nHost: x\r\n\r\n{LAST}");
        cases.push(case(&format!("ERR {code}"), request("ERR")));
        cases.push(case(&format!("ERR {code}"), request("HEAD")));
    }
    for (name, request) in [
        ("own message", "ERR /999,m<b>,x&y HTTP/1.1"),
        ("own message alone", "ERR /404,it's \"gone\" HTTP/1.1"),
        ("message in latin-1", "ERR /404,caf\u{e9} HTTP/1.1"),
        ("CUST", "CUST / HTTP/1.1"),
        ("INJ", "INJ / HTTP/1.1"),
        ("INJH", "INJH / HTTP/1.1"),
        ("KAHDR", "KAHDR / HTTP/1.0"),
        ("NOCL", "NOCL / HTTP/1.1"),
        ("NOCL of HTTP/1.0", "NOCL / HTTP/1.0"),
        ("DBL", "DBL / HTTP/1.1"),
        ("NOEND", "NOEND / HTTP/1.1"),
        ("RAISE", "RAISE / HTTP/1.1"),
        ("EXIT", "EXIT / HTTP/1.1"),
        ("UNI", "UNI / HTTP/1.1"),
        ("UNIR", "UNIR / HTTP/1.1"),
        ("bad version", "GET / FUBAR"),
    ] {
        let request = request.replace("it's \"gone\"", "it's-\"gone\"");
        cases.push(case(name, latin1(&format!("{request}\r\nHost: x\r\n\r\n{LAST}"))));
    }
    for (name, lines) in [
        ("body", "Content-Length: 5\r\n\r\nHELLO"),
        ("no body", "\r\n"),
        ("body after an expectation", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nHELLO"),
    ] {
        cases.push(case(name, format!("READ / HTTP/1.1\r\nHost: x\r\n{lines}{LAST}")));
    }
    cases
}
