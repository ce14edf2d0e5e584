//! What is counted for each request: atomics, one look at the clock, no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::http::message::status::Status;
use crate::sys::SharedCounters;

/// The numbers of all requests so far, in memory that child processes share.
///
/// First the requests, by method and code; then how many took how long; then the totals.
#[derive(Debug)]
pub(super) struct Counters {
    cells: SharedCounters,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self { cells: SharedCounters::new(TOTALS + 2) }
    }

    /// Counts a request that has ended.
    pub(super) fn count(&self, method: &str, code: Option<Status>, bytes: u64, took: Duration) {
        let method = METHODS.iter().position(|&known| known == method).unwrap_or(OTHER);
        self.add(method * CODES + code_index(code), 1);
        let bucket = BOUNDS.iter().position(|&bound| took <= Duration::from_micros(bound));
        self.add(DURATIONS + bucket.unwrap_or(BOUNDS.len()), 1);
        self.add(TOTALS, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.add(TOTALS + 1, bytes);
    }

    /// How many requests there were, by method and code, where there were any.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'static str, String, u64)> {
        let cells = METHODS.iter().enumerate().flat_map(|(index, &method)| {
            (0..CODES).map(move |code| (method, code, index * CODES + code))
        });
        cells.filter_map(|(method, code, cell)| {
            let count = self.read(cell);
            (count > 0).then(|| (method, code_label(code), count))
        })
    }

    /// How many took how long: a bound in microseconds each, and how many took no longer; no bound
    /// for all of them.
    pub(super) fn durations(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = BOUNDS.iter().copied().map(Some).chain([None]);
        bounds.enumerate().scan(0, |sum, (index, bound)| {
            *sum += self.read(DURATIONS + index);
            Some((bound, *sum))
        })
    }

    /// How long all took together.
    pub(super) fn duration(&self) -> Duration {
        Duration::from_nanos(self.read(TOTALS))
    }

    /// How many bytes went out in bodies.
    pub(super) fn bytes(&self) -> u64 {
        self.read(TOTALS + 1)
    }

    fn add(&self, cell: usize, count: u64) {
        self.cells.cells()[cell].fetch_add(count, Ordering::Relaxed);
    }

    fn read(&self, cell: usize) -> u64 {
        AtomicU64::load(&self.cells.cells()[cell], Ordering::Relaxed)
    }
}

fn code_index(code: Option<Status>) -> usize {
    match code.map(|code| usize::from(code.code())) {
        None => CODES - 1,
        Some(code @ 100..600) => code - 100,
        Some(_) => CODES - 2,
    }
}

fn code_label(index: usize) -> String {
    match CODES - index {
        1 => "none".to_owned(),
        2 => "other".to_owned(),
        _ => (index + 100).to_string(),
    }
}

/// Those that have a `do_` of their own. What else clients make up must not fill the memory.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
const OTHER: usize = METHODS.len() - 1;

/// 100 to 599, any other, and no response.
const CODES: usize = 502;

/// Upper bounds of the histogram in microseconds: Prometheus' usual ones from 5 ms on, and some for
/// answers that come from memory.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

const DURATIONS: usize = METHODS.len() * CODES;
const TOTALS: usize = DURATIONS + BOUNDS.len() + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_counted_once_in_each_place() {
        let counters = Counters::new();
        let millis = Duration::from_millis;
        counters.count("GET", Some(Status::OK), 5, millis(1));
        counters.count("GET", Some(Status::OK), 5, millis(2));
        counters.count("other", Status::try_from(999).ok(), 0, millis(20_000));
        counters.count("BREW", None, 0, Duration::ZERO);
        let requests: Vec<_> = counters.requests().collect();
        let expected = [
            ("GET", "200".to_owned(), 2),
            ("other", "other".to_owned(), 1),
            ("other", "none".to_owned(), 1),
        ];
        assert_eq!(requests, expected);
        let durations: Vec<_> = counters.durations().collect();
        assert_eq!(durations[..3], [(Some(500), 1), (Some(1_000), 2), (Some(2_500), 3)]);
        assert_eq!(durations[13..], [(Some(10_000_000), 3), (None, 4)]);
        assert_eq!((counters.bytes(), counters.duration()), (10, millis(20_003)));
    }
}
