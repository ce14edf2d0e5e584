//! `lab compare`: a table of what clients get under each strategy.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::Failure;
use crate::clients::{HUNG, Outcome};
use crate::draw::time;
use crate::run::{Run, State, quantile};
use crate::script::{At, Script, Step};
use crate::strategy::{COMPARED, Strategy};

/// Runs a script among steady clients under each strategy, and prints a table.
///
/// The clients come at a constant rate, whether others have been answered or not, and wait from the
/// moment at which they should have come. This is no benchmark: see benches/ for how fast the crate
/// is.
#[derive(Args)]
pub(crate) struct Compare {
    /// A script's name (slow, flood, preconnect, slowloris, reader, panic, crash, state, spin), or
    /// clients AT:WHAT; without one there are the steady clients alone.
    script: Vec<String>,
    /// The strategies, with commas.
    #[arg(long, value_name = "LIST", default_value = COMPARED)]
    strategies: String,
    /// Steady clients in a second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=2000))]
    rate: u64,
    /// For how long steady clients come.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// What steady clients ask.
    #[arg(long, value_name = "WHAT", default_value = "sleep=5")]
    each: String,
    /// Prints values with commas; times are in milliseconds.
    #[arg(long)]
    csv: bool,
}

/// The clients of a comparison.
const MOST: u64 = 10_000;

/// How long a client waits at most, in seconds, beyond what the script takes.
const PATIENCE: u64 = 5;

const COLUMNS: [&str; 10] =
    ["strategy", "answered", "clients", "p50", "p95", "p99", "hung", "threads", "processes", "KiB"];

/// What one strategy has come to.
struct Row {
    title: String,
    answered: usize,
    clients: usize,
    waits: [Option<u64>; 3],
    hung: usize,
    most: Option<crate::sample::Sample>,
}

impl Compare {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if self.rate * self.seconds > MOST {
            let clients = self.rate * self.seconds;
            return Err(Failure(format!("{clients} clients are too many, {MOST} at most")));
        }
        let each: Step = format!("0:{}", self.each).parse()?;
        let (mut script, title) = if self.script.is_empty() {
            (Script { title: String::new(), steps: Vec::new(), slower: 1 }, "no others".to_owned())
        } else {
            let script = Script::parse(&self.script.join(" "))?;
            let title = script.title.clone();
            (script, title)
        };
        let limit = Duration::from_millis(1000 * PATIENCE + script.longest());
        script.steps.extend((0..self.rate * self.seconds).map(|number| Step {
            at: At::Time(number * 1000 / self.rate),
            what: each.what.clone(),
        }));
        let strategies = Strategy::list(&self.strategies)?;
        let mut rows = Vec::new();
        for strategy in strategies {
            let run = Arc::new(Run::new(strategy, &script));
            watch(&run, limit);
            let state = run.state();
            if let Some(failure) = state.failure {
                return Err(Failure(failure));
            }
            rows.push(Row::new(&run.strategy, &state));
        }
        let text = if self.csv {
            csv(&rows)
        } else {
            let head = format!(
                "{} clients a second for {} s, each {}, and the script: {title}\n\n",
                self.rate, self.seconds, self.each,
            );
            let known = rows.iter().all(|row| row.most.is_some());
            head + &table(&rows) + NOTE + if known { "" } else { ABSENT }
        };
        Ok(io::stdout().write_all(text.as_bytes())?)
    }
}

const NOTE: &str = "
Waited: from when a client should have come until its handler began. Hung: gave up waiting. Threads,
processes and memory: the most at a time, seen ten times a second.
One run on this machine, clients and servers on the same processors: no benchmark. See benches/.
";

const ABSENT: &str = "Threads, processes and memory are known on Linux alone.\n";

/// Plays a run, and tells on a terminal how far it is.
fn watch(run: &Arc<Run>, limit: Duration) {
    let is_seen = io::stderr().is_terminal();
    thread::scope(|scope| {
        let playing = thread::Builder::new().spawn_scoped(scope, || run.play(limit));
        let Ok(playing) = playing.inspect_err(|error| run.fail(Failure::of_start(error))) else {
            return;
        };
        while is_seen && !playing.is_finished() {
            let state = run.state();
            let done = state.seen.iter().filter(|seen| seen.done.is_some()).count();
            let (title, passed) = (run.strategy.title(), state.last() / 100_000);
            let seconds = passed as f64 / 10.0;
            let _ = write!(
                io::stderr(),
                "\r\x1b[K{title}: {seconds:.1} s, {done} of {} clients done",
                state.seen.len(),
            );
            thread::sleep(Duration::from_millis(100));
        }
    });
    if is_seen {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

impl Row {
    fn new(strategy: &Strategy, state: &State) -> Self {
        let (answered, clients) = state.answered();
        let waits = state.waits();
        let hung = |outcome: &Option<Outcome>| *outcome == Some(Outcome::NoAnswer(HUNG));
        Self {
            title: strategy.title(),
            answered,
            clients,
            waits: [0.5, 0.95, 0.99].map(|part| quantile(&waits, part)),
            hung: state.seen.iter().filter(|seen| hung(&seen.outcome)).count(),
            most: state.most,
        }
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<28}{:>10}{:>10}{:>10}{:>10}{:>6}{:>9}{:>11}{:>8}\n",
        "", "answered", "p50", "p95", "p99", "hung", "threads", "processes", "KiB",
    );
    for row in rows {
        let [p50, p95, p99] = row.waits.map(|wait| wait.map_or("-".to_owned(), time));
        let [threads, processes, kib] = row.figures();
        let answered = format!("{}/{}", row.answered, row.clients);
        let _ = writeln!(
            text,
            "{:<28}{answered:>10}{p50:>10}{p95:>10}{p99:>10}{:>6}{threads:>9}{processes:>11}{kib:>8}",
            row.title, row.hung,
        );
    }
    text
}

fn csv(rows: &[Row]) -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for row in rows {
        let milliseconds = |wait: Option<u64>| {
            wait.map_or(String::new(), |wait| format!("{:.1}", wait as f64 / 1000.0))
        };
        let [p50, p95, p99] = row.waits.map(milliseconds);
        let [threads, processes, kib] = row.figures();
        let _ = writeln!(
            text,
            "\"{}\",{},{},{p50},{p95},{p99},{},{threads},{processes},{kib}",
            row.title.replace('"', "\"\""),
            row.answered,
            row.clients,
            row.hung,
        );
    }
    text
}

impl Row {
    /// Threads, processes and memory, where the system tells them.
    fn figures(&self) -> [String; 3] {
        self.most.map_or(["-", "-", "-"].map(str::to_owned), |most| {
            [most.threads.to_string(), most.processes.to_string(), most.kib.to_string()]
        })
    }
}
