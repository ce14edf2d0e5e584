//! The cases of CPython's `http.server`, byte for byte: as 3.14 answers them where it is right, and
//! as the protocol asks where it is not.

use socketserver::http::HttpRequestHandler;

use crate::http_wire_methods::methods;
use crate::support::Notes;
use crate::web::{
    Browser, Noting, Site, error_page, find, hear_out, listing_page, masked, noting, serve, show,
};

/// What becomes of the connection after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Closed,
    /// Another request is answered on it.
    Open,
    /// The client ends its half first, and no reply is expected to depend on that.
    Ended,
}
pub(crate) use After::{Closed, Ended, Open};

/// One connection's worth of requests, replies and log lines.
#[track_caller]
pub(crate) fn check(
    handler: Noting<impl HttpRequestHandler>,
    request: &[u8],
    reply: &[u8],
    after: After,
    log: &[&str],
) {
    let notes: Notes<String> = handler.log.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    let answered = match after {
        Ended => hear_out(server.address, request),
        Closed => browser.send(request).rest(),
        Open => {
            browser.send(request);
            let mut answered = Vec::new();
            while masked(&answered).len() < reply.len() {
                let reply = if request.starts_with(b"HEAD") {
                    browser.reply_to_head()
                } else {
                    browser.reply()
                };
                answered.extend(reply.raw);
            }
            answered
        }
    };
    assert_eq!(show(masked(answered)), show(reply));
    assert_eq!(notes.so_far(), log);
    if after == Open {
        browser.send("GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(browser.reply().status(), 200, "the connection is kept");
        browser.sees_the_end();
    }
}

macro_rules! cases {
    ($handler:expr; $($name:ident: $request:expr => $reply:expr, $after:expr, $log:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let site = Site::new();
                let (request, reply): (Vec<u8>, Vec<u8>) = ($request.into(), $reply.into());
                check($handler(&site), &request, &reply, $after, &$log);
            }
        )*
    };
}

pub(crate) use cases;

/// A whole error reply.
fn error(head: &str, message: &str, explain: &str, length: usize) -> String {
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    error_from("{S}", head, code, message, explain, length)
}

pub(crate) fn error_from(
    server: &str,
    head: &str,
    code: u16,
    message: &str,
    explain: &str,
    length: usize,
) -> String {
    let page = error_page(code, message, explain);
    format!(
        "{head}\r\n{server}{{D}}Connection: close\r\nContent-Type: text/html;charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{page}"
    )
}

fn not_found(version: &str) -> String {
    let status = format!("{version} 404 File not found");
    error(&status, "File not found", "Nothing matches the given URI", 460)
}

fn bad_request(message: &str) -> String {
    bad_request_on("HTTP/1.0", message)
}

fn bad_request_on(version: &str, message: &str) -> String {
    let explain = "Bad request syntax or unsupported method";
    let length = error_page(400, message, explain).len();
    error(&format!("{version} 400 {message}"), message, explain, length)
}

fn text_head(version: &str) -> String {
    format!(
        "{version} 200 OK\r\n{{S}}{{D}}Content-type: text/plain\r\nContent-Length: 12\r\n\
         Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\nAccept-Ranges: bytes\r\n\r\n"
    )
}

pub(crate) fn text(version: &str) -> String {
    text_head(version) + "hello world\n"
}

/// The same with what it says of the connection.
fn with_connection(option: &str, reply: String) -> String {
    reply.replacen("\r\n\r\n", &format!("\r\nConnection: {option}\r\n\r\n"), 1)
}

/// A file of this kind and content.
fn file(kind: &str, content: &str) -> String {
    let length = content.len();
    format!(
        "HTTP/1.0 200 OK\r\n{{S}}{{D}}Content-type: {kind}\r\nContent-Length: {length}\r\n\
         Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\nAccept-Ranges: bytes\r\n\r\n{content}"
    )
}

fn redirect(version: &str, location: &str) -> String {
    format!(
        "{version} 301 Moved Permanently\r\n{{S}}{{D}}Location: {location}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn listing(title: &str, items: &str, length: usize) -> String {
    listing_head(length) + &listing_page(title, items)
}

fn listing_head(length: usize) -> String {
    format!(
        "HTTP/1.0 200 OK\r\n{{S}}{{D}}Content-type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
    )
}

const SUB: &str = "<li><a href=\"a\">a</a></li>\n<li><a href=\"B\">B</a></li>\n\
    <li><a href=\"C/\">C/</a></li>\n<li><a href=\"d/\">d@</a></li>\n<li><a href=\"l\">l@</a></li>\n\
    <li><a href=\"z\">z@</a></li>\n<li><a href=\"%C3%A9%26%3C.txt\">é&amp;&lt;.txt</a></li>\n";

/// `python -m http.server`: a connection for each request.
fn files(site: &Site) -> Noting<impl HttpRequestHandler> {
    noting(site.handler())
}

/// `python -m http.server -p HTTP/1.1`.
fn kept(site: &Site) -> Noting<impl HttpRequestHandler> {
    files(site).http11()
}

// The rows W of the reference. Those marked with an asterisk are answered otherwise than by
// CPython.
cases! { files;
    // W01
    a_file_for_a_client_of_http_1_0:
        "GET /a.txt HTTP/1.0\r\n\r\n" => text("HTTP/1.0"), Closed,
        ["\"GET /a.txt HTTP/1.0\" 200 -"];
    // W02
    a_server_of_http_1_0_says_so_to_any_client_and_closes:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" => text("HTTP/1.0"), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // W03
    head_of_a_file_is_its_head:
        "HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n" => text_head("HTTP/1.0"), Closed,
        ["\"HEAD /a.txt HTTP/1.1\" 200 -"];
    // W04
    a_missing_file_is_404:
        "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.0"), Closed,
        ["code 404, message File not found", "\"GET /nope HTTP/1.1\" 404 -"];
    // W05
    head_of_a_missing_file_tells_the_length_of_the_page:
        "HEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n" => {
            let reply = not_found("HTTP/1.0");
            reply[..reply.find("<!").unwrap()].to_owned()
        }, Closed,
        ["code 404, message File not found", "\"HEAD /nope HTTP/1.1\" 404 -"];
    // W06*
    a_directory_without_slash_redirects_with_query_and_fragment:
        "GET /sub?x=1&y=%20#f HTTP/1.1\r\nHost: x\r\n\r\n" => redirect("HTTP/1.0", "sub/?x=1&y=%20#f"),
        Closed, ["\"GET /sub?x=1&y=%20#f HTTP/1.1\" 301 -"];
    // W07*
    a_redirect_drops_an_empty_query:
        "GET /sub? HTTP/1.1\r\nHost: x\r\n\r\n" => redirect("HTTP/1.0", "sub/"), Closed,
        ["\"GET /sub? HTTP/1.1\" 301 -"];
    // W08*
    a_redirect_of_leading_slashes_names_no_host:
        "GET //evil.com/..%2fsub HTTP/1.1\r\nHost: x\r\n\r\n"
            => redirect("HTTP/1.0", "..%2fsub/"), Closed,
        ["\"GET //evil.com/..%2fsub HTTP/1.1\" 301 -"];
    // W09*
    a_redirect_neutralises_a_leading_backslash:
        "GET /\\evil.com/%2e%2e%2fsub HTTP/1.1\r\nHost: x\r\n\r\n"
            => redirect("HTTP/1.0", "%2e%2e%2fsub/"), Closed,
        ["\"GET /\\evil.com/%2e%2e%2fsub HTTP/1.1\" 301 -"];
    // W10, as 3.14 has it
    an_escaped_slash_at_the_end_is_a_slash:
        "GET /sub%2f HTTP/1.1\r\nHost: x\r\n\r\n" => listing("/sub/", SUB, 557), Closed,
        ["\"GET /sub%2f HTTP/1.1\" 200 -"];
    // 9.2
    a_file_with_an_escaped_slash_is_404:
        "GET /a.txt%2f HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.0"), Closed,
        ["code 404, message File not found", "\"GET /a.txt%2f HTTP/1.1\" 404 -"];
    // W11
    a_file_with_a_slash_is_404:
        "GET /a.txt/ HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.0"), Closed,
        ["code 404, message File not found", "\"GET /a.txt/ HTTP/1.1\" 404 -"];
    // W12
    a_directory_is_answered_with_its_index:
        "GET /idx/ HTTP/1.1\r\nHost: x\r\n\r\n" => file("text/html", "<p>i</p>"), Closed,
        ["\"GET /idx/ HTTP/1.1\" 200 -"];
    // W13
    an_index_that_is_a_directory_is_listed:
        "GET /spam/ HTTP/1.1\r\nHost: x\r\n\r\n"
            => listing("/spam/", "<li><a href=\"index.html/\">index.html/</a></li>\n", 382), Closed,
        ["\"GET /spam/ HTTP/1.1\" 200 -"];
    // W14
    a_listing_is_in_order_and_escaped:
        "GET /sub/ HTTP/1.1\r\nHost: x\r\n\r\n" => listing("/sub/", SUB, 557), Closed,
        ["\"GET /sub/ HTTP/1.1\" 200 -"];
    // W15
    head_of_a_listing_tells_its_length:
        "HEAD /sub/ HTTP/1.1\r\nHost: x\r\n\r\n" => listing_head(557), Closed,
        ["\"HEAD /sub/ HTTP/1.1\" 200 -"];
    // W16, as 3.14 has it
    the_title_of_a_listing_is_the_path_alone:
        "GET /empty/?x=%bb&<b> HTTP/1.1\r\nHost: x\r\n\r\n" => listing("/empty/", "", 337), Closed,
        ["\"GET /empty/?x=%bb&<b> HTTP/1.1\" 200 -"];
    // 9.2
    the_title_of_a_listing_has_no_fragment:
        "GET /empty/?x=1#f HTTP/1.1\r\nHost: x\r\n\r\n" => listing("/empty/", "", 337), Closed,
        ["\"GET /empty/?x=1#f HTTP/1.1\" 200 -"];
    // W17
    a_target_needs_no_slash:
        "GET a.txt HTTP/1.1\r\nHost: x\r\n\r\n" => text("HTTP/1.0"), Closed,
        ["\"GET a.txt HTTP/1.1\" 200 -"];
    // W18*
    an_absolute_target_is_understood:
        "GET http://h/a.txt HTTP/1.1\r\nHost: h\r\n\r\n" => text("HTTP/1.0"), Closed,
        ["\"GET http://h/a.txt HTTP/1.1\" 200 -"];
    // W19
    dots_do_not_climb_above_the_root:
        "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.0"), Closed,
        ["code 404, message File not found", "\"GET /../../etc/passwd HTTP/1.1\" 404 -"];
    // W20
    escaped_marks_are_part_of_a_name:
        "GET /q%3fb%23.txt?z HTTP/1.1\r\nHost: x\r\n\r\n" => file("text/plain", "x"), Closed,
        ["\"GET /q%3fb%23.txt?z HTTP/1.1\" 200 -"];
    // W21
    raw_bytes_in_a_target_are_latin_1:
        b"GET /sub/\xc3\xa9&<.txt HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.0"), Closed,
        ["code 404, message File not found", "\"GET /sub/Ã©&<.txt HTTP/1.1\" 404 -"];
    // W22
    escapes_in_a_target_are_utf_8:
        "GET /sub/%C3%A9&%3c.txt HTTP/1.1\r\nHost: x\r\n\r\n" => file("text/plain", "x"), Closed,
        ["\"GET /sub/%C3%A9&%3c.txt HTTP/1.1\" 200 -"];
    // W23*
    nul_in_a_path_is_404:
        "GET /a%00.txt HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.0"), Closed,
        ["code 404, message File not found", "\"GET /a%00.txt HTTP/1.1\" 404 -"];
    // W24
    an_empty_file_has_a_length_of_0:
        "GET /empty0 HTTP/1.1\r\nHost: x\r\n\r\n" => file("application/octet-stream", ""), Closed,
        ["\"GET /empty0 HTTP/1.1\" 200 -"];
    // W25
    a_compressed_file_is_not_an_encoding:
        "HEAD /t.tar.gz HTTP/1.1\r\nHost: x\r\n\r\n" => {
            let reply = file("application/gzip", "x");
            reply[..reply.len() - 1].to_owned()
        }, Closed,
        ["\"HEAD /t.tar.gz HTTP/1.1\" 200 -"];
    // W27
    an_unmodified_file_is_304:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n\r\n"
            => "HTTP/1.0 304 Not Modified\r\n{S}{D}\r\n", Closed,
        ["\"GET /a.txt HTTP/1.1\" 304 -"];
    // W28
    a_file_modified_a_second_later_is_sent:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Thu, 02 Jan 2020 03:04:04 GMT\r\n\r\n"
            => text("HTTP/1.0"), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // W29
    if_none_match_outweighs_if_modified_since:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n\
         If-None-Match: \"x\"\r\n\r\n" => text("HTTP/1.0"), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // W30
    a_date_of_asctime_is_understood:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Thu Jan  2 03:04:05 2020\r\n\r\n"
            => "HTTP/1.0 304 Not Modified\r\n{S}{D}\r\n", Closed,
        ["\"GET /a.txt HTTP/1.1\" 304 -"];
    // W31
    an_unsupported_method_is_501:
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" => error(
            "HTTP/1.0 501 Unsupported method ('POST')", "Unsupported method ('POST')",
            "Server does not support this operation", 482), Closed,
        ["code 501, message Unsupported method ('POST')", "\"POST / HTTP/1.1\" 501 -"];
    // W32
    methods_are_case_sensitive:
        "get / HTTP/1.1\r\nHost: x\r\n\r\n" => error(
            "HTTP/1.0 501 Unsupported method ('get')", "Unsupported method ('get')",
            "Server does not support this operation", 481), Closed,
        ["code 501, message Unsupported method ('get')", "\"get / HTTP/1.1\" 501 -"];
    // W33
    markup_is_escaped_in_the_page_and_raw_in_the_reason:
        "<b>'x'\" / HTTP/1.1\r\nHost: x\r\n\r\n" => error(
            "HTTP/1.0 501 Unsupported method ('<b>\\'x\\'\"')", "Unsupported method ('<b>\\'x\\'\"')",
            "Server does not support this operation", 493), Closed,
        ["code 501, message Unsupported method ('<b>\\'x\\'\"')", "\"<b>'x'%22 / HTTP/1.1\" 501 -"];
    // W34, with the status line that later versions have
    a_bad_version_is_400:
        "GET / FUBAR\r\n\r\n" => bad_request("Bad request version ('FUBAR')"), Closed,
        ["code 400, message Bad request version ('FUBAR')", "\"GET / FUBAR\" 400 -"];
    // W35, likewise
    http_2_is_505:
        "GET / HTTP/2.0\r\n\r\n" => error("HTTP/1.0 505 Invalid HTTP version (2.0)",
            "Invalid HTTP version (2.0)", "Cannot fulfill request", 465), Closed,
        ["code 505, message Invalid HTTP version (2.0)", "\"GET / HTTP/2.0\" 505 -"];
    // W36, likewise
    a_version_in_lower_case_is_400:
        "GET / http/1.1\r\n\r\n" => bad_request("Bad request version ('http/1.1')"), Closed,
        ["code 400, message Bad request version ('http/1.1')", "\"GET / http/1.1\" 400 -"];
    // W37
    leading_zeros_in_a_version_are_accepted:
        "GET /a.txt HTTP/01.001\r\nHost: x\r\n\r\n" => text("HTTP/1.0"), Closed,
        ["\"GET /a.txt HTTP/01.001\" 200 -"];
    // W38
    a_version_of_eleven_digits_is_400:
        "GET / HTTP/1.12345678901\r\n\r\n"
            => bad_request("Bad request version ('HTTP/1.12345678901')"), Closed,
        ["code 400, message Bad request version ('HTTP/1.12345678901')",
         "\"GET / HTTP/1.12345678901\" 400 -"];
    // W39
    four_words_are_400:
        "GET /a b HTTP/1.1\r\n\r\n"
            => bad_request("Bad request syntax ('GET /a b HTTP/1.1')"), Closed,
        ["code 400, message Bad request syntax ('GET /a b HTTP/1.1')", "\"GET /a b HTTP/1.1\" 400 -"];
    // W40
    one_word_is_400:
        "GET\r\n\r\n" => bad_request("Bad request syntax ('GET')"), Closed,
        ["code 400, message Bad request syntax ('GET')", "\"GET\" 400 -"];
    // W41
    a_request_without_version_is_answered_without_head:
        "GET /a.txt\r\n\r\n" => "hello world\n", Closed,
        ["\"GET /a.txt\" 200 -"];
    // W41, as 3.14 has it
    a_request_without_version_is_answered_at_once:
        "GET /a.txt\r\n" => "hello world\n", Closed,
        ["\"GET /a.txt\" 200 -"];
    // W42
    only_get_needs_no_version:
        "POST /a.txt\r\n\r\n" => bad_request("Bad HTTP/0.9 request type ('POST')"), Closed,
        ["code 400, message Bad HTTP/0.9 request type ('POST')", "\"POST /a.txt\" 400 -"];
    // W43*
    http_0_9_by_name_is_505:
        "GET /a.txt HTTP/0.9\r\n\r\n" => error("HTTP/1.0 505 Invalid HTTP version (0.9)",
            "Invalid HTTP version (0.9)", "Cannot fulfill request", 465), Closed,
        ["code 505, message Invalid HTTP version (0.9)", "\"GET /a.txt HTTP/0.9\" 505 -"];
    // W44*
    empty_lines_before_a_request_are_skipped:
        "\r\n\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n" => text("HTTP/1.0"), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // W45
    lines_may_end_with_lf_alone:
        "GET /a.txt HTTP/1.1\nHost: x\n\n" => text("HTTP/1.0"), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // W46
    tabs_and_several_blanks_separate_words:
        "GET\t\x0b /a.txt   HTTP/1.1  \r\nHost: x\r\n\r\n" => text("HTTP/1.0"), Closed,
        ["\"GET\t\x0b /a.txt   HTTP/1.1  \" 200 -"];
    // W46*
    a_non_breaking_blank_separates_nothing:
        b"GET \xa0/a.txt HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.0"), Closed,
        ["code 404, message File not found", "\"GET \u{a0}/a.txt HTTP/1.1\" 404 -"];
    // W47
    a_request_line_of_65537_bytes_is_414:
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(65_521)) => error(
            "HTTP/1.0 414 URI Too Long", "URI Too Long", "URI is too long", 444), Closed,
        ["code 414, message URI Too Long", "\"\" 414 -"];
    // W48
    a_header_line_of_65539_bytes_is_431:
        format!("GET /a.txt HTTP/1.1\r\nX: {}\r\n\r\n", "r".repeat(65_534)) => error(
            "HTTP/1.0 431 Line too long", "Line too long",
            "got more than 65536 bytes when reading header line", 480), Closed,
        ["code 431, message Line too long", "\"GET /a.txt HTTP/1.1\" 431 -"];
    // W49
    a_hundred_headers_are_431:
        format!("GET /a.txt HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(99)) => error(
            "HTTP/1.0 431 Too many headers", "Too many headers", "got more than 100 headers", 458),
        Closed,
        ["code 431, message Too many headers", "\"GET /a.txt HTTP/1.1\" 431 -"];
    // W50
    ninety_nine_headers_are_accepted:
        format!("HEAD /a.txt HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(98))
            => text_head("HTTP/1.0"), Closed,
        ["\"HEAD /a.txt HTTP/1.1\" 200 -"];
    // W51*
    a_request_that_ends_inside_its_head_is_400:
        "GET /a.txt HTTP/1.1\r\nX: y" => bad_request("Request ended early"), Ended,
        ["code 400, message Request ended early", "\"GET /a.txt HTTP/1.1\" 400 -"];
    // W52
    control_characters_name_no_file:
        "GET /\x1b[31m\\x HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.0"), Closed,
        ["code 404, message File not found", "\"GET /\x1b[31m\\x HTTP/1.1\" 404 -"];
    // W53
    a_client_that_only_connects_hears_nothing:
        "" => "", Ended, [] as [&str; 0];
}

// The rows K.
cases! { kept;
    // K01
    a_connection_of_http_1_1_is_kept:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n" => text("HTTP/1.1"), Open,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // K02*
    connection_close_is_honoured_in_any_case:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: CLOSE\r\n\r\n" => with_connection("close", text("HTTP/1.1")), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // K03*
    connection_close_is_honoured_in_a_list:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close, TE\r\n\r\n" => with_connection("close", text("HTTP/1.1")), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // K04*
    connection_close_is_honoured_with_a_blank_behind:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close \r\n\r\n" => with_connection("close", text("HTTP/1.1")), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // K05*
    a_client_of_http_1_0_is_answered_as_1_1_and_closed:
        "GET /a.txt HTTP/1.0\r\n\r\n" => with_connection("close", text("HTTP/1.1")), Closed,
        ["\"GET /a.txt HTTP/1.0\" 200 -"];
    // K06*
    a_client_of_http_1_0_may_ask_to_be_kept:
        "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" => with_connection("keep-alive", text("HTTP/1.1")), Open,
        ["\"GET /a.txt HTTP/1.0\" 200 -"];
    // test_single_request of CPython 3.14
    a_request_without_version_is_the_last_of_its_connection:
        "GET /a.txt\r\nGET /a.txt\r\n\r\n" => "hello world\n", Closed,
        ["\"GET /a.txt\" 200 -"];
    // K07*
    requests_sent_together_are_answered_in_order:
        "HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            => text_head("HTTP/1.1") + &with_connection("close", text("HTTP/1.1")), Closed,
        ["\"HEAD /a.txt HTTP/1.1\" 200 -", "\"GET /a.txt HTTP/1.1\" 200 -"];
    // K08
    an_error_closes_the_connection:
        "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n" => not_found("HTTP/1.1"), Closed,
        ["code 404, message File not found", "\"GET /nope HTTP/1.1\" 404 -"];
    // K09
    a_redirect_keeps_the_connection:
        "GET /sub HTTP/1.1\r\nHost: x\r\n\r\n" => redirect("HTTP/1.1", "sub/"), Open,
        ["\"GET /sub HTTP/1.1\" 301 -"];
    // K10
    a_304_keeps_the_connection:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n\r\n"
            => "HTTP/1.1 304 Not Modified\r\n{S}{D}\r\n", Open,
        ["\"GET /a.txt HTTP/1.1\" 304 -"];
    // K11
    a_client_that_expects_100_is_told_to_continue:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n\r\n"
            => "HTTP/1.1 100 Continue\r\n\r\n".to_owned() + &text("HTTP/1.1"), Open,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // K12
    other_expectations_are_ignored:
        "HEAD /a.txt HTTP/1.1\r\nHost: x\r\nExpect: foo\r\n\r\n" => text_head("HTTP/1.1"), Open,
        ["\"HEAD /a.txt HTTP/1.1\" 200 -"];
    // K13*
    a_body_that_nobody_reads_is_not_the_next_request:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHELLO\
         GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" => text("HTTP/1.1") + &with_connection("close", text("HTTP/1.1")), Closed,
        ["\"GET /a.txt HTTP/1.1\" 200 -", "\"GET /a.txt HTTP/1.1\" 200 -"];
    // K14*
    a_chunked_body_that_nobody_reads_is_not_the_next_request:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHELLO\r\n0\r\n\r\n"
            => text("HTTP/1.1"), Open,
        ["\"GET /a.txt HTTP/1.1\" 200 -"];
    // K15*
    two_hosts_are_400:
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
            => bad_request_on("HTTP/1.1", "Several Host headers"), Closed,
        ["code 400, message Several Host headers", "\"GET /a.txt HTTP/1.1\" 400 -"];
    a_head_request_that_is_refused_for_its_headers_gets_no_page:
        format!("HEAD /a.txt HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100)) => {
            let reply = error("HTTP/1.1 431 Too many headers", "Too many headers",
                "got more than 100 headers", 458);
            reply[..reply.find("<!").unwrap()].to_owned()
        }, Closed,
        ["code 431, message Too many headers", "\"HEAD /a.txt HTTP/1.1\" 431 -"];
    a_head_request_that_is_refused_for_a_long_header_gets_no_page:
        format!("HEAD /a.txt HTTP/1.1\r\nX: {}", "r".repeat(65_538)) => {
            let reply = error("HTTP/1.1 431 Line too long", "Line too long",
                "got more than 65536 bytes when reading header line", 480);
            reply[..reply.find("<!").unwrap()].to_owned()
        }, Closed,
        ["code 431, message Line too long", "\"HEAD /a.txt HTTP/1.1\" 431 -"];
    // K15*
    no_host_is_400:
        "GET /a.txt HTTP/1.1\r\n\r\n" => bad_request_on("HTTP/1.1", "Missing Host header"), Closed,
        ["code 400, message Missing Host header", "\"GET /a.txt HTTP/1.1\" 400 -"];
    // K16
    the_preface_of_http_2_is_505:
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" => error("HTTP/1.1 505 Invalid HTTP version (2.0)",
            "Invalid HTTP version (2.0)", "Cannot fulfill request", 465), Closed,
        ["code 505, message Invalid HTTP version (2.0)", "\"PRI * HTTP/2.0\" 505 -"];
    // K17*
    a_blank_before_a_colon_is_400:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nBad : x\r\nConnection: close\r\n\r\n"
            => bad_request_on("HTTP/1.1", "Bad header syntax (invalid header name)"), Closed,
        ["code 400, message Bad header syntax (invalid header name)", "\"GET /a.txt HTTP/1.1\" 400 -"];
    // K18*
    a_bare_cr_in_a_header_is_400:
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nA: b\rConnection: close\r\n\r\n"
            => bad_request_on("HTTP/1.1", "Bad header syntax (invalid header value)"), Closed,
        ["code 400, message Bad header syntax (invalid header value)", "\"GET /a.txt HTTP/1.1\" 400 -"];
}

/// W26, where CPython ignores the range.
#[test]
fn a_range_is_sent_alone() {
    let site = Site::new();
    let server = serve(files(&site));
    let request = "GET /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n";
    let reply = Browser::connect(&server).send(request).rest();
    let expected = "HTTP/1.0 206 Partial Content\r\n{S}{D}Content-type: text/plain\r\n\
         Content-Length: 4\r\nContent-Range: bytes 0-3/12\r\n\
         Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\n\r\nhell";
    assert_eq!(show(masked(reply)), show(expected));
}

/// The reason is ISO 8859-1, as is the log's request line before it is written out.
#[test]
fn a_message_in_latin_1_reaches_the_status_line_as_it_is() {
    let server = serve(methods(&Site::empty()));
    let reply =
        Browser::connect(&server).send(b"ERR /299,caf\xe9 HTTP/1.1\r\nHost: x\r\n\r\n").rest();
    assert!(find(&reply, b"HTTP/1.1 299 caf\xe9\r\n").is_some(), "{}", show(reply));
    // The page is UTF-8.
    assert!(find(&reply, "Message: café.".as_bytes()).is_some());
}
