//! `lab record`: runs as a page, a picture, or events.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use clap::Args;
use serde_json::{Value, json};

use crate::Failure;
use crate::clients::Outcome;
use crate::draw::{Lanes, outcome};
use crate::page::{image, page};
use crate::run::{Run, State, patience};
use crate::script::Script;
use crate::strategy::{CHOSEN, Strategy};

/// Runs a script under each strategy and writes what happened.
#[derive(Args)]
pub(crate) struct Record {
    /// The file to write: a page (.html) or a picture (.svg).
    out: PathBuf,
    /// A script's name (slow, flood, preconnect, slowloris, reader, panic, crash, state, spin), or
    /// clients AT:WHAT.
    #[arg(required = true)]
    script: Vec<String>,
    /// The strategies, with commas.
    #[arg(long, value_name = "LIST", default_value = CHOSEN)]
    strategies: String,
    /// All times so many times as long.
    #[arg(long, value_name = "TIMES", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=10))]
    slower: u64,
    /// What the lanes of a picture are; a page has both.
    #[arg(long, value_enum, default_value_t = Lanes::Client)]
    lanes: Lanes,
    /// Writes the events as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the events for Chrome's tracing and Perfetto, too.
    #[arg(long, value_name = "FILE")]
    chrome: Option<PathBuf>,
}

impl Record {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let script = Script::parse(&self.script.join(" "))?.slowed(self.slower);
        let strategies = Strategy::list(&self.strategies)?;
        let extension = self.out.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("html" | "svg")) {
            let name = self.out.display();
            return Err(Failure(format!("{name}: a page is .html, a picture .svg")));
        }
        for path in
            [Some(&self.out), self.json.as_ref(), self.chrome.as_ref()].into_iter().flatten()
        {
            if path.is_dir() {
                return Err(Failure(format!("{} is a directory", path.display())));
            }
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
                return Err(Failure(format!("there is no directory {}", directory.display())));
            }
        }
        let runs = play_all(strategies, &script);
        let runs: Vec<_> = runs.iter().map(AsRef::as_ref).collect();
        if let Some(failure) = runs.iter().find_map(|run| run.state().failure) {
            return Err(Failure(failure));
        }
        let title = script.headline();
        let text = match extension {
            Some("svg") => image(&title, &runs, self.lanes),
            _ => page(&title, &script.words(), &runs),
        };
        write(&self.out, &text)?;
        if let Some(path) = &self.json {
            write(path, &events(&script, &runs).to_string())?;
        }
        if let Some(path) = &self.chrome {
            write(path, &trace(&runs).to_string())?;
        }
        Ok(())
    }
}

/// Plays a script against all servers: at once, unless its clients compete for processors.
fn play_all(strategies: Vec<Strategy>, script: &Script) -> Vec<Arc<Run>> {
    let runs: Vec<_> =
        strategies.into_iter().map(|strategy| Arc::new(Run::new(strategy, script))).collect();
    play(&runs, script);
    runs
}

/// As [`play_all`], with runs that may be looked at meanwhile.
pub(crate) fn play(runs: &[Arc<Run>], script: &Script) {
    let limit = patience(script);
    thread::scope(|scope| {
        for run in runs {
            if script.computes() {
                run.play(limit);
            } else {
                let playing = thread::Builder::new().spawn_scoped(scope, move || run.play(limit));
                if let Err(error) = playing {
                    run.fail(Failure::of_start(&error));
                }
            }
        }
    });
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure(format!("{}: {error}", path.display())))
}

/// All that was seen. Times are in microseconds after the start of a run.
fn events(script: &Script, runs: &[&Run]) -> Value {
    let runs = runs.iter().map(|run| {
        let state = run.state();
        let clients = state.seen.iter().map(|seen| {
            let (pid, thread) = seen.worker.clone().unzip();
            json!({
                "step": seen.step.to_string(), "sent": seen.sent, "asked": seen.asked,
                "began": seen.began, "ended": seen.ended, "done": seen.done,
                "pid": pid, "thread": thread, "note": seen.note,
                "answered": matches!(seen.outcome, Some(Outcome::Answered(_))),
                "outcome": outcome(seen),
            })
        });
        let clients: Vec<_> = clients.collect();
        let most = state.most.map(
            |most| json!({"threads": most.threads, "processes": most.processes, "kib": most.kib}),
        );
        json!({"strategy": run.strategy.to_string(), "most": most, "clients": clients})
    });
    json!({"script": script.words(), "runs": runs.collect::<Vec<_>>()})
}

/// Trace events: a complete event for each handler, an asynchronous one for each wait.
fn trace(runs: &[&Run]) -> Value {
    let mut events = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        trace_run(&mut events, number + 1, run, &run.state());
    }
    json!({"traceEvents": events, "displayTimeUnit": "ms"})
}

fn trace_run(events: &mut Vec<Value>, number: usize, run: &Run, state: &State) {
    let title = run.strategy.title();
    events.push(json!({
        "ph": "M", "name": "process_name", "pid": number, "args": {"name": title},
    }));
    let mut workers: Vec<(u32, String)> = Vec::new();
    for (lane, seen) in state.seen.iter().enumerate() {
        let what = seen.step.what.to_string();
        let end = seen.done.unwrap_or_else(|| state.last());
        if let Some(sent) = seen.sent {
            let id = format!("{number}.{lane}");
            let wait = |phase: &str, at: u64| {
                json!({
                    "ph": phase, "cat": "wait", "name": format!("{what} waits"), "id": id,
                    "pid": number, "tid": 0, "ts": at,
                })
            };
            events.extend([wait("b", sent), wait("e", seen.began.unwrap_or(end))]);
        }
        let served = seen.began.zip(state.served_until(seen)).zip(seen.worker.clone());
        let Some(((began, ended), worker)) = served else { continue };
        let known = workers.iter().position(|known| *known == worker);
        let index = known.unwrap_or_else(|| {
            let (pid, thread) = &worker;
            events.push(json!({
                "ph": "M", "name": "thread_name", "pid": number, "tid": workers.len() + 1,
                "args": {"name": format!("pid {pid}, {thread}")},
            }));
            workers.push(worker);
            workers.len() - 1
        });
        events.push(json!({
            "ph": "X", "cat": "handler", "name": what, "pid": number, "tid": index + 1,
            "ts": began, "dur": ended.saturating_sub(began),
            "args": {"client": lane + 1, "outcome": outcome(seen)},
        }));
    }
}
