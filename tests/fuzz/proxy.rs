//! What is true of every connection that a balancer introduces.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::OnceLock;

use socketserver::{Address, Connection, Handler, ProxyProtocol};

#[path = "proxy_model.rs"]
mod model;
#[allow(clippy::duplicate_mod, reason = "each check can be a program of its own")]
#[path = "wire.rs"]
mod wire;

use model::{Client, Header};

/// Sends bytes to a server that expects a header, and hears whom it takes the client for and what
/// it takes for the client's. The first byte is the size of the pieces that are sent.
pub(crate) fn check(data: &[u8]) {
    let [size, sent @ ..] = data else { return };
    let stream = UnixStream::connect(server()).expect("the server listens");
    let heard = wire::talk(stream, sent, usize::from(*size));
    let expected = match model::header(sent) {
        Header::Whole(length, client) => {
            [format!("{:?}\n", address(client)).as_bytes(), &sent[length..]].concat()
        }
        Header::Cut | Header::Bad => Vec::new(),
    };
    assert_eq!(heard.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

fn address(client: Client) -> Address {
    match client {
        Client::Nobody => Address::unix(""),
        Client::Inet(address) => SocketAddr::into(address),
        Client::Unix(name) => Address::unix(std::ffi::OsStr::from_bytes(&name)),
    }
}

/// Says who the client is, and what it has said.
struct Parrot;

impl Handler for Parrot {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        writeln!(connection.wfile, "{:?}", connection.client_address)?;
        io::copy(&mut connection.rfile, &mut connection.wfile)?;
        Ok(())
    }

    fn handle_error(&self, _: &Address, _: &io::Error) {}
}

/// Where connections may be introduced.
fn server() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let trusted = "unix:".parse().expect("a list of peers");
        wire::serve("proxy", ProxyProtocol::new(Parrot, trusted))
    })
}
