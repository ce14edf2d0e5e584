//! How a client takes what is written to it.

use std::num::NonZero;
use std::time::{Duration, Instant};

use super::pace::Pace;

/// What is known of a client that keeps writers waiting, for all of them together.
#[derive(Debug, Default)]
pub(super) struct Uptake {
    /// How it keeps up with the least rate, where there is one.
    pace: Option<Pace>,
    /// Bytes that the kernel had been given when it was looked at last.
    sent: u64,
    /// What the kernel said then that it still held: bytes, or the memory that they occupy.
    held: u64,
    /// How many bytes that was, at most.
    untaken: u64,
    /// The time for which it was waited for since it was seen to take anything.
    idle: Duration,
    /// Waiting until this time is noted already.
    noted: Option<Instant>,
    /// The client was given up, and no wait has begun since.
    given_up: bool,
    /// It was given up for taking nothing, and not for taking too little.
    took_nothing: bool,
}

impl Uptake {
    /// Has the client take so many bytes for each second of waiting.
    pub(super) fn expect(&mut self, least: Option<NonZero<u64>>) {
        self.pace = least.map(Pace::of_at_least);
    }

    /// The kernel has been given so many bytes in all, and holds this much for the client still.
    ///
    /// A TCP socket tells bytes. A Unix socket tells the memory that they occupy, which is more: a
    /// single byte occupies hundreds. So all bytes that were sent count as held until the memory
    /// becomes less, and then the same share of the bytes counts as taken. In this way each byte
    /// counts as taken once, and not before memory for as much is free.
    pub(super) fn note_held(&mut self, sent: u64, held: u64) {
        let kept =
            if held < self.held { share(self.untaken, held, self.held) } else { self.untaken };
        let given = sent.saturating_sub(self.sent);
        let untaken = kept.saturating_add(given).min(held);
        let taken = self.untaken.saturating_add(given).saturating_sub(untaken);
        if taken > 0 || held < self.held {
            self.idle = Duration::ZERO;
        }
        if let Some(pace) = &mut self.pace {
            pace.note_bytes(taken);
        }
        (self.sent, self.held, self.untaken) = (self.sent.max(sent), held, untaken);
    }

    /// The client was waited for; what several threads wait at the same time counts once.
    pub(super) fn note_wait(&mut self, began: Instant, ended: Instant) {
        let since = self.noted.map_or(began, |noted| noted.max(began));
        let time = ended.saturating_duration_since(since);
        self.noted = self.noted.max(Some(ended));
        self.idle = self.idle.saturating_add(time);
        if let Some(pace) = &mut self.pace {
            pace.note_wait(time);
        }
    }

    /// The kernel has room again, so that the client has taken something.
    pub(super) fn note_room(&mut self) {
        self.idle = Duration::ZERO;
    }

    /// How long the client may be waited for still, where it may take nothing for so long.
    pub(super) fn left(&self, limit: Duration) -> Duration {
        let left = limit.saturating_sub(self.idle);
        self.pace.as_ref().map_or(left, |pace| pace.left(limit).min(left))
    }

    /// A writer begins to wait. If the client was given up before, the handler tries again, and the
    /// limit begins anew. Writers that were waiting then give the client up as well.
    pub(super) fn begin_wait(&mut self) {
        if std::mem::take(&mut self.given_up) {
            self.idle = Duration::ZERO;
            if let Some(pace) = &mut self.pace {
                pace.forgive();
            }
        }
    }

    /// The client was waited for until this limit was over. When it took something last is known
    /// within the time between two looks.
    pub(super) fn give_up(&mut self, limit: Duration, look: Duration) {
        self.given_up = true;
        self.took_nothing = self.idle.saturating_add(look) >= limit;
    }

    /// Why the client was given up last.
    pub(super) fn shortcoming(&self, limit: Duration) -> String {
        match &self.pace {
            Some(pace) if !self.took_nothing => {
                let least = pace.least();
                format!("took less than {least} bytes a second, and was late by {limit:?}")
            }
            _ => format!("took nothing for {limit:?}"),
        }
    }
}

/// As much of `count` as `part` is of `whole`, which is more.
fn share(count: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(count) * u128::from(part) / u128::from(whole);
    u64::try_from(share).unwrap_or(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const LOOK: Duration = Duration::from_millis(500);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_client_is_given_up_for_taking_nothing_or_too_little() {
        let (mut uptake, mut now) = (Uptake::default(), Instant::now());
        uptake.expect(NonZero::new(500));
        let mut wait = |uptake: &mut Uptake, time| {
            uptake.note_wait(now, now + time);
            now += time;
        };
        wait(&mut uptake, seconds(30));
        assert_eq!(uptake.left(LIMIT), Duration::ZERO);
        uptake.give_up(LIMIT, LOOK);
        assert_eq!(uptake.shortcoming(LIMIT), "took nothing for 30s");
        assert_eq!(uptake.left(LIMIT), Duration::ZERO);
        // A second try begins anew.
        uptake.begin_wait();
        assert_eq!(uptake.left(LIMIT), LIMIT);
        wait(&mut uptake, seconds(29));
        uptake.note_held(1_000, 0);
        assert_eq!(uptake.left(LIMIT), seconds(3));
        wait(&mut uptake, seconds(3));
        uptake.give_up(LIMIT, LOOK);
        let told = "took less than 500 bytes a second, and was late by 30s";
        assert_eq!(uptake.shortcoming(LIMIT), told);
    }

    #[test]
    fn without_a_least_rate_any_byte_renews_the_limit() {
        let (mut uptake, now) = (Uptake::default(), Instant::now());
        uptake.note_wait(now, now + seconds(29));
        assert_eq!(uptake.left(LIMIT), seconds(1));
        uptake.note_held(1, 0);
        assert_eq!(uptake.left(LIMIT), LIMIT);
    }

    #[test]
    fn what_several_threads_wait_at_the_same_time_counts_once() {
        let (mut uptake, now) = (Uptake::default(), Instant::now());
        uptake.note_wait(now, now + seconds(10));
        uptake.note_wait(now + seconds(5), now + seconds(12));
        uptake.note_wait(now + seconds(1), now + seconds(9));
        assert_eq!(uptake.left(LIMIT), seconds(18));
    }

    /// What 1 byte occupies that was written alone on a Unix socket.
    const STORAGE: u64 = 768;

    /// Has a client read so many bytes a second of a Unix socket that is full of single bytes each
    /// time that a write waits, for ten minutes at most; returns for how long it was served.
    fn read_single_bytes(per_second: u64) -> Duration {
        let (mut uptake, mut now) = (Uptake::default(), Instant::now());
        uptake.expect(NonZero::new(500));
        let (room, began) = (276, now);
        let (mut sent, mut held, mut read) = (room, room, 0);
        while now - began < seconds(600) {
            // Writers are woken when three quarters are free.
            while held > room / 4 {
                uptake.note_held(sent, held * STORAGE);
                let time = Duration::from_millis(100).min(uptake.left(LIMIT));
                if time.is_zero() {
                    return now - began;
                }
                uptake.note_wait(now, now + time);
                now += time;
                let ever =
                    u64::try_from((now - began).as_millis()).expect("minutes") * per_second / 1_000;
                held = held.saturating_sub(ever - read);
                read = ever;
            }
            uptake.note_held(sent, held * STORAGE);
            uptake.note_room();
            sent += room - held;
            held = room;
        }
        now - began
    }

    #[test]
    fn the_storage_of_bytes_is_not_what_a_client_takes() {
        for rate in [600, 1_000] {
            assert!(read_single_bytes(rate) >= seconds(600), "{rate} bytes a second are enough");
        }
        for (rate, long) in [(1, 40), (100, 60), (250, 90)] {
            let served = read_single_bytes(rate);
            assert!(served < seconds(long), "{rate} bytes a second for {served:?}");
        }
    }

    /// The sum of what counts is what was sent, whatever the kernel says.
    #[test]
    fn each_byte_counts_once() {
        let (mut uptake, now) = (Uptake::default(), Instant::now());
        uptake.expect(NonZero::new(500));
        uptake.note_held(300, 200_000);
        assert_eq!((uptake.sent, uptake.untaken), (300, 300));
        uptake.note_wait(now, now + seconds(20));
        uptake.note_held(300, 200_000);
        assert_eq!((uptake.left(LIMIT), uptake.untaken), (seconds(10), 300));
        // A third of the storage is free, and with it a third of the bytes.
        uptake.note_held(300, 133_334);
        assert_eq!(uptake.untaken, 200);
        assert_eq!(uptake.left(LIMIT), Duration::from_millis(10_200));
        // The kernel alone has taken these.
        uptake.note_held(1_300, 201_000);
        assert_eq!(uptake.untaken, 1_200);
        assert_eq!(uptake.left(LIMIT), Duration::from_millis(10_200));
        // Storage that is smaller than what was thought to be in it.
        uptake.note_held(1_300, 700);
        uptake.note_held(1_300, 0);
        assert_eq!(uptake.left(LIMIT), Duration::from_millis(12_600));
    }

    /// A TCP socket tells bytes.
    #[test]
    fn bytes_that_the_kernel_holds_are_not_taken() {
        let (mut uptake, now) = (Uptake::default(), Instant::now());
        uptake.expect(NonZero::new(500));
        uptake.note_held(100_000, 60_000);
        uptake.note_wait(now, now + seconds(20));
        uptake.note_held(110_000, 70_000);
        assert_eq!(uptake.left(LIMIT), seconds(10));
        uptake.note_held(111_000, 70_000);
        assert_eq!(uptake.left(LIMIT), seconds(12));
        uptake.note_held(111_000, 69_500);
        assert_eq!((uptake.left(LIMIT), uptake.untaken), (seconds(13), 69_500));
    }
}
