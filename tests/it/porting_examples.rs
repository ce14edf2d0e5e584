//! The examples that `docs/PORTING.md` leads to.

use crate::examples::{Example, read_head, request};
use crate::support::{Client, eventually};
use crate::web::hear_out;

#[test]
fn mjpeg_sends_one_part_after_the_other() {
    let example = Example::run("mjpeg", &["0"]);
    let [head, part] = watch_two_frames(&example);
    assert!(head.contains("\r\nContent-Type: multipart/x-mixed-replace; boundary=FRAME\r\n"));
    assert!(part.starts_with("--FRAME\r\nContent-Type: image/jpeg\r\nContent-Length: "), "{part}");
}

/// Watches two frames of a stream; returns the heads of the response and of a part.
pub(crate) fn watch_two_frames(program: &Example) -> [String; 2] {
    let picture = include_bytes!("../../examples/server_evolution/test.jpg");
    let mut client = Client::connect(program.address);
    client.send("GET / HTTP/1.0\r\n\r\n");
    let head = read_head(&mut client);
    let parts = [(); 2].map(|()| {
        let part = read_head(&mut client);
        assert_eq!(client.read_exactly(picture.len()), picture);
        assert_eq!(client.read_exactly(2), b"\r\n");
        part
    });
    let [part, other] = parts;
    assert_eq!(part, other);
    [head, part]
}

#[test]
fn ranges_sends_the_part_that_is_asked_for() {
    let example = Example::run("ranges", &["0", "server_evolution/form.html"]);
    let file = include_str!("../../examples/server_evolution/form.html");
    let size = file.len();
    for (range, status, sent) in [
        ("", 200, 0..size),
        ("Range: bytes=0-0\r\n", 206, 0..1),
        ("Range: bytes=5-9\r\n", 206, 5..10),
        ("Range: bytes=5-\r\n", 206, 5..size),
        ("Range: bytes=-5\r\n", 206, size - 5..size),
        ("Range: bytes=-99999\r\n", 206, 0..size),
        ("Range: bytes=5-99999\r\n", 206, 5..size),
        ("Range: bytes=5-9\r\nIf-Range: \"x\"\r\n", 200, 0..size),
        ("Range: bytes=0-1,5-9\r\n", 200, 0..size),
        ("Range: bytes=9-5\r\n", 200, 0..size),
        ("Range: bytes=+1-5\r\n", 200, 0..size),
        ("Range: bytes=-\r\n", 200, 0..size),
        ("Range: lines=1-2\r\n", 200, 0..size),
        ("Range: bytes=99999-\r\n", 416, 0..0),
        ("Range: bytes=-0\r\n", 416, 0..0),
    ] {
        let reply = request(example.address, &format!("GET / HTTP/1.0\r\n{range}\r\n"));
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.0 {status} ")), "{range}: {head}");
        assert_eq!(body, &file[sent.clone()], "{range}");
        let said = head.lines().find_map(|line| line.strip_prefix("Content-Range: bytes "));
        let expected = match status {
            206 => Some(format!("{}-{}/{size}", sent.start, sent.end - 1)),
            416 => Some(format!("*/{size}")),
            _ => None,
        };
        assert_eq!(said.map(str::to_owned), expected, "{range}");
    }
    let head = request(example.address, "HEAD / HTTP/1.0\r\nRange: bytes=5-9\r\n\r\n");
    assert!(head.contains("\r\nContent-Length: 5\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

/// Asks for parts of a file; returns the replies.
pub(crate) fn ask_for_parts(program: &Example) -> Vec<String> {
    let ranges = ["0-99", "100-", "-7", "3-2", "-", "1-2,4-5", "99999999-", "-0", "x"];
    let ranges = ranges.map(|range| format!("Range: bytes={range}\r\n"));
    let others = ["", "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n", "Range: lines=1-2\r\n"];
    let ranges = ranges.iter().map(String::as_str).chain(others);
    let requests = ranges.flat_map(|range| {
        ["GET", "HEAD"].map(|method| format!("{method} / HTTP/1.0\r\n{range}\r\n"))
    });
    requests.map(|text| request(program.address, &text)).collect()
}

#[test]
fn bounded_pool_refuses_a_fifth_client() {
    let example = Example::run("bounded_pool", &["0"]);
    let refused = crowd(&example);
    assert!(refused.starts_with("HTTP/1.0 503 Service Unavailable\r\n"), "{refused}");
    assert!(refused.contains("\r\nRetry-After: "), "{refused}");
}

/// Four clients hold all places, a fifth is refused, and served when one has left; returns what it
/// was told at first.
pub(crate) fn crowd(program: &Example) -> String {
    let post = "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n";
    let clients = [(); 4].map(|()| {
        let mut client = Client::connect(program.address);
        client.send(format!("{post}hell"));
        client
    });
    let refused = Client::connect(program.address).read_to_end();
    for mut client in clients {
        client.send("o");
        let reply = client.read_to_end();
        assert!(reply.ends_with("\r\n\r\n5 bytes\n"), "{reply}");
    }
    let request = format!("{post}hello");
    eventually(|| hear_out(program.address, request.as_bytes()).ends_with(b"\r\n\r\n5 bytes\n"));
    refused
}
