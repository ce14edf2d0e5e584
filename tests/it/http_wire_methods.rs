//! The reference's cases of methods and handlers, byte for byte.

use std::io::{self, Read, Write};

use socketserver::http::{Exchange, HttpRequestHandler};

use crate::http_wire::{Closed, Open, cases, check, error_from};
use crate::web::{Noting, Site, answering};

/// The handler of the reference's section 9.1: what it does depends on the method.
pub(crate) fn methods(_: &Site) -> Noting<impl HttpRequestHandler + use<>> {
    answering(|http: &mut Exchange<'_>| match http.command.as_str() {
        "ERR" | "HEAD" => {
            let path = http.path.clone();
            let mut words = path[1..].split(',');
            let code: u16 = words.next().unwrap().parse().unwrap();
            match (words.next(), words.next()) {
                (Some(message), Some(explain)) => http.send_error_explained(code, message, explain),
                (Some(message), None) => http.send_error_with(code, message),
                _ => http.send_error(code),
            }
        }
        "CUST" => {
            http.send_response(299)?;
            http.end_headers()
        }
        "INJ" => {
            http.send_response_with(200, "OK\r\nX-Inj: 1")?;
            http.send_header("Content-Length", 0)?;
            http.end_headers()
        }
        "INJH" => {
            http.send_response(200)?;
            http.send_header("A", "b\r\nC: d")?;
            http.send_header("Content-Length", 0)?;
            http.end_headers()
        }
        "KAHDR" => {
            http.send_response(200)?;
            http.send_header("Connection", "Keep-Alive")?;
            http.send_header("Content-Length", 0)?;
            http.end_headers()
        }
        "NOCL" => {
            http.send_response(200)?;
            http.end_headers()?;
            http.wfile.write_all(b"hi")
        }
        "DBL" => {
            http.send_response(200)?;
            http.end_headers()?;
            http.send_error(500)
        }
        "NOEND" => http.send_response(200),
        "RAISE" => Err(io::Error::other("boom")),
        "EXIT" => panic!("exit"),
        "UNI" => http.send_error_with(200, "snow ☃"),
        "UNIR" => http.send_response_with(200, "snow ☃"),
        "READ" => {
            let mut body = Vec::new();
            http.rfile.read_to_end(&mut body)?;
            http.send_response(200)?;
            http.send_header("Content-Length", body.len())?;
            http.end_headers()?;
            http.wfile.write_all(&body)
        }
        _ => crate::web::answer(http, "else"),
    })
}

fn failure(code: u16, message: &str, explain: &str, length: usize) -> String {
    let head = format!("HTTP/1.1 {code} {message}");
    error_from("{B}", &head, code, message, explain, length)
}

fn internal_error() -> String {
    failure(500, "Internal Server Error", "Server got itself in trouble", 466)
}

// The rows H: a handler with the version HTTP/1.1.
cases! { methods;
    // H01
    an_unknown_status_is_explained_with_question_marks:
        "ERR /999 HTTP/1.1\r\nHost: x\r\n\r\n" => failure(999, "???", "???", 423), Closed,
        ["code 999, message ???", "\"ERR /999 HTTP/1.1\" 999 -"];
    // H02
    the_message_and_the_explanation_of_an_error_are_escaped_in_its_page:
        "ERR /999,m<b>,x&y HTTP/1.1\r\nHost: x\r\n\r\n" => failure(999, "m<b>", "x&y", 434), Closed,
        ["code 999, message m<b>", "\"ERR /999,m<b>,x&y HTTP/1.1\" 999 -"];
    // H03
    the_error_204_has_neither_page_nor_length:
        "ERR /204 HTTP/1.1\r\nHost: x\r\n\r\n"
            => "HTTP/1.1 204 No Content\r\n{B}{D}Connection: close\r\n\r\n", Closed,
        ["code 204, message No Content", "\"ERR /204 HTTP/1.1\" 204 -"];
    // test_send_error
    the_error_205_has_neither_page_nor_length:
        "ERR /205 HTTP/1.1\r\nHost: x\r\n\r\n"
            => "HTTP/1.1 205 Reset Content\r\n{B}{D}Connection: close\r\n\r\n", Closed,
        ["code 205, message Reset Content", "\"ERR /205 HTTP/1.1\" 205 -"];
    // H04
    the_error_304_has_neither_page_nor_length:
        "ERR /304 HTTP/1.1\r\nHost: x\r\n\r\n"
            => "HTTP/1.1 304 Not Modified\r\n{B}{D}Connection: close\r\n\r\n", Closed,
        ["code 304, message Not Modified", "\"ERR /304 HTTP/1.1\" 304 -"];
    // test_send_error
    the_error_101_has_neither_page_nor_length:
        "ERR /101 HTTP/1.1\r\nHost: x\r\n\r\n"
            => "HTTP/1.1 101 Switching Protocols\r\n{B}{D}Connection: close\r\n\r\n", Closed,
        ["code 101, message Switching Protocols", "\"ERR /101 HTTP/1.1\" 101 -"];
    // H05*
    an_interim_error_is_followed_by_a_response:
        "ERR /100 HTTP/1.1\r\nHost: x\r\n\r\n"
            => "HTTP/1.1 100 Continue\r\n{B}{D}Connection: close\r\n\r\n".to_owned() + &internal_error(),
        Closed,
        ["code 100, message Continue", "\"ERR /100 HTTP/1.1\" 100 -", "the handler sent no response",
         "code 500, message Internal Server Error", "\"ERR /100 HTTP/1.1\" 500 -"];
    // H06
    an_error_for_head_has_a_length_and_no_page:
        "HEAD /200 HTTP/1.1\r\nHost: x\r\n\r\n" => "HTTP/1.1 200 OK\r\n{B}{D}Connection: close\r\n\
            Content-Type: text/html;charset=utf-8\r\nContent-Length: 454\r\n\r\n", Closed,
        ["code 200, message OK", "\"HEAD /200 HTTP/1.1\" 200 -"];
    // H07*
    an_unknown_status_has_an_empty_reason:
        "CUST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            => "HTTP/1.1 299 \r\n{B}{D}Connection: close\r\nContent-Length: 0\r\n\r\n", Closed,
        ["\"CUST / HTTP/1.1\" 299 -"];
    // H08*
    a_line_end_in_a_reason_is_refused:
        "INJ / HTTP/1.1\r\nHost: x\r\n\r\n" => internal_error(), Closed,
        ["code 500, message Internal Server Error", "\"INJ / HTTP/1.1\" 500 -"];
    // H08*
    a_line_end_in_a_header_is_refused:
        "INJH / HTTP/1.1\r\nHost: x\r\n\r\n" => internal_error(), Closed,
        ["\"INJH / HTTP/1.1\" 200 -", "code 500, message Internal Server Error",
         "\"INJH / HTTP/1.1\" 500 -"];
    // H09
    a_handler_may_keep_a_client_of_http_1_0:
        "KAHDR / HTTP/1.0\r\n\r\n"
            => "HTTP/1.1 200 OK\r\n{B}{D}Connection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", Open,
        ["\"KAHDR / HTTP/1.0\" 200 -"];
    // H10*
    a_body_without_length_is_chunked:
        "NOCL / HTTP/1.1\r\nHost: x\r\n\r\n"
            => "HTTP/1.1 200 OK\r\n{B}{D}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", Open,
        ["\"NOCL / HTTP/1.1\" 200 -"];
    // H10*
    a_body_without_length_is_ended_by_closing_for_http_1_0:
        "NOCL / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" => "HTTP/1.1 200 OK\r\n{B}{D}Connection: close\r\n\r\nhi", Closed,
        ["\"NOCL / HTTP/1.0\" 200 -"];
    // H11*
    an_error_replaces_a_response_that_has_not_left:
        "DBL / HTTP/1.1\r\nHost: x\r\n\r\n" => internal_error(), Closed,
        ["\"DBL / HTTP/1.1\" 200 -", "code 500, message Internal Server Error",
         "\"DBL / HTTP/1.1\" 500 -"];
    // H12*
    forgotten_end_headers_are_called:
        "NOEND / HTTP/1.1\r\nHost: x\r\n\r\n"
            => "HTTP/1.1 200 OK\r\n{B}{D}Content-Length: 0\r\n\r\n", Open,
        ["\"NOEND / HTTP/1.1\" 200 -"];
    // H13*
    a_failing_handler_is_500:
        "RAISE / HTTP/1.1\r\nHost: x\r\n\r\n" => internal_error(), Closed,
        ["code 500, message Internal Server Error", "\"RAISE / HTTP/1.1\" 500 -"];
    // H14*
    an_error_beyond_latin_1_is_complete_in_its_page:
        "UNI / HTTP/1.1\r\nHost: x\r\n\r\n" => {
            failure(200, "snow ☃", "Request fulfilled, document follows", 460)
                .replace("200 snow ☃", "200 snow ?")
        }, Closed,
        ["code 200, message snow ☃", "\"UNI / HTTP/1.1\" 200 -"];
    // H14*
    a_reason_beyond_latin_1_is_refused:
        "UNIR / HTTP/1.1\r\nHost: x\r\n\r\n" => internal_error(), Closed,
        ["code 500, message Internal Server Error", "\"UNIR / HTTP/1.1\" 500 -"];
    // H15*
    a_panicking_handler_is_500:
        "EXIT / HTTP/1.1\r\nHost: x\r\n\r\n" => internal_error(), Closed,
        ["code 500, message Internal Server Error", "\"EXIT / HTTP/1.1\" 500 -"];
}
