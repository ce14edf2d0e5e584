//! Passwords that were verified a short time ago, in memory that processes share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::clock::Clock;
use super::credentials::Credentials;
use super::hash::PasswordHash;
use crate::sys::SharedCounters;

/// Which credentials were right, and until when that counts.
///
/// What is kept is a hash of the credentials with a secret of this server, from which no password
/// can be found. The user's own hash goes into it, so that a user whose password was changed is not
/// found.
pub(super) struct Verified {
    secret: [u8; 32],
    /// For each entry: until when it counts, or 0 if it is empty, and four words of the hash.
    cells: SharedCounters,
    clock: Clock,
}

/// What stands for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark([u64; 4]);

impl Mark {
    /// A number that a client cannot foresee.
    pub(super) fn number(self) -> u64 {
        self.0[1]
    }
}

impl Verified {
    pub(super) fn new() -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("random bytes of the system");
        Self { secret, cells: SharedCounters::new(ENTRIES * WORDS), clock: Clock::new() }
    }

    /// What stands for these credentials, where the user has this hash.
    pub(super) fn mark(&self, credentials: &Credentials, hash: &PasswordHash) -> Mark {
        self.digest(&[credentials.name.as_bytes(), hash.as_bytes(), &credentials.password])
    }

    /// What stands for a name.
    pub(super) fn mark_of_name(&self, name: &str) -> Mark {
        self.digest(&[name.as_bytes()])
    }

    fn digest(&self, parts: &[&[u8]]) -> Mark {
        let mut digest = Sha256::new_with_prefix(self.secret);
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest = digest.finalize();
        let mut words = digest
            .chunks_exact(8)
            .map(|word| word.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)));
        Mark(std::array::from_fn(|_| words.next().unwrap_or_default()))
    }

    /// Tells whether these were right a short time ago.
    pub(super) fn knows(&self, mark: Mark) -> bool {
        let now = self.clock.now();
        self.entries(mark).any(|entry| {
            let until = entry[0].load(Ordering::Acquire);
            let words = mark.0.iter().zip(&entry[1..]);
            // All words are compared, however early one differs.
            let differs = words
                .fold(0, |differs, (word, cell)| differs | (word ^ cell.load(Ordering::Acquire)));
            until > now && differs == 0 && entry[0].load(Ordering::Acquire) == until
        })
    }

    /// Takes note that these were right, in the place of the entry that ends first.
    pub(super) fn remember(&self, mark: Mark, time: Duration) {
        let until = self.clock.after(time);
        let Some(entry) = self.entries(mark).min_by_key(|entry| entry[0].load(Ordering::Relaxed))
        else {
            return;
        };
        entry[0].store(0, Ordering::Release);
        for (word, cell) in mark.0.iter().zip(&entry[1..]) {
            cell.store(*word, Ordering::Release);
        }
        entry[0].store(until, Ordering::Release);
    }

    /// The places where a mark may be.
    fn entries(&self, mark: Mark) -> impl Iterator<Item = &[AtomicU64]> {
        let first = usize::try_from(mark.0[0] % (ENTRIES / WAYS) as u64).unwrap_or(0) * WAYS;
        let cells = &self.cells.cells()[first * WORDS..(first + WAYS) * WORDS];
        cells.chunks_exact(WORDS)
    }
}

/// Credentials that are kept at the same time: 160 KiB.
const ENTRIES: usize = 4096;

/// Places for each mark.
const WAYS: usize = 4;

/// The time and the mark.
const WORDS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(name: &str, password: &str) -> Credentials {
        Credentials { name: name.to_owned(), password: password.as_bytes().to_vec() }
    }

    fn hash(salt: &str) -> PasswordHash {
        let text = format!("$5${salt}${}", "a".repeat(43));
        PasswordHash::parse(&text).expect("a hash")
    }

    #[test]
    fn the_same_credentials_are_known_until_their_time_is_over() {
        let verified = Verified::new();
        let mark = verified.mark(&credentials("ada", "secret"), &hash("x"));
        assert!(!verified.knows(mark));
        verified.remember(mark, Duration::from_secs(60));
        assert!(verified.knows(mark));
        for (name, password, salt) in
            [("ada", "secre", "x"), ("ad", "asecret", "x"), ("ada", "secret", "y"), ("", "", "x")]
        {
            let other = verified.mark(&credentials(name, password), &hash(salt));
            assert!(other != mark && !verified.knows(other), "{name}:{password}");
        }
        let other = verified.mark(&credentials("eve", "secret"), &hash("x"));
        verified.remember(other, Duration::ZERO);
        assert!(!verified.knows(other));
        assert_ne!(Verified::new().mark(&credentials("ada", "secret"), &hash("x")), mark);
    }

    #[test]
    fn the_memory_is_bounded_and_holds_the_latest() {
        let verified = Verified::new();
        let marks: Vec<Mark> = (0..20_000)
            .map(|number| verified.mark(&credentials("u", &number.to_string()), &hash("x")))
            .collect();
        for (mark, milliseconds) in marks.iter().zip(60_000..) {
            verified.remember(*mark, Duration::from_millis(milliseconds));
            assert!(verified.knows(*mark));
        }
        let known = marks.iter().filter(|&&mark| verified.knows(mark)).count();
        assert!((ENTRIES / 2..=ENTRIES).contains(&known), "{known}");
    }
}
