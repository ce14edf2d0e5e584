//! Which logins give way to which where not all of them can be verified.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock::{Clock, NUMBER_BITS, kept, until, word};
use crate::sys::SharedCounters;

/// What all processes of a server know about logins that were wrong, and that were refused.
///
/// Logins of an address without a wrong password lately come first, then those that were refused
/// before and come again, then the others. One that is refused holds off those of less precedence
/// for a while, so that it finds a turn as it comes again.
pub(super) struct Precedence {
    /// Until when each of the upper two holds off those below it, then the entries of addresses,
    /// then those of logins. An entry holds some bits of a number, and until when it counts. An
    /// entry that is lost to another costs precedence only.
    cells: SharedCounters,
    clock: Clock,
}

/// A login: the number of its address, and the number of its credentials.
#[derive(Clone, Copy)]
pub(super) struct Login {
    pub(super) address: u64,
    pub(super) credentials: u64,
}

impl Precedence {
    pub(super) fn new() -> Self {
        Self { cells: SharedCounters::new(HOLDS + 2 * ENTRIES), clock: Clock::new() }
    }

    /// Tells whether this one has to give way now.
    pub(super) fn gives_way(&self, login: Login) -> bool {
        let now = self.clock.now();
        let mut above = self.cells.cells()[..HOLDS].iter().skip(self.of(login));
        above.any(|until| until.load(Ordering::Acquire) > now)
    }

    /// Takes note that it was refused without a look at its password.
    pub(super) fn refused(&self, login: Login) {
        if let Some(hold) = self.of(login).checked_sub(1) {
            let until = self.clock.after(HELD_OFF);
            self.cells.cells()[hold].store(until, Ordering::Release);
        }
        self.note(LOGINS, login.credentials, KEPT_LOGIN);
    }

    /// Takes note that its password was wrong.
    pub(super) fn wrong(&self, login: Login) {
        self.note(ADDRESSES, login.address, KEPT_ADDRESS);
    }

    /// From 0, the least.
    fn of(&self, login: Login) -> usize {
        if !self.is_noted(ADDRESSES, login.address) {
            2
        } else {
            usize::from(self.is_noted(LOGINS, login.credentials))
        }
    }

    fn note(&self, table: usize, number: u64, time: Duration) {
        let entry = word(number, self.clock.after(time));
        self.cells.cells()[place(table, number)].store(entry, Ordering::Release);
    }

    fn is_noted(&self, table: usize, number: u64) -> bool {
        let entry = self.cells.cells()[place(table, number)].load(Ordering::Acquire);
        kept(entry) == kept(number) && until(entry) > self.clock.now()
    }
}

/// Where a number is in a table, by bits that its entry does not have.
fn place(table: usize, number: u64) -> usize {
    table + usize::try_from((number >> NUMBER_BITS) % ENTRIES as u64).unwrap_or(0)
}

/// Who is taken for one client: a network of 64 bits with IPv6, where one has all its addresses,
/// and all clients of a Unix socket.
pub(super) fn client(ip: Option<IpAddr>) -> String {
    match ip {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => format!("{:x?}", &ip.segments()[..4]),
        None => String::new(),
    }
}

const HOLDS: usize = 2;
const ADDRESSES: usize = HOLDS;
const LOGINS: usize = HOLDS + ENTRIES;

/// In each table: 32 KiB.
const ENTRIES: usize = 4096;

/// More than `Retry-After` says.
const HELD_OFF: Duration = Duration::from_secs(5);

const KEPT_LOGIN: Duration = Duration::from_secs(30);

const KEPT_ADDRESS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn login(address: u64, credentials: u64) -> Login {
        Login { address, credentials }
    }

    #[test]
    fn an_address_with_a_wrong_password_gives_way_to_others() {
        let precedence = Precedence::new();
        let (flood, good) = (login(1, 1), login(2, 2));
        precedence.wrong(flood);
        assert!(!precedence.gives_way(flood));
        precedence.refused(flood);
        // It comes again, and gives way to others nevertheless.
        precedence.refused(flood);
        assert!(!precedence.gives_way(good));
        precedence.refused(good);
        assert!(precedence.gives_way(flood));
        assert!(!precedence.gives_way(good));
    }

    #[test]
    fn of_one_address_those_that_come_again_are_before_new_ones() {
        let precedence = Precedence::new();
        let (old, new) = (login(1, 1), login(1, 2));
        precedence.wrong(old);
        precedence.refused(old);
        assert!(!precedence.gives_way(new));
        precedence.refused(old);
        assert!(precedence.gives_way(new));
        assert!(!precedence.gives_way(old));
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let of = |ip: &str| client(ip.parse().ok());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
