//! Which logins give way to which where not all of them can be verified.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::{Clock, NUMBER_BITS, kept, until, word};
use crate::sys::SharedCounters;

/// What all processes of a server know about logins that were wrong, and that were refused.
///
/// Logins of an address without a wrong password lately come first, then those that were refused
/// before and come again, then the others. One that is refused holds off those of less precedence
/// for a while, so that it finds a turn as it comes again. One without a wrong password does not
/// hold off those of its own address: that may be the only one that asks.
pub(super) struct Precedence {
    /// The addresses for which each of the upper two holds off those below it, then the entries of
    /// addresses, then those of logins. An entry holds some bits of a number, and until when it
    /// counts. An entry that is lost to another, or finds no place, costs precedence only.
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
        Self { cells: SharedCounters::new(LOGINS + MOST_LOGINS), clock: Clock::new() }
    }

    /// Tells whether this one has to give way now.
    pub(super) fn gives_way(&self, login: Login) -> bool {
        let now = self.clock.now();
        let above = self.cells.cells()[..HOLDS].iter().enumerate().skip(self.of(login, now));
        above.map(|(index, hold)| (index, hold.load(Ordering::Acquire))).any(|(index, hold)| {
            let is_own = index == OF_ADDRESSES && kept(hold) == kept(login.address);
            until(hold) > now && (!is_own || kept(hold) == SEVERAL)
        })
    }

    /// Takes note that it was refused without a look at its password.
    pub(super) fn refused(&self, login: Login) {
        self.refused_at(login, self.clock.now());
    }

    /// Takes note that its password was wrong.
    pub(super) fn wrong(&self, login: Login) {
        let entry = word(login.address, self.clock.now() + KEPT_ADDRESS);
        self.address(login).store(entry, Ordering::Release);
    }

    fn refused_at(&self, login: Login, now: u64) {
        if let Some(hold) = self.of(login, now).checked_sub(1) {
            let cell = &self.cells.cells()[hold];
            let before = cell.load(Ordering::Acquire);
            let is_alone = until(before) <= now || kept(before) == kept(login.address);
            let address = if is_alone { login.address } else { SEVERAL };
            cell.store(word(address, now + HELD_OFF), Ordering::Release);
        }
        let cell = self.login(login);
        let entry = cell.load(Ordering::Acquire);
        // Another one has time to come again, however many new ones come meanwhile.
        let is_free = until(entry) <= now + KEPT_LOGIN - OWN_LOGIN;
        if is_free || kept(entry) == kept(login.credentials) {
            let new = word(login.credentials, now + KEPT_LOGIN);
            // Where that fails one was faster that came at the same moment.
            let _ = cell.compare_exchange(entry, new, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// From 0, the least.
    fn of(&self, login: Login, now: u64) -> usize {
        let is_noted = |cell: &AtomicU64, number| {
            let entry = cell.load(Ordering::Acquire);
            kept(entry) == kept(number) && until(entry) > now
        };
        if !is_noted(self.address(login), login.address) {
            2
        } else {
            usize::from(is_noted(self.login(login), login.credentials))
        }
    }

    fn address(&self, login: Login) -> &AtomicU64 {
        &self.cells.cells()[ADDRESSES..LOGINS][place(login.address, MOST_ADDRESSES)]
    }

    fn login(&self, login: Login) -> &AtomicU64 {
        &self.cells.cells()[LOGINS..][place(login.credentials, MOST_LOGINS)]
    }
}

/// Where a number is in a table of that size, by bits that its entry does not have.
fn place(number: u64, size: usize) -> usize {
    usize::try_from((number >> NUMBER_BITS) % size as u64).unwrap_or(0)
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

/// What logins of addresses without a wrong password hold off others with.
const OF_ADDRESSES: usize = 1;

/// More than one address.
const SEVERAL: u64 = 0;

const ADDRESSES: usize = HOLDS;
const LOGINS: usize = ADDRESSES + MOST_ADDRESSES;

/// 32 KiB.
const MOST_ADDRESSES: usize = 4096;

/// 1 MiB, of which the system gives what is used: nothing before logins are refused. For floods of
/// tens of thousands of logins a second.
const MOST_LOGINS: usize = 1 << 17;

/// In milliseconds, as all times here. More than `Retry-After` says.
const HELD_OFF: u64 = 5_000;

/// How long the entry of a login counts if no other one needs its place.
const KEPT_LOGIN: u64 = 30_000;

/// How long no other one gets its place: more than `Retry-After` says.
const OWN_LOGIN: u64 = 3_000;

const KEPT_ADDRESS: u64 = 60_000;

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
    fn a_client_alone_does_not_hold_itself_off() {
        let precedence = Precedence::new();
        let (first, typo, second) = (login(1, 1), login(1, 2), login(1, 3));
        precedence.refused(first);
        precedence.wrong(typo);
        assert!(!precedence.gives_way(second));
        // Another one is there, whichever comes last.
        precedence.refused(login(2, 4));
        assert!(precedence.gives_way(second));
        let precedence = Precedence::new();
        for address in [1, 2, 1] {
            precedence.refused(login(address, 4));
        }
        precedence.wrong(typo);
        assert!(precedence.gives_way(second));
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

    /// As with a proxy in front. Each second 20,000 logins are new, and a hundred come again.
    #[test]
    fn new_ones_do_not_take_the_precedence_of_those_that_come_again() {
        let precedence = Precedence::new();
        precedence.wrong(login(1, 1));
        // Like hashes, and the same each time.
        let spread = |number: u64| {
            let bits = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            login(1, bits ^ bits >> 27)
        };
        let mut flood = (1_000_u64..).map(spread);
        let mut has_come = [false; 100];
        let mut counts = Vec::new();
        for second in 1..=20 {
            let now = 1_000 * second;
            // The table is full when they come.
            if second > 10 {
                for (number, has_come) in (0..).zip(&mut has_come) {
                    *has_come |= precedence.of(spread(number), now) == 1;
                    precedence.refused_at(spread(number), now);
                }
                counts.push(has_come.iter().filter(|has_come| **has_come).count());
            }
            for part in 0..20_000 {
                precedence.refused_at(flood.next().expect("more"), now + part / 20);
            }
        }
        // At first all of them are new. Of those without a place more than half find one each time.
        assert_eq!(counts[0], 0);
        assert!(counts[1] > 50 && counts[3] > 85 && counts[9] > 97, "{counts:?}");
    }

    #[test]
    fn the_place_of_one_that_does_not_come_again_is_free_later() {
        let precedence = Precedence::new();
        // In the same place.
        let (old, new) = (login(1, 1), login(1, 2));
        precedence.wrong(old);
        precedence.refused_at(old, 1);
        precedence.refused_at(new, OWN_LOGIN);
        assert_eq!([old, new].map(|login| precedence.of(login, OWN_LOGIN)), [1, 0]);
        precedence.refused_at(new, OWN_LOGIN + 1);
        assert_eq!([old, new].map(|login| precedence.of(login, OWN_LOGIN + 1)), [0, 1]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let of = |ip: &str| client(ip.parse().ok());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
