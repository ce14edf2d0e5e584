//! A chat: who connects hears what the others write.
//!
//! Run: `cargo run --example chat -- 8080`
//! Try: `nc 127.0.0.1 8080`, in two terminals

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, thread};

use socketserver::{Address, Connection, Handler, TcpServer, ThreadPool, Wfile};

/// The longest line, in bytes.
const LINE: usize = 4096;

/// Lines that may wait for a client that reads slowly.
const WAITING: usize = 100;

/// How long a client may say nothing.
const SILENCE: Duration = Duration::from_secs(3600);

type Line = Arc<[u8]>;

#[derive(Default)]
struct ChatHandler {
    clients: Mutex<HashMap<Address, SyncSender<Line>>>,
}

impl ChatHandler {
    fn clients(&self) -> MutexGuard<'_, HashMap<Address, SyncSender<Line>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a line for all clients but one. A client whose queue is full is let go.
    fn tell(&self, line: &[u8], but: Option<&Address>) {
        let line = Line::from(line);
        self.clients().retain(|address, client| {
            Some(address) == but || client.try_send(line.clone()).is_ok()
        });
    }

    fn listen_to(&self, connection: &mut Connection) -> io::Result<()> {
        let me = &connection.client_address;
        let mut line = Vec::new();
        while (&mut connection.rfile).take(LINE as u64).read_until(b'\n', &mut line)? > 0 {
            if !self.clients().contains_key(me) {
                break; // Let go meanwhile.
            }
            if line.len() == LINE && !line.ends_with(b"\n") {
                return Err(io::Error::other("the line is too long"));
            }
            self.tell(&line, Some(me));
            line.clear();
        }
        Ok(())
    }
}

/// Writes what is queued for a client until it is let go, has left, or takes nothing for too long.
fn write_lines(lines: &Receiver<Line>, mut wfile: Wfile) -> io::Result<()> {
    lines.iter().try_for_each(|line| wfile.write_all(&line))?;
    wfile.shutdown()
}

impl Handler for ChatHandler {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        connection.rfile.set_timeout(Some(SILENCE)); // People think before they write.
        let (me, wfile) = (connection.client_address.clone(), connection.wfile.clone());
        let (sender, lines) = mpsc::sync_channel(WAITING);
        thread::scope(|scope| {
            // Only this thread waits for a client that reads slowly.
            thread::Builder::new().spawn_scoped(scope, move || write_lines(&lines, wfile))?;
            self.clients().insert(me.clone(), sender);
            self.tell(format!("{me} has come\n").as_bytes(), None);
            let heard_out = self.listen_to(&mut connection);
            self.clients().remove(&me);
            heard_out
        })
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8080".into()));
    let strategy = ThreadPool::default().max_threads(1000); // Each client keeps one.
    let mut server = TcpServer::bind_with(address, ChatHandler::default(), strategy)?;
    println!("Chatting on {}, use <Ctrl-C> to stop", server.server_address());
    server.serve_forever()
}
