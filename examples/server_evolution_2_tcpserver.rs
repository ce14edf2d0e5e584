//! The same page, picture and form as a handler of a `TcpServer`, second of four.
//!
//! Run: `cargo run --example server_evolution_2_tcpserver -- 8000`
//! Try: `curl -d firstname=Ada http://127.0.0.1:8000/`, or a browser

use std::env;
use std::io::{self, Read, Write};

use socketserver::{Connection, Handler, Sequential, TcpServer};

const HOST: &str = "127.0.0.1";
const TEXT_CONTENT: &str = concat!(
    "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n",
    include_str!("server_evolution/index.html")
);
const PIC_HEAD: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n";
const PIC_CONTENT: &[u8] = include_bytes!("server_evolution/test.jpg");

struct MyTcpHandler;

impl Handler for MyTcpHandler {
    fn handle(&self, mut conn: Connection) -> io::Result<()> {
        let mut buffer = [0; 1024];
        let size = conn.read(&mut buffer)?;
        let request = String::from_utf8_lossy(&buffer[..size]);
        let mut words = request.split(' ');
        let (method, src) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        println!("Connected by {}\nRequest is: {request}", conn.client_address);
        if method == "GET" && src == "/test.jpg" {
            conn.write_all(&[PIC_HEAD, PIC_CONTENT].concat())?;
        } else if method == "GET" {
            conn.write_all(TEXT_CONTENT.as_bytes())?;
        } else if method == "POST" {
            let value = request.rsplit('=').next().unwrap_or("");
            let value = value.replace('<', "&lt;");
            conn.write_all(format!("{TEXT_CONTENT}<p>{value}</p>\n").as_bytes())?;
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let mut server = TcpServer::<Sequential, _>::bind(format!("{HOST}:{port}"), MyTcpHandler)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
