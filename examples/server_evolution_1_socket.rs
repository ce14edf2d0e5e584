//! An HTTP server by hand on a bare socket, first of four: a page, its picture and its form.
//!
//! Run: `cargo run --example server_evolution_1_socket -- 8000`
//! Try: `curl -d firstname=Ada http://127.0.0.1:8000/`, or a browser

use std::env;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

const HOST: &str = "127.0.0.1";
const TEXT_CONTENT: &str = concat!(
    "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n",
    include_str!("server_evolution/index.html")
);
const PIC_HEAD: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n";
const PIC_CONTENT: &[u8] = include_bytes!("server_evolution/test.jpg");

fn answer(mut conn: TcpStream, addr: SocketAddr) -> io::Result<()> {
    let mut buffer = [0; 1024]; // Read once: what arrives later is not seen.
    let size = conn.read(&mut buffer)?;
    let request = String::from_utf8_lossy(&buffer[..size]);
    let mut words = request.split(' ');
    let (method, src) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    println!("Connected by {addr}\nRequest is: {request}");
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

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let listener = TcpListener::bind(format!("{HOST}:{port}"))?;
    println!("Serving on http://{}", listener.local_addr()?);
    loop {
        let (conn, addr) = listener.accept()?;
        if let Err(error) = answer(conn, addr) {
            eprintln!("{addr}: {error}");
        }
    }
}
