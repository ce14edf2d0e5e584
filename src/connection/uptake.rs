//! How a client takes what is written to it.

use std::time::{Duration, Instant};

use super::pace::Pace;

/// What is known of a client that keeps writers waiting, for all of them together.
#[derive(Debug, Default)]
pub(super) struct Uptake {
    /// How it keeps up with the least rate, where there is one.
    pace: Option<Pace>,
    /// Bytes that it had taken when it was looked at last.
    seen: i64,
    /// The most that it was seen to have taken. A Unix socket counts storage and not bytes, so that
    /// small writes seem to take bytes back.
    taken: i64,
    /// The time for which it was waited for since it was seen to take anything.
    idle: Duration,
    /// What was waited for until then is noted.
    noted: Option<Instant>,
    /// The client was given up, and no wait has begun since.
    given_up: bool,
    /// It had taken nothing then, and not just too little.
    took_nothing: bool,
}

impl Uptake {
    /// Has the client take so many bytes for each second of waiting.
    pub(super) fn expect(&mut self, least: Option<u64>) {
        self.pace = Pace::of_at_least(least);
    }

    /// The client has taken so many bytes in all.
    pub(super) fn note_taken(&mut self, taken: i64) {
        if taken > self.seen {
            self.idle = Duration::ZERO;
        }
        self.seen = taken;
        if let (Some(pace), Ok(more)) = (&mut self.pace, u64::try_from(taken - self.taken)) {
            pace.note_bytes(more);
        }
        self.taken = self.taken.max(taken);
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

    /// The kernel has room again, which it has from something that the client took.
    pub(super) fn note_room(&mut self) {
        self.idle = Duration::ZERO;
    }

    /// How long the client may be waited for still, where it may take nothing for so long.
    pub(super) fn left(&self, limit: Duration) -> Duration {
        let left = limit.saturating_sub(self.idle);
        self.pace.as_ref().map_or(left, |pace| pace.left(limit).min(left))
    }

    /// A writer begins to wait. Where the handler tries again although the client was given up, it
    /// is waited for anew. Other writers, that wait already, give it up as well.
    pub(super) fn begin_wait(&mut self) {
        if std::mem::take(&mut self.given_up) {
            self.idle = Duration::ZERO;
            if let Some(pace) = &mut self.pace {
                pace.forgive();
            }
        }
    }

    /// The client was waited for until this limit was over. When it took something is known as well
    /// as it was looked at.
    pub(super) fn give_up(&mut self, limit: Duration, look: Duration) {
        self.given_up = true;
        self.took_nothing = self.idle.saturating_add(look) >= limit;
    }

    /// What the client did that was given up last.
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
        uptake.expect(Some(500));
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
        uptake.note_taken(1_000);
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
        uptake.note_taken(1);
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

    /// The storage of small writes on a Unix socket is larger than they are.
    #[test]
    fn bytes_that_seem_to_be_taken_back_count_once() {
        let (mut uptake, now) = (Uptake::default(), Instant::now());
        uptake.expect(Some(500));
        uptake.note_taken(5_000);
        uptake.note_taken(-100_000);
        uptake.note_wait(now, now + seconds(20));
        uptake.note_taken(4_000);
        assert_eq!(uptake.left(LIMIT), seconds(10));
        uptake.note_taken(6_000);
        assert_eq!(uptake.left(LIMIT), seconds(12));
    }
}
