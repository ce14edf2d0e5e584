//! Requests that two readers could take apart differently: here they mean one thing, or are
//! refused.
//!
//! Each is sent with a marker behind it, at once and byte by byte to a handler that reads bodies,
//! and at once to one that does not. The rows follow RFC 9112 §6.3 and §11.2, the advisories
//! RUSTSEC-2020-0031, 2021-0020 and 2021-0078, and what other servers get wrong. `http_framing.rs`
//! has more of the plain cases.

use std::io::{Read, Write};
use std::thread;

use crate::support::{Notes, Running};
use crate::web::{Browser, Reply, answer, answering, serve, show};

/// What a request means, to whoever reads it.
#[derive(Clone, Copy, Debug)]
enum Means {
    /// Nothing: this status, and the connection is closed.
    Refused(u16),
    /// A request with this body, and what follows is the next one.
    Body(&'static str),
    /// A request with this body, and the connection is closed behind it.
    Last(&'static str),
    /// A request whose body is none: 400 to whoever reads it, and the connection is closed.
    Broken,
}

use Means::{Body, Broken, Last, Refused};

/// Behind `POST /first HTTP/1.1`, CR LF and `Host: x`, CR LF. Each character is a byte.
const BEHIND_HOST: &[(&str, Means)] = &[
    // RUSTSEC-2020-0031: a blank before the colon.
    ("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\nHELLO", Refused(400)),
    ("Transfer-Encoding \t: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Content-Length : 5\r\n\r\nHELLO", Refused(400)),
    ("Content-Length\u{b}: 5\r\n\r\nHELLO", Refused(400)),
    ("Content-Length\u{a0}: 5\r\n\r\nHELLO", Refused(400)),
    // RUSTSEC-2021-0020: several transfer codings in several lines.
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: identity\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunked\r\nTRANSFER-ENCODING: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    // RUSTSEC-2021-0078: lengths with a sign.
    ("Content-Length: +3\r\n\r\nabc", Refused(400)),
    ("Content-Length: +0\r\n\r\n", Refused(400)),
    ("Content-Length: -0\r\n\r\n", Refused(400)),
    // Other lengths that some readers take.
    ("Content-Length: 5_0\r\n\r\n", Refused(400)),
    ("Content-Length: 5,\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: ,5\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 5;q=1\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: \"5\"\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 5.0\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 1e1\r\n\r\n", Refused(400)),
    ("Content-Length: 0b101\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: \u{a0}5\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 5\u{85}\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: \u{b2}\r\n\r\nHE", Refused(400)),
    ("Content-Length: 18446744073709551621\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 340282366920938463463374607431768211461\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: -5\r\n\r\n", Refused(400)),
    ("Content-Length: 5x\r\n\r\n", Refused(400)),
    ("Content-Length: 0x5\r\n\r\n", Refused(400)),
    ("Content-Length: 5 5\r\n\r\n", Refused(400)),
    ("Content-Length: 5, 5\r\n\r\n", Refused(400)),
    ("Content-Length: 5,6\r\n\r\n", Refused(400)),
    ("Content-Length: \r\n\r\n", Refused(400)),
    ("Content-Length: 5\0\r\n\r\n", Refused(400)),
    ("Content-Length: 5\r\r\n\r\n", Refused(400)),
    ("Content-Length: 5\r\ncontent-length: 05x\r\n\r\n", Refused(400)),
    ("Content-Length: 5\r\nContent-Length: 5, 5\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 0\r\nContent-Length: 5\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 5\r\nContent-Length:\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
    ("Content-Length: 5\r\nContent-Length: 05\r\n\r\nHELLO", Body("HELLO")),
    ("Content-Length: 00000000000000000000000000000005\r\n\r\nHELLO", Body("HELLO")),
    ("Content-Length: \t 5 \t\r\n\r\nHELLO", Body("HELLO")),
    // RFC 9112 §6.3: a length and a transfer coding, in either order, however they are written.
    ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Content-Length: 4\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", Refused(400)),
    (
        "Expect: 100-continue\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refused(400),
    ),
    // Transfer codings that some readers take for chunked, and others for nothing.
    ("Transfer-Encoding: chunked\u{a0}\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: \u{85}chunked\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunked\u{c}\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Transfer-Encoding: \u{0}chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunked chunked\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: 'chunked'\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunk\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: deflate\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: identity\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: xchunked\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: gzip, chunked\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunked;q=1\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: \"chunked\"\r\n\r\n", Refused(501)),
    ("Transfer-Encoding:\r\n\r\n", Refused(501)),
    ("Transfer-Encoding: chunked, chunked\r\n\r\n", Refused(400)),
    ("Transfer-Encoding: \u{b}chunked\r\n\r\n", Refused(400)),
    ("Transfer-Encoding : chunked\r\n\r\n", Refused(400)),
    ("Transfer-Encoding\t: chunked\r\n\r\n", Refused(400)),
    ("Transfer-Encoding:\tCHUNKED\t\r\n\r\n5\r\nHELLO\r\n0\r\n\r\n", Body("HELLO")),
    ("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
    ("Content_Length: 50\r\nTransfer.Encoding: chunked\r\n\r\n", Body("")),
    ("X-Transfer-Encoding: chunked\r\n\r\n", Body("")),
    // Lines that are folded, joined or cut.
    ("X: y\r\n Content-Length: 5\r\n\r\nHELLO", Refused(400)),
    ("X: y\r\n Transfer-Encoding: chunked\r\n\r\n", Refused(400)),
    ("X: y\r\n\tContent-Length: 5\r\n\r\n", Refused(400)),
    ("X: y\rContent-Length: 5\r\n\r\n", Refused(400)),
    ("X: y\0\r\nContent-Length: 5\r\n\r\n", Refused(400)),
    ("N\u{e9}: x\r\nContent-Length: 5\r\n\r\n", Refused(400)),
    ("Content-Length: 5\r\nX: \u{7f}\r\n\r\n", Refused(400)),
    ("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("Content-Length:\r\n\t5\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 5\r\n 0\r\n\r\nHELLO", Refused(400)),
    ("Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ("X: y\r\rContent-Length: 5\r\n\r\nHELLO", Refused(400)),
    ("\rContent-Length: 5\r\n\r\nHELLO", Refused(400)),
    ("Content-Length: 5\r\n\rX: y\r\n\r\nHELLO", Refused(400)),
    ("\0Content-Length: 5\r\n\r\nHELLO", Refused(400)),
    ("Content\0-Length: 5\r\n\r\nHELLO", Refused(400)),
    ("X: \0\r\n\r\n", Refused(400)),
    ("Content-Length\r\n\r\nHELLO", Refused(400)),
    (": 5\r\n\r\n", Refused(400)),
    ("Content-Length 5\r\n\r\nHELLO", Refused(400)),
    ("Content(Length): 5\r\n\r\nHELLO", Refused(400)),
    ("X: y\nContent-Length: 5\n\nHELLO", Body("HELLO")),
    ("X: y\nTransfer-Encoding: chunked\r\n\n5\r\nHELLO\r\n0\r\n\r\n", Body("HELLO")),
    // Hosts.
    ("Host: x\r\n\r\n", Refused(400)),
    ("hOST: y\r\nContent-Length: 0\r\n\r\n", Refused(400)),
    ("Host : y\r\n\r\n", Refused(400)),
    // Fields that a proxy might drop: the frame is what it says all the same.
    ("Connection: Content-Length\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
    (
        "Connection: Transfer-Encoding, Host\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Body(""),
    ),
    ("Connection: keep-alive, close\r\nContent-Length: 5\r\n\r\nHELLO", Last("HELLO")),
    ("Connection: x\r\nConnection: CLOSE\r\n\r\n", Last("")),
    ("Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
    ("X-HTTP-Method-Override: PUT\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
    ("TE: trailers\r\nTrailer: Content-Length\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
];

/// Behind a head that says `Transfer-Encoding: chunked`.
const CHUNKS: &[(&str, Means)] = &[
    // Trailers are dropped, above all those that would change the frame.
    ("5\r\nHELLO\r\n0\r\nContent-Length: 50\r\n\r\n", Body("HELLO")),
    ("0\r\nTransfer-Encoding: chunked\r\nHost: y\r\n\r\n", Body("")),
    ("0\r\nConnection: close\r\n\r\n", Body("")),
    ("0\r\nX: y\r\nEmpty:\r\n\r\n", Body("")),
    ("0\r\nX: \t y \t\r\n!#$%&'*+-.^_`|~09: \u{ff}\r\n\r\n", Body("")),
    // Lines that are no field: the empty line is missing, and what comes is a request.
    ("0\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", Broken),
    ("0\r\nX: y\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", Broken),
    ("0\r\nno colon\r\n\r\n", Broken),
    ("0\r\nX : y\r\n\r\n", Broken),
    ("0\r\nX\t: y\r\n\r\n", Broken),
    ("0\r\n: y\r\n\r\n", Broken),
    ("0\r\n X: y\r\n\r\n", Broken),
    ("0\r\n folded\r\n\r\n", Broken),
    ("0\r\nX: y\r\n folded\r\n\r\n", Broken),
    ("0\r\nX: y\r\n\tZ: folded\r\n\r\n", Broken),
    ("0\r\nX: a\0b\r\n\r\n", Broken),
    ("0\r\nX: a\u{7f}\r\n\r\n", Broken),
    ("0\r\nX: \u{1b}[31m\r\n\r\n", Broken),
    ("0\r\nX\u{1}: y\r\n\r\n", Broken),
    ("0\r\nX\0: y\r\n\r\n", Broken),
    ("0\r\nN\u{e9}: y\r\n\r\n", Broken),
    ("0\r\nX(Y): y\r\n\r\n", Broken),
    ("0\r\n5\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("0\r\nX: y\rZ: 1\r\n\r\n", Broken),
    ("0\r\nX: y\n\r\n", Broken),
    ("0\r\n\n", Broken),
    ("0\n\r\n", Broken),
    // Extensions are dropped, and end where the line does.
    ("5;x\r\nHELLO\r\n0;y=\"0\"\r\n\r\n", Body("HELLO")),
    ("5;x=\"\\\"5\"\r\nHELLO\r\n0\r\n\r\n", Body("HELLO")),
    ("5;\r\nHELLO\r\n0\r\n\r\n", Body("HELLO")),
    ("5 \t;x\r\nHELLO\r\n0\r\n\r\n", Body("HELLO")),
    // Blanks without an extension.
    ("5 \r\nHELLO\r\n0\r\n\r\n", Broken),
    ("5\t\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("0   \r\n\r\n", Broken),
    ("5;\nx\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("2;\nxx\r\n45\r\n0\r\n\r\n", Broken),
    ("5;x\r\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("5;x\u{7f}\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("5x\r\nHELLO\r\n0\r\n\r\n", Broken),
    (";x\r\nHELLO\r\n0\r\n\r\n", Broken),
    // Sizes.
    ("0005\r\nHELLO\r\n0000000000000000\r\n\r\n", Body("HELLO")),
    ("\u{b2}\r\nHE\r\n0\r\n\r\n", Broken),
    ("5\u{a0}\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("5\u{b}\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("0_5\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("5h\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("0X5\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("-0\r\n\r\n", Broken),
    ("+0\r\n\r\n", Broken),
    ("5\0\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("10000000000000005\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("fffffffffffffffb\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("100000005\r\nHELLO\r\n0\r\n\r\n", Broken),
    // Chunks that are shorter or longer than they say.
    ("4\r\nHELLO\r\n0\r\n\r\n", Broken),
    ("5\r\nHELL\r\n0\r\n\r\n", Broken),
    ("5\r\nHELLO\r0\r\n\r\n", Broken),
    ("5\r\nHELLO\r\n\r\n0\r\n\r\n", Broken),
    ("5\r\nHELLOxx0\r\n\r\n", Broken),
    ("\r\n5\r\nHELLO\r\n0\r\n\r\n", Broken),
];

/// Whole requests.
const WHOLE: &[(&str, Means)] = &[
    // A body that nothing announces would be the next request.
    ("GET /first HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
    ("DELETE /first HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
    ("OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHELLO", Body("HELLO")),
    // Before HTTP/1.1 there are no chunks, no connection is kept unasked, and no Host needed.
    ("POST /first HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    (
        "POST /first HTTP/1.0\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n\r\nHELLO",
        Refused(400),
    ),
    ("POST /first HTTP/1.0\r\nContent-Length: 5\r\n\r\nHELLO", Last("HELLO")),
    (
        "POST /first HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nHELLO",
        Body("HELLO"),
    ),
    ("POST /first HTTP/1.0\r\n\r\n", Last("")),
    // Request lines.
    ("GET /first HTTP/1.1 GET /second HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET /first\rX HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET /fir\0st HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET /first HTTP/1.1\r\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET /first HTTP/1.10000000000\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET /first http/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET /first HTTP/1,1\r\nHost: x\r\n\r\n", Refused(400)),
    ("POST /first\r\nHost: x\r\n\r\n", Refused(400)),
    (" GET /first HTTP/1.1\r\n\r\n", Refused(400)),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
    ("\r\n\n\r\nGET /first HTTP/1.1\r\nHost: x\r\n\r\n", Body("")),
    ("GET\t/first \t HTTP/1.1 \r\nHost: x\r\n\r\n", Body("")),
    ("GET /first HTTP/1.7\r\nHost: x\r\n\r\n", Body("")),
    // The host in a target does not excuse a missing one, nor does a second one follow from it.
    ("GET http://y/first HTTP/1.1\r\nHost: x\r\n\r\n", Body("")),
    ("GET http://y:99999/first HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET http://user@y/first HTTP/1.1\r\nHost: x\r\n\r\n", Body("")),
    ("GET http:///first HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    // `*` is a whole target, and leads to no path (RFC 9112 §3.2.4).
    ("GET */../first HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET */../first HTTP/1.0\r\n\r\n", Refused(400)),
    ("OPTIONS *?x HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("CONNECT y HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("CONNECT y: HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    ("CONNECT http://y:80/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400)),
    // HTTP/0.9 has no versions, least of all with fields.
    ("GET /first HTTP/0.9\r\n\r\n", Refused(505)),
    ("GET /first HTTP/0.9\r\nHost: x\r\nContent-Length: 5\r\n\r\nHELLO", Refused(505)),
    ("GET /first HTTP/00.09\r\n\r\n", Refused(505)),
    ("GET /first HTTP/0.8\r\n\r\n", Refused(505)),
    ("POST /first HTTP/0.10\r\nHost: x\r\n\r\n", Refused(505)),
    ("GET http://x/first HTTP/1.1\r\n\r\n", Refused(400)),
    ("GET http://x/first HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", Refused(400)),
    ("GET /first HTTP/1.1\r\nHost: x, y\r\n\r\n", Refused(400)),
    ("GET /first HTTP/1.1\r\nHost: x y\r\n\r\n", Refused(400)),
    ("GET /first HTTP/1.1\r\n Host: x\r\n\r\n", Refused(400)),
    // Waits for leave, and sends all the same.
    (
        "PUT /first HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nHELLO",
        Body("HELLO"),
    ),
];

const MARKER: &str = "GET /marker HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A server whose handler reads bodies, or does not, and what it was asked.
fn server(reads: bool) -> (Running, Notes<String>) {
    let paths = Notes::new();
    let noted = paths.clone();
    let server = serve(answering(move |http| {
        noted.add(http.path.clone());
        let mut body = Vec::new();
        if reads {
            http.rfile.read_to_end(&mut body)?;
        }
        answer(http, body)
    }));
    (server, paths)
}

#[test]
fn what_stands_behind_a_host_means_one_thing() {
    let requests = BEHIND_HOST
        .iter()
        .map(|(lines, means)| (format!("POST /first HTTP/1.1\r\nHost: x\r\n{lines}"), *means));
    check(requests.collect());
}

#[test]
fn chunks_mean_one_thing() {
    let head = "POST /first HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(CHUNKS.iter().map(|(chunks, means)| (format!("{head}{chunks}"), *means)).collect());
}

#[test]
fn whole_requests_mean_one_thing() {
    check(WHOLE.iter().map(|(request, means)| ((*request).to_owned(), *means)).collect());
}

fn check(requests: Vec<(String, Means)>) {
    for reads in [true, false] {
        let (server, paths) = server(reads);
        for (request, means) in &requests {
            // What a handler leaves is waited for so long, and on a busy machine no longer.
            for &at_once in if reads { &[true, false][..] } else { &[true] } {
                let replies = talk(&server, &format!("{request}{MARKER}"), at_once);
                let context = format!("{request:?}, {reads}, {at_once}, {replies:?}");
                is_meant(*means, reads, &replies, &paths.so_far(), &context);
            }
        }
    }
}

fn is_meant(means: Means, reads: bool, replies: &[Reply], paths: &[String], context: &str) {
    let statuses: Vec<u16> = replies.iter().map(Reply::status).collect();
    let follows = paths.iter().any(|path| path == "/marker");
    match means {
        Refused(status) => {
            assert_eq!((statuses, paths.len()), (vec![status], 0), "{context}");
            assert_eq!(replies[0].header("Connection"), Some("close"), "{context}");
        }
        Broken => {
            let status = if reads { 400 } else { 200 };
            assert_eq!((statuses, paths.len()), (vec![status], 1), "{context}");
            assert!(!follows, "{context}");
        }
        Body(body) | Last(body) => {
            let count = if matches!(means, Last(_)) { 1 } else { 2 };
            assert_eq!((statuses, paths.len()), (vec![200; count], count), "{context}");
            assert_eq!(replies[0].text(), if reads { body } else { "" }, "{context}");
            assert_eq!(follows, count == 2, "{context}");
        }
    }
}

/// Sends characters as bytes, then the end, and reads the replies up to the end. Leave to go on is
/// no reply.
fn talk(server: &Running, characters: &str, at_once: bool) -> Vec<Reply> {
    let bytes: Vec<u8> = characters.chars().map(|character| character as u8).collect();
    let mut browser = Browser::connect(server);
    for piece in bytes.chunks(if at_once { bytes.len() } else { 1 }) {
        // Whoever is refused early need not take it all.
        if browser.client.stream.write_all(piece).is_err() {
            break;
        }
        thread::yield_now();
    }
    let _ = browser.client.stream.shutdown(std::net::Shutdown::Write);
    let mut replies = browser.replies();
    replies.retain(|reply| reply.status() >= 200);
    replies
}

/// A request of HTTP/0.9 has no head and no end but the connection's: whatever follows is not
/// looked at.
#[test]
fn nothing_follows_a_request_of_http_0_9() {
    let (server, paths) = server(true);
    for request in
        ["GET /old\r\n", "GET /old\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "GET /old\n"]
    {
        let mut browser = Browser::connect(&server);
        browser.send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + request + MARKER);
        assert_eq!(browser.reply().status(), 200, "{request:?}");
        assert_eq!(show(browser.rest()), "", "{request:?}");
        assert_eq!(paths.so_far(), ["/first", "/old"], "{request:?}");
    }
}
