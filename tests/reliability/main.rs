//! What becomes of a server that runs out of something, is killed or is asked to stop: cases with
//! figures.
//!
//! Run: `cargo test --release --test reliability -- --full`, with the names of cases or without.
//! The figures in `docs/RELIABILITY.md` come from there. Without `--full`, as in `cargo test`,
//! there is a fiftieth of everything. Each case starts this program again as the server that it
//! needs.
//!
//! It has a runner of its own, as cases come at two scales, print figures, and measure a machine
//! that nothing else should keep busy: one runs after the other. `--list` and parts of names mean
//! what they mean to other tests.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should panic, and say where"
)]

mod client;
mod ends;
mod hostile;
mod log;
mod process;
mod resources;
mod server;
mod volume;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

/// How much of everything there is.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) is_full: bool,
}

impl Scale {
    /// So many in a full run, a fiftieth otherwise.
    fn of(self, count: usize) -> usize {
        if self.is_full { count } else { count.div_ceil(50) }
    }
}

type Case = (&'static str, fn(Scale));

const CASES: &[Case] = &[
    ("descriptors", resources::descriptors),
    ("threads", resources::threads),
    ("forks", resources::forks),
    ("heads_in_memory", resources::heads_in_memory),
    ("memory", resources::memory),
    ("dropped", hostile::dropped),
    ("slow", hostile::slow),
    ("slow_with_few_threads", hostile::slow_with_few_threads),
    ("requests", volume::requests),
    ("forked_requests", volume::forked_requests),
    ("overload", volume::overload),
    ("killed", ends::killed),
    ("drain", ends::drain),
    ("hangup", ends::hangup),
    ("log", log::log),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, kind] = &arguments[..]
        && flag == "--serve"
    {
        server::serve(kind);
        return ExitCode::SUCCESS;
    }
    let has_flag = |flag: &str| arguments.iter().any(|one| one == flag);
    let scale = Scale { is_full: has_flag("--full") };
    let filters: Vec<&String> = arguments.iter().filter(|one| !one.starts_with('-')).collect();
    let is_meant = |name: &str, filter: &str| match has_flag("--exact") {
        true => name == filter,
        false => name.contains(filter),
    };
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| is_meant(name, filter));
    let mut failed = 0;
    for (name, case) in CASES.iter().filter(|(name, _)| is_wanted(name)) {
        if has_flag("--list") {
            println!("{name}: test");
            continue;
        }
        let began = Instant::now();
        let succeeded = catch_unwind(|| case(scale)).is_ok();
        let word = if succeeded { "ok" } else { "FAILED" };
        println!("{name} ... {word} ({:.1} s)", began.elapsed().as_secs_f64());
        failed += u8::from(!succeeded);
    }
    ExitCode::from(failed)
}
