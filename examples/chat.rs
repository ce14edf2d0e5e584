//! A chat: who connects hears what the others write.
//!
//! Run: `cargo run --example chat -- 8080`
//! Try: `nc 127.0.0.1 8080`, in two terminals

use std::collections::HashMap;
use std::env;
use std::io::{self, BufRead, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use socketserver::{Address, Connection, Handler, TcpServer, ThreadPool, Wfile};

#[derive(Default)]
struct ChatHandler {
    clients: Mutex<HashMap<Address, Wfile>>,
}

impl ChatHandler {
    fn clients(&self) -> MutexGuard<'_, HashMap<Address, Wfile>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, line: &[u8], but: Option<&Address>) {
        for (address, client) in &mut *self.clients() {
            if Some(address) != but {
                // Who has left is forgotten by its own thread.
                let _ = client.write_all(line);
            }
        }
    }

    fn listen_to(&self, connection: &mut Connection) -> io::Result<()> {
        let me = Some(&connection.client_address);
        let mut line = Vec::new();
        while connection.rfile.read_until(b'\n', &mut line)? > 0 {
            self.tell(&line, me);
            line.clear();
        }
        Ok(())
    }
}

impl Handler for ChatHandler {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        connection.rfile.set_timeout(None); // People think before they write.
        let me = connection.client_address.clone();
        self.clients().insert(me.clone(), connection.wfile.clone());
        self.tell(format!("{me} has come\n").as_bytes(), None);
        let heard_out = self.listen_to(&mut connection);
        self.clients().remove(&me);
        heard_out
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8080".into()));
    let strategy = ThreadPool::with_max_threads(1000); // Each client keeps one.
    let mut server = TcpServer::bind_with(address, ChatHandler::default(), strategy)?;
    println!("Chatting on {}, use <Ctrl-C> to stop", server.server_address());
    server.serve_forever()
}
