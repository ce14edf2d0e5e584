//! The system calls that the limits are made of.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::{ptr, thread};

/// A listener with a long queue.
pub fn listen(port: u16) -> TcpListener {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    let one: libc::c_int = 1;
    // SAFETY: the pointers are to values that outlive the calls, with their sizes.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        assert!(socket >= 0, "a socket");
        let one = (&raw const one).cast();
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, one, 4);
        let size = size_of_val(&address) as u32;
        assert_eq!(libc::bind(socket, (&raw const address).cast(), size), 0, "port {port}");
        assert_eq!(libc::listen(socket, 4096), 0);
        TcpListener::from_raw_fd(socket)
    }
}

/// A client that waits, if one does.
pub fn accept(listener: &TcpListener) -> Option<OwnedFd> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no address is asked for, and a new descriptor has no other owner.
    unsafe {
        let client = libc::accept4(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), flags);
        (client >= 0).then(|| OwnedFd::from_raw_fd(client)).inspect(no_delay)
    }
}

fn no_delay(socket: &impl AsRawFd) {
    let one: libc::c_int = 1;
    let one = (&raw const one).cast();
    // SAFETY: the pointer is to a value that outlives the call, with its size.
    unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, one, 4) };
}

/// Runs `serve` on a thread of its own for each connection.
pub fn on_each_connection(port: u16, serve: impl Fn(TcpStream) + Send + Sync + 'static) {
    let serve = Arc::new(serve);
    for client in listen(port).incoming().flatten() {
        let serve = Arc::clone(&serve);
        let _ = thread::Builder::new().stack_size(STACK).spawn(move || serve(client));
    }
}

pub const STACK: usize = 64 * 1024;

/// An epoll.
pub struct Events(RawFd);

impl Events {
    pub fn new() -> Self {
        // SAFETY: takes a plain number.
        Self(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
    }

    /// Waits until descriptors are readable, and names them.
    pub fn wait(&self) -> Vec<RawFd> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        // SAFETY: the kernel writes as many events as there is room for.
        let count = unsafe { libc::epoll_wait(self.0, events.as_mut_ptr(), 256, -1) };
        events[..count.max(0) as usize].iter().map(|event| event.u64 as RawFd).collect()
    }

    fn control(&self, operation: libc::c_int, descriptor: RawFd, flags: libc::c_int) {
        let mut event = libc::epoll_event { events: flags as u32, u64: descriptor as u64 };
        // SAFETY: the pointer is to a value that outlives the call.
        unsafe { libc::epoll_ctl(self.0, operation, descriptor, &raw mut event) };
    }
}

/// Reports a descriptor whenever it is readable.
pub fn watch(events: &Events, descriptor: &impl AsRawFd) {
    events.control(libc::EPOLL_CTL_ADD, descriptor.as_raw_fd(), libc::EPOLLIN);
}

/// Reports a connection once more.
pub fn watch_again(events: &Events, descriptor: RawFd) {
    events.control(libc::EPOLL_CTL_MOD, descriptor, ONCE);
}

/// Accepts for ever, and has each connection reported once.
pub fn watch_accepted(listener: &TcpListener, events: &Events) {
    for client in listener.incoming().flatten() {
        no_delay(&client);
        events.control(libc::EPOLL_CTL_ADD, client.into_raw_fd(), ONCE);
    }
}

const ONCE: libc::c_int = libc::EPOLLIN | libc::EPOLLONESHOT | libc::EPOLLRDHUP;

pub fn receive(descriptor: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    let (data, size) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: the kernel writes into the buffer and no further.
    let count = unsafe { libc::recv(descriptor, data, size, libc::MSG_DONTWAIT) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

pub fn send(descriptor: RawFd, bytes: &[u8]) -> bool {
    let (data, size) = (bytes.as_ptr().cast(), bytes.len());
    // SAFETY: the kernel reads the buffer and no further.
    let count = unsafe { libc::send(descriptor, data, size, libc::MSG_NOSIGNAL) };
    count == bytes.len() as isize
}

pub fn number(descriptor: &impl AsRawFd) -> RawFd {
    descriptor.as_raw_fd()
}

pub fn close(descriptor: RawFd) {
    // SAFETY: a descriptor of a connection that only this thread serves now.
    unsafe { libc::close(descriptor) };
}
