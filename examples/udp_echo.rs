//! Answers each datagram with the same in upper case: the UDP server of Python's documentation.
//!
//! Run: `cargo run --example udp_echo -- 9999`
//! Try: `echo hello | nc -u -w 1 127.0.0.1 9999`, with OpenBSD's nc. Nmap's ends with its input,
//! perhaps before the answer is there: `(echo hello; sleep 1) | ncat -u 127.0.0.1 9999`

use std::env;
use std::io;

use socketserver::{Datagram, Handler, Sequential, UdpServer};

struct MyUdpHandler;

impl Handler<Datagram> for MyUdpHandler {
    fn handle(&self, datagram: Datagram) -> io::Result<()> {
        let data = datagram.packet.trim_ascii();
        println!("{} wrote:", datagram.client_address.host());
        println!("{}", data.escape_ascii()); // What a terminal would obey is shown.
        datagram.reply(&data.to_ascii_uppercase())
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("9999".into());
    let mut server = UdpServer::<Sequential, _>::bind(format!("127.0.0.1:{port}"), MyUdpHandler)?;
    println!("Echoing on {}, use <Ctrl-C> to stop", server.server_address());
    server.serve_forever()
}
