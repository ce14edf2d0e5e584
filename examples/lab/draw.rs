//! Pictures of a run: lanes in SVG, a line of figures, a table.

use std::fmt::Write;

use crate::clients::{HUNG, Outcome};
use crate::run::{Seen, State, quantile};
use crate::sample::Sample;
use crate::strategy::Strategy;

/// The look of the pictures.
pub(crate) const STYLE: &str = include_str!("picture.css");

/// What the lanes of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lanes {
    /// A lane for each client.
    Client,
    /// A lane for each thread or process that served.
    Worker,
}

/// In pixels.
const LANE: usize = 22;
const BAR: usize = 14;
const LEFT: usize = 124;
const RIGHT: usize = 100;
const AXIS: usize = 20;

/// Where there is no `/proc` to ask.
const NOT_KNOWN: &str = "threads, processes and memory: on Linux alone";

/// So many colours there are; then they begin again.
const COLOURS: usize = 8;

/// A picture of a run in HTML, as wide as its place. `span` is its width in microseconds.
pub(crate) fn picture(strategy: &Strategy, state: &State, span: u64, lanes: Lanes) -> String {
    let (names, bars) = parts(strategy, state, span, lanes);
    let (class, what) = match lanes {
        Lanes::Client => ("by-client", "a lane for each client"),
        Lanes::Worker => ("by-worker", "a lane for each worker"),
    };
    let height = height(state, strategy, lanes);
    format!(
        "<div class='picture {class}' role='img' aria-label='{}: {what}'>\
         <svg class='lanes' width='{LEFT}' height='{height}'>{names}</svg>\
         <svg class='bars' width='100%' height='{height}'>{bars}</svg></div>",
        escape(&strategy.title()),
    )
}

/// The same as a part of an SVG of this width in pixels.
pub(crate) fn part_of_image(
    strategy: &Strategy,
    state: &State,
    span: u64,
    lanes: Lanes,
    width: usize,
) -> String {
    let (names, bars) = parts(strategy, state, span, lanes);
    let height = height(state, strategy, lanes);
    let width = width - LEFT - RIGHT;
    format!("{names}<svg class='bars' x='{LEFT}' width='{width}' height='{height}'>{bars}</svg>")
}

/// How high a picture is, in pixels.
pub(crate) fn height(state: &State, strategy: &Strategy, lanes: Lanes) -> usize {
    let lanes = match lanes {
        Lanes::Client => state.seen.len(),
        Lanes::Worker => workers(strategy, state).len() + 1,
    };
    lanes * LANE + AXIS
}

/// The names of the lanes, and the bars.
fn parts(strategy: &Strategy, state: &State, span: u64, lanes: Lanes) -> (String, String) {
    let workers = workers(strategy, state);
    let (names, content) = match lanes {
        Lanes::Client => by_client(&workers, state, span),
        Lanes::Worker => by_worker(&workers, state, span),
    };
    let mut labels = String::new();
    for (lane, name) in names.iter().enumerate() {
        let (x, y) = (LEFT - 6, lane * LANE + BAR);
        let _ = write!(labels, "<text class='lane' x='{x}' y='{y}'>{}</text>", escape(name));
    }
    let mut bars = String::new();
    axis(&mut bars, span, LANE * names.len());
    (labels, bars + &content)
}

/// The names of the lanes, and what is in them.
fn by_client(workers: &[String], state: &State, span: u64) -> (Vec<String>, String) {
    let mut content = String::new();
    let mut names = Vec::new();
    for (lane, seen) in state.seen.iter().enumerate() {
        names.push(format!("{} {}", lane + 1, shortened(&seen.step.what.to_string())));
        let place = Place { y: lane * LANE + 2, span };
        let end = time_of_end(seen, state);
        waiting(&mut content, place, seen, end);
        serving(&mut content, place, (seen, state), workers, true);
        let name = worker(workers, seen).map_or("", |index| &workers[index]);
        let text = match &seen.outcome {
            Some(Outcome::NoAnswer(why)) => format!("✗ {why}"),
            Some(Outcome::SaidNothing) => "said nothing".to_owned(),
            Some(Outcome::Left) => format!("left {name}"),
            _ if seen.note.is_empty() => name.to_owned(),
            _ => format!("{} {name}", seen.note),
        };
        if !text.is_empty() {
            place.text(&mut content, end.max(seen.ended.unwrap_or(0)), &text);
        }
    }
    (names, content)
}

fn by_worker(workers: &[String], state: &State, span: u64) -> (Vec<String>, String) {
    let mut content = String::new();
    let mut names = vec!["waiting".to_owned()];
    names.extend(workers.iter().cloned());
    for (lane, seen) in state.seen.iter().enumerate() {
        let end = time_of_end(seen, state);
        waiting(&mut content, Place { y: 2, span }, seen, end);
        let Some(index) = worker(workers, seen) else { continue };
        let place = Place { y: (index + 1) * LANE + 2, span };
        serving(&mut content, place, (seen, state), workers, false);
        if let Some(began) = seen.began {
            let lost = matches!(seen.outcome, Some(Outcome::NoAnswer(_)));
            let mark = if lost { "✗" } else { "" };
            place.text(&mut content, began, &format!("{}{mark}", lane + 1));
        }
    }
    (names, content)
}

/// What fits beside a lane; of a path the end tells more.
fn shortened(what: &str) -> String {
    let letters: Vec<char> = what.chars().collect();
    match letters.len() {
        0..=16 => what.to_owned(),
        count => letters[..5].iter().chain(&['…']).chain(&letters[count - 9..]).collect(),
    }
}

/// Where a client's bar ends now.
fn time_of_end(seen: &Seen, state: &State) -> u64 {
    seen.done.unwrap_or_else(|| state.last())
}

/// The time before the handler: dashed while nothing is asked, then grey.
fn waiting(content: &mut String, place: Place, seen: &Seen, end: u64) {
    let Some(sent) = seen.sent else { return };
    let silent = matches!(seen.step.what, crate::script::What::Silent(_));
    let asked = if silent { end } else { seen.asked.unwrap_or(end) };
    let started = seen.began.unwrap_or(end).max(asked);
    if silent || asked > sent {
        place.bar(
            content,
            "silent",
            sent,
            asked,
            if silent { "says nothing" } else { "not all of it" },
        );
    }
    if silent {
        return;
    }
    // What was never served is red from the start.
    let lost = seen.began.is_none() && matches!(seen.outcome, Some(Outcome::NoAnswer(_)));
    let (class, what) = if lost { ("lost", "no answer") } else { ("wait", "waits") };
    place.bar(content, class, asked, started, what);
}

/// The time of the handler: a colour for each worker.
fn serving(
    content: &mut String,
    place: Place,
    (seen, state): (&Seen, &State),
    workers: &[String],
    with_tail: bool,
) {
    let Some((began, ended)) = seen.began.zip(state.served_until(seen)) else { return };
    let end = time_of_end(seen, state);
    let index = index(workers, seen);
    let name = &workers[index];
    let lost = matches!(seen.outcome, Some(Outcome::NoAnswer(_)));
    if lost {
        place.bar(content, "lost", began, ended, &format!("{name} begins, no answer"));
        return;
    }
    place.bar(content, &format!("w w{}", index % COLOURS), began, ended, name);
    if with_tail && end > ended + 50_000 {
        place.bar(content, &format!("tail w{}", index % COLOURS), ended, end, "on its way");
    }
}

/// A place for bars: a lane, and the width of the picture in microseconds.
#[derive(Clone, Copy)]
struct Place {
    y: usize,
    span: u64,
}

impl Place {
    fn x(self, time: u64) -> f64 {
        100.0 * time as f64 / self.span.max(1) as f64
    }

    fn bar(self, content: &mut String, class: &str, from: u64, to: u64, what: &str) {
        let (x, width) = (self.x(from), self.x(to.saturating_sub(from)));
        // A moment is seen, too, but for one of waiting.
        let width = if ["wait", "silent"].contains(&class) { width } else { width.max(0.4) };
        let (y, took) = (self.y, time(to.saturating_sub(from)));
        let _ = write!(
            content,
            "<rect class='{class}' x='{x:.2}%' y='{y}' width='{width:.2}%' height='{BAR}'>\
             <title>{}: {took}</title></rect>",
            escape(what),
        );
    }

    fn text(self, content: &mut String, at: u64, text: &str) {
        let (x, y) = (self.x(at), self.y + BAR - 2);
        let _ =
            write!(content, "<text class='who' x='{x:.2}%' dx='5' y='{y}'>{}</text>", escape(text));
    }
}

/// The seconds, and lines for them.
fn axis(svg: &mut String, span: u64, height: usize) {
    let steps = [100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000];
    let step = steps.into_iter().find(|step| span / step <= 4).unwrap_or(30_000_000);
    let place = Place { y: height, span };
    let mut at = 0;
    while at <= span {
        let x = place.x(at);
        let seconds = at as f64 / 1e6;
        let _ = write!(
            svg,
            "<line x1='{x:.2}%' x2='{x:.2}%' y1='0' y2='{}'/>\
             <text class='time' x='{x:.2}%' y='{}'>{seconds} s</text>",
            height + 3,
            height + 15,
        );
        at += step;
    }
}

/// The names of those that have served, in the order of their beginnings.
fn workers(strategy: &Strategy, state: &State) -> Vec<String> {
    let mut served: Vec<_> = state.seen.iter().filter(|seen| seen.began.is_some()).collect();
    served.sort_by_key(|seen| seen.began);
    let mut workers: Vec<String> = Vec::new();
    for seen in served {
        let name = name(strategy.forks(), seen);
        if !workers.contains(&name) {
            workers.push(name);
        }
    }
    workers
}

/// What a worker is called: by its process where processes are told apart, or by its thread.
fn name(forks: bool, seen: &Seen) -> String {
    match &seen.worker {
        Some((pid, _)) if forks => format!("pid {pid}"),
        Some((_, thread)) => thread.clone(),
        None => "served".to_owned(),
    }
}

fn index(workers: &[String], seen: &Seen) -> usize {
    let names = [name(true, seen), name(false, seen)];
    workers.iter().position(|worker| names.contains(worker)).unwrap_or(0)
}

fn worker(workers: &[String], seen: &Seen) -> Option<usize> {
    seen.began.map(|_| index(workers, seen))
}

/// A line of figures in HTML.
pub(crate) fn figures(state: &State) -> String {
    if let Some(failure) = &state.failure {
        return format!("<strong class='failure'>{}</strong>", escape(failure));
    }
    let (answered, wanted) = state.answered();
    let waits = state.waits();
    let figure = |value: Option<u64>| value.map_or("-".to_owned(), time);
    let running = state.start.is_some() && state.end.is_none();
    let mut line = format!(
        "<span>answered <b>{answered} of {wanted}</b></span><i> · </i><span>waited p50 <b>{}</b>, \
         worst <b>{}</b></span>",
        figure(quantile(&waits, 0.5)),
        figure(waits.last().copied()),
    );
    let _ = write!(line, "<br>{}", sample_line(state, running));
    if running {
        let serves = state.seen.iter().filter(|seen| seen.began.is_some() && seen.done.is_none());
        let waits = state
            .seen
            .iter()
            .filter(|seen| seen.asked.is_some() && seen.began.is_none() && seen.done.is_none());
        let _ = write!(
            line,
            "<i> · </i><span>now {} served, {} wait</span>",
            serves.count(),
            waits.count()
        );
    }
    line
}

/// What the server has now, or the most that it had.
fn sample_line(state: &State, running: bool) -> String {
    let sample = if running { state.now } else { state.most };
    let Some(Sample { threads, processes, kib }) = sample else {
        let line = match (state.start, state.most) {
            (None, _) => "- threads · - processes · - MiB",
            (_, Some(_)) => "the server is gone",
            (_, None) => NOT_KNOWN,
        };
        return format!("<span>{line}</span>");
    };
    // What lives for less than a look is not seen.
    let most = if running { "" } else { "at most " };
    format!(
        "{most}<b>{threads}</b> {} · <b>{processes}</b> {} · <b>{:.1}</b> MiB",
        if threads == 1 { "thread" } else { "threads" },
        if processes == 1 { "process" } else { "processes" },
        kib as f64 / 1024.0,
    )
}

/// The same as the picture, in words.
pub(crate) fn table(strategy: &Strategy, state: &State) -> String {
    let mut table = format!(
        "<table><caption>{}</caption><thead><tr><th scope='col'>Client<th scope='col'>Asks\
         <th scope='col'>Waited<th scope='col'>Served by<th scope='col'>Took\
         <th scope='col'>Outcome</tr></thead><tbody>",
        escape(&strategy.title()),
    );
    for (lane, seen) in state.seen.iter().enumerate() {
        let served_by = match &seen.worker {
            Some((pid, thread)) => format!("pid {pid}, {thread}"),
            None => "-".to_owned(),
        };
        let took = seen.began.zip(seen.ended).map(|(began, ended)| ended - began);
        let figure = |value: Option<u64>| value.map_or("-".to_owned(), time);
        let _ = write!(
            table,
            "<tr><th scope='row'>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            lane + 1,
            escape(&seen.step.to_string()),
            figure(seen.waited()),
            escape(&served_by),
            figure(took),
            escape(&outcome(seen)),
        );
    }
    table + "</tbody></table>"
}

/// How a client fared, in words.
pub(crate) fn outcome(seen: &Seen) -> String {
    match &seen.outcome {
        None if seen.sent.is_none() => "not there yet".to_owned(),
        None if seen.began.is_some() => "is served".to_owned(),
        None => "waits".to_owned(),
        Some(Outcome::Answered(_)) if seen.note.is_empty() => "answered".to_owned(),
        Some(Outcome::Answered(_)) => format!("answered: {}", seen.note),
        Some(Outcome::SaidNothing) => "said nothing".to_owned(),
        Some(Outcome::Left) => "left before the answer".to_owned(),
        Some(Outcome::NoAnswer(why)) if *why == HUNG => "no answer, gave up".to_owned(),
        Some(Outcome::NoAnswer(why)) => format!("no answer: {why}"),
    }
}

/// Microseconds for readers.
pub(crate) fn time(microseconds: u64) -> String {
    match microseconds {
        0..=9_999_999 => format!("{} ms", microseconds / 1000),
        _ => format!("{:.1} s", microseconds as f64 / 1e6),
    }
}

/// Text in HTML and in its attributes.
pub(crate) fn escape(text: &str) -> String {
    // What is a control character in text is no XML.
    let text = text.replace(|char: char| char.is_control() && char != '\n', "\u{fffd}");
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}
