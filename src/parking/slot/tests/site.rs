//! Clients, their slots, and connections in any state.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::concurrency::Placement;
use crate::connection::{ClientSocket, Connection, Timeouts};
use crate::parking::parked::Phase;
use crate::parking::slot::Slot;
use crate::parking::state::{Holder, State};
use crate::parking::{Parking, ServeConnection};
use crate::poller::{Poller, Ready};
use crate::server_info::{Gauges, ServerInfo};

/// A parking without a server around it. Its handler is called for nothing but to conclude what was
/// left: tests take connections out and put them back themselves.
pub(super) struct Site {
    pub(super) parking: Arc<Parking>,
    handler: Arc<Concluding>,
    gauges: Arc<Gauges>,
    info: ServerInfo,
}

#[derive(Default)]
struct Concluding {
    lost: AtomicU64,
    /// Responses of which nothing is left.
    concluded: AtomicU64,
    /// Calls that are to leave something first.
    leaving: AtomicU64,
}

impl ServeConnection for Concluding {
    fn handle(&self, mut connection: Connection, _: &dyn Fn() -> bool) -> bool {
        assert!(!connection.wfile.has_left(), "it is sent first");
        if self.leaving.swap(0, Ordering::Relaxed) > 0 {
            leave_something(&mut connection);
            connection.park_until_taken().expect("it is taken back");
            return true;
        }
        match connection.wfile.take_loss() {
            Some(loss) => self.lost.fetch_add(loss.bytes, Ordering::Relaxed),
            None => self.concluded.fetch_add(1, Ordering::Relaxed),
        };
        true
    }

    fn receive(&self, _: Connection) -> Option<Connection> {
        unreachable!("nothing is received")
    }

    fn client_speaks_first(&self) -> bool {
        true
    }
}

impl Site {
    pub(super) fn new(placement: Placement) -> Self {
        let poller = Arc::new(Poller::new().expect("a poller"));
        let gauges = Arc::<Gauges>::default();
        let timeouts = Timeouts::default().idle(IDLE).head(HEAD);
        let (handler, counted) = (Arc::<Concluding>::default(), Arc::clone(&gauges));
        let serve = Arc::clone(&handler) as _;
        let parking = Arc::new(Parking::new(poller, serve, timeouts, placement, counted));
        let info = ServerInfo::of_no_server(Address::unix("")).expect("a server's description");
        Self { parking, handler, gauges, info }
    }

    /// A client, its slot, and the connection, which is not there yet.
    pub(super) fn accept(&self) -> (Client, Arc<Slot>, Connection) {
        self.accept_as(ClientSocket::plain)
    }

    /// As [`accept`](Self::accept), over a socket that is made like this.
    pub(super) fn accept_as(
        &self,
        made: impl FnOnce(OwnedFd) -> ClientSocket,
    ) -> (Client, Arc<Slot>, Connection) {
        let (client, server) = UnixStream::pair().expect("a pair of sockets");
        client.set_read_timeout(Some(LIMIT)).expect("an option");
        let socket = Arc::new(made(OwnedFd::from(server)));
        let address = Address::unix("client");
        let slot = self.parking.admit(&socket, address.clone());
        let owner = Arc::downgrade(&slot);
        let timeouts = &self.parking.timeouts;
        let connection = Connection::new(socket, address, self.info.clone(), timeouts, owner);
        (Client(client), slot, connection)
    }

    /// A client whose connection waits for a request.
    pub(super) fn idle(&self) -> (Client, Arc<Slot>) {
        let (client, slot, connection) = self.accept();
        slot.park(&self.parking, connection);
        assert_eq!(slot.seen(), "idle");
        (client, slot)
    }

    /// A client whose connection waits for the rest of a request.
    pub(super) fn begun(&self) -> (Client, Arc<Slot>) {
        let (client, slot, connection) = self.accept();
        connection.park_for_more().expect("it is taken back");
        assert_eq!(slot.seen(), "idle");
        (client, slot)
    }

    /// A client whose connection waits for its job.
    pub(super) fn claimed(&self) -> (Client, Arc<Slot>) {
        let (client, slot, connection) = self.accept();
        slot.park_claimed(&self.parking, connection);
        assert_eq!(slot.seen(), "claimed");
        (client, slot)
    }

    /// A client whose connection is held like this.
    pub(super) fn out(&self, holder: Holder) -> (Client, Arc<Slot>, Connection) {
        let (client, slot) = self.claimed();
        let connection = slot.place().take_out(Phase::Claimed, holder).expect("it was claimed");
        assert_eq!(slot.seen(), "out");
        (client, slot, connection)
    }

    /// A client that takes nothing, and how much the kernel has for it; there is more.
    pub(super) fn sending(&self) -> (Client, Arc<Slot>, usize) {
        self.sending_within(None)
    }

    /// As [`sending`](Self::sending), of a client that may take nothing for so long.
    pub(super) fn sending_within(&self, limit: Option<Duration>) -> (Client, Arc<Slot>, usize) {
        let (client, slot, mut connection) = self.accept();
        if limit.is_some() {
            connection.wfile.set_timeout(limit);
        }
        let count = leave_something(&mut connection);
        connection.park_until_taken().expect("it is taken back");
        assert_eq!(slot.seen(), "sending");
        (client, slot, count)
    }

    /// The next call of its handler leaves something to be sent.
    pub(super) fn is_to_leave_something(&self) {
        self.handler.leaving.store(1, Ordering::Relaxed);
    }

    /// How many responses its handler has concluded of which all was sent.
    pub(super) fn concluded(&self) -> u64 {
        self.handler.concluded.load(Ordering::Relaxed)
    }

    /// How many jobs run.
    pub(super) fn running(&self) -> usize {
        self.gauges.running.load(Ordering::Relaxed)
    }

    /// How many bytes its handler was told are lost.
    pub(super) fn lost(&self) -> u64 {
        self.handler.lost.load(Ordering::Relaxed)
    }

    /// A client whose connection was dropped, and which may still send.
    pub(super) fn lingering(&self) -> (Client, Arc<Slot>) {
        let (client, slot, connection) = self.accept();
        connection.lingering_close().expect("nothing is to be sent");
        assert_eq!(slot.seen(), "lingering");
        (client, slot)
    }

    pub(super) fn gone(&self) -> (Client, Arc<Slot>) {
        let (client, slot, connection) = self.accept();
        connection.close();
        assert_eq!(slot.seen(), "gone");
        (client, slot)
    }

    /// Which slots the poller has to report.
    pub(super) fn reports(&self) -> Vec<usize> {
        let mut ready: Vec<Ready> = Vec::new();
        self.parking.poller.wait(&mut ready, Some(Duration::ZERO)).expect("a look");
        ready.iter().map(|ready| ready.key).collect()
    }

    /// As the server tells its handlers.
    pub(super) fn open(&self) -> usize {
        self.gauges.open.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> usize {
        self.gauges.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn returned(&self) -> usize {
        let mut returned = Vec::new();
        self.parking.take_returned(&mut returned);
        returned.len()
    }
}

/// Writes until the client has to take something; returns how much the kernel has.
fn leave_something(connection: &mut Connection) -> usize {
    let mut count = 0;
    while !connection.wfile.has_left() {
        connection.wfile.leave_pieces([&[0; 16 * 1024]]).expect("a client");
        count += 16 * 1024;
    }
    count - connection.wfile.left() as usize
}

impl Slot {
    /// How much is left to be sent.
    pub(super) fn left(&self) -> u64 {
        self.socket(&self.place()).expect("it is open").left()
    }

    pub(super) fn seen(&self) -> &'static str {
        match &self.place().state {
            State::Parked(parked) => match parked.phase {
                Phase::Idle => "idle",
                Phase::Sending => "sending",
                Phase::Claimed => "claimed",
                Phase::Returned => "returned",
            },
            State::Out(_) => "out",
            State::Lingering(_) => "lingering",
            State::LingeringInJob(_) => "lingering in a job",
            State::Gone(_) => "gone",
        }
    }

    /// When its wait is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.place().state {
            State::Parked(parked) => parked.deadline,
            State::Lingering(lingering) => Some(lingering.deadline),
            _ => None,
        }
    }

    pub(super) fn since(&self) -> Option<Instant> {
        match &self.place().state {
            State::Parked(parked) => Some(parked.since),
            _ => None,
        }
    }

    /// It waits since long ago.
    pub(super) fn age(&self) {
        let mut place = self.place();
        let State::Parked(parked) = &mut place.state else { panic!("it is not parked") };
        parked.since -= AGE;
        parked.deadline = parked.deadline.map(|deadline| deadline - AGE);
    }
}

pub(super) struct Client(UnixStream);

impl Client {
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("there is room");
    }

    /// Sends as much as there is room for; returns how much that is.
    pub(super) fn fills(&mut self) -> usize {
        self.0.set_nonblocking(true).expect("an option");
        let (piece, mut sent) = ([b'x'; 16 * 1024], 0);
        while let Ok(count) = self.0.write(&piece) {
            sent += count;
        }
        self.0.set_nonblocking(false).expect("an option");
        sent
    }

    pub(super) fn takes(&mut self, count: usize) {
        self.0.read_exact(&mut vec![0; count]).expect("so many bytes");
    }

    pub(super) fn ends(&self) {
        self.0.shutdown(Shutdown::Write).expect("an end");
    }

    /// The connection is open.
    pub(super) fn hears_nothing(&mut self) {
        self.0.set_nonblocking(true).expect("an option");
        let heard = self.0.read(&mut [0]).expect_err("nothing was sent");
        assert_eq!(heard.kind(), std::io::ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).expect("an option");
    }

    pub(super) fn sees_the_end(&mut self) {
        assert_eq!(self.0.read(&mut [0]).ok(), Some(0), "its end");
    }
}

/// How long connections may be idle, and how long a head may take.
pub(super) const IDLE: Duration = Duration::from_secs(1_000);
const HEAD: Duration = Duration::from_secs(100);

/// Longer than a server that stops waits for anything.
pub(super) const AGE: Duration = Duration::from_secs(50);

/// What should take no time takes less.
const LIMIT: Duration = Duration::from_secs(20);
