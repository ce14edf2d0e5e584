//! What sockets can do and no safe function does.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use socket2::{SockAddr, SockRef};

/// How many of the bytes that were written to a stream socket its peer has not taken yet; `None`
/// where the system does not tell.
#[cfg(target_os = "linux")]
pub(crate) fn bytes_not_taken(socket: BorrowedFd<'_>) -> Option<usize> {
    use std::os::fd::AsRawFd;

    let mut count: libc::c_int = 0;
    // SAFETY: the descriptor is open, and this request writes one number of this type.
    let told = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if told == 0 { usize::try_from(count).ok() } else { None }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn bytes_not_taken(_: BorrowedFd<'_>) -> Option<usize> {
    None
}

/// Tells whether bytes have arrived on a socket that were not read.
///
/// As `recv` of nix does with a flag, but makes no error of a socket that has none: a forked child
/// ends with this call, and finds none of the code for that mapped, 2 page faults of 1.1 µs each.
pub(crate) fn holds_bytes(socket: BorrowedFd<'_>) -> bool {
    use std::os::fd::AsRawFd;

    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    let mut byte = 0_u8;
    // SAFETY: there is room for the one byte that is asked for.
    unsafe { libc::recv(socket.as_raw_fd(), (&raw mut byte).cast(), 1, flags) > 0 }
}

/// Breaks a TCP connection off: it is reset, whoever else holds the socket.
///
/// # Errors
///
/// The socket is of another kind, or the system is another.
#[cfg(target_os = "linux")]
pub(crate) fn disconnect(socket: BorrowedFd<'_>) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    // SAFETY: `sockaddr` is plain data for which all zeroes is a value.
    let mut nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
    nowhere.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the address is as long as it is said to be.
    let done = unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn disconnect(_: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Receives the next datagram, without waiting for one; returns its size and its sender.
pub(crate) fn receive_from(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, SockAddr)> {
    // SAFETY: the layouts are the same, and socket2 promises to write nothing uninitialised.
    let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
    SockRef::from(socket).recv_from_with_flags(buffer, libc::MSG_DONTWAIT)
}

/// The addresses of all interfaces, in the order in which this system prefers them.
///
/// What `getaddrinfo` answers for no host and `AI_PASSIVE`; `std` cannot ask without a host.
pub(crate) fn passive_addresses(port: u16) -> Vec<SocketAddr> {
    let service = std::ffi::CString::new(port.to_string()).unwrap_or_default();
    // SAFETY: `addrinfo` is plain data for which all zeroes is the documented "no hint".
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_flags = libc::AI_PASSIVE;
    let mut list: *mut libc::addrinfo = std::ptr::null_mut();
    // SAFETY: `service` ends in NUL, `hints` is initialised, `list` receives a list that is freed
    // below.
    if unsafe {
        libc::getaddrinfo(std::ptr::null(), service.as_ptr(), &raw const hints, &raw mut list)
    } != 0
    {
        return Vec::new();
    }
    let mut addresses = Vec::new();
    let mut next = list;
    // SAFETY: `next` is null or an element of the list that getaddrinfo made, and `ai_addr` holds
    // `ai_addrlen` bytes of the address.
    while let Some(info) = unsafe { next.as_ref() } {
        // SAFETY: as above; `try_init` offers storage of at least `ai_addrlen` bytes.
        let copied = unsafe {
            SockAddr::try_init(|storage, length| {
                std::ptr::copy_nonoverlapping(
                    info.ai_addr.cast::<u8>(),
                    storage.cast::<u8>(),
                    info.ai_addrlen as usize,
                );
                *length = info.ai_addrlen;
                Ok(())
            })
        };
        addresses.extend(copied.ok().and_then(|((), address)| address.as_socket()));
        next = info.ai_next;
    }
    // SAFETY: `list` came from getaddrinfo and is freed once.
    unsafe { libc::freeaddrinfo(list) };
    addresses
}

/// Registers a descriptor with a portable poller.
///
/// The caller deletes it before closing it; a forgotten delete costs a stale event and no more,
/// because the kernel drops the registration with the last copy of the descriptor.
#[cfg(any(not(target_os = "linux"), portable_poller))]
pub(crate) fn watch(
    poller: &polling::Poller,
    source: BorrowedFd<'_>,
    interest: polling::Event,
    mode: polling::PollMode,
) -> io::Result<()> {
    // SAFETY: the descriptor is open, as `BorrowedFd` promises. `add` is unsafe because `poll`-like
    // backends would go on using a number that was closed. Reactor and slots own what they
    // register and delete it first; no memory depends on it either way.
    unsafe { poller.add_with_mode(&source, interest, mode) }
}
