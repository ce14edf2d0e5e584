//! The examples that `docs/PORTING.md` leads to.

use crate::examples::{Example, read_head};
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
