//! Runs as a page that needs nothing else, and as one picture.

use std::fmt::Write;

use crate::draw::{Lanes, STYLE, escape, figures, height, part_of_image, picture, table};
use crate::run::{Run, State};
use crate::strategy::Strategy;

const PAGE_STYLE: &str = include_str!("page.css");

/// Explains the colours.
pub(crate) const LEGEND: &str = "<p class='legend'>\
    <span><svg width='26' height='12' aria-hidden='true'><rect class='wait' width='26' height='12'/></svg> \
    grey: the client waits for its turn</span> \
    <span><svg width='26' height='12' aria-hidden='true'><rect class='w w0' width='13' height='12'/>\
    <rect class='w w1' x='13' width='13' height='12'/></svg> \
    colour: its handler runs; each colour is a worker</span> \
    <span><svg width='26' height='12' aria-hidden='true'><rect class='lost' width='26' height='12'/></svg> \
    red, ✗: no answer</span> \
    <span><svg width='26' height='12' aria-hidden='true'><rect class='silent' x='1' y='1' width='24' height='10'/>\
    </svg> dashed: the client has not asked</span> \
    <span><svg width='26' height='12' aria-hidden='true'><rect class='tail w0' x='1' y='1' width='24' height='10'/>\
    </svg> outlined: the response is on its way</span></p>";

/// The choice of lanes, which needs no script.
pub(crate) const CHOICE: &str = "<fieldset class='lanes'><legend>A lane for each</legend>\
    <label><input type='radio' name='lanes' id='by-client' checked> client</label> \
    <label><input type='radio' name='lanes' id='by-worker'> worker</label></fieldset>";

/// What a page needs in its head, its title included.
pub(crate) fn head(title: &str) -> String {
    format!(
        "<meta charset='utf-8'>\n<meta name='viewport' content='width=device-width, \
         initial-scale=1'>\n<title>{}</title>\n<style>\n{STYLE}{PAGE_STYLE}</style>",
        escape(title),
    )
}

/// A panel without a run, of a strategy that was chosen since.
pub(crate) fn idle(strategy: &Strategy) -> String {
    format!("<section>{}</section>", title(strategy))
}

/// The name of a strategy, and the lines below it.
fn title(strategy: &Strategy) -> String {
    let (rust, python) = strategy.lines();
    let mut lines = format!("<p>Rust <code>{}</code></p>", escape(&rust));
    if !python.is_empty() {
        let _ = write!(lines, "<p>Python <code>{}</code></p>", escape(&python));
    }
    format!(
        "<details class='line'><summary><h2>{}</h2></summary>{lines}</details>",
        escape(&strategy.title()),
    )
}

/// A panel of a page: its parts are replaced while a run goes on.
pub(crate) fn panel(index: usize, strategy: &Strategy, state: &State, span: u64) -> String {
    format!(
        "<section id='panel{index}'>{}\n<p class='figures'>{}</p>\n<div class='pictures'>{}</div>\n\
         <details class='words'><summary>As a table</summary><div class='table'>{}</div></details>\
         </section>\n",
        title(strategy),
        figures(state),
        pictures(strategy, state, span),
        table(strategy, state),
    )
}

/// Both pictures of a run; the page shows one.
pub(crate) fn pictures(strategy: &Strategy, state: &State, span: u64) -> String {
    picture(strategy, state, span, Lanes::Client) + &picture(strategy, state, span, Lanes::Worker)
}

/// The width of pictures that are looked at side by side.
pub(crate) fn span<'a>(states: impl Iterator<Item = &'a State>, least: u64) -> u64 {
    states.map(State::last).max().unwrap_or(0).max(least).max(100_000)
}

/// A page of its own, without a script.
pub(crate) fn page(title: &str, words: &str, runs: &[&Run]) -> String {
    let states: Vec<_> = runs.iter().map(|run| run.state()).collect();
    let span = span(states.iter(), 0);
    let panels: String = runs
        .iter()
        .zip(&states)
        .enumerate()
        .fold(String::new(), |panels, (index, (run, state))| {
            panels + &panel(index, &run.strategy, state, span)
        });
    format!(
        "<!DOCTYPE html>\n<html lang='en'>\n{}\n<body class='static'>\n<h1>{}</h1>\n\
         <p>Clients: <code>{}</code></p>\n{CHOICE}\n{LEGEND}\n<main>\n{panels}</main>\n\
         <p class='foot'>Recorded by the lab of <em>socketserver</em>. One run on one machine: no \
         benchmark.</p>\n</body>\n</html>\n",
        head(title),
        escape(title),
        escape(words),
    )
}

/// One SVG of all runs, below each other.
pub(crate) fn image(title: &str, runs: &[&Run], lanes: Lanes) -> String {
    const WIDTH: usize = 760;
    const HEAD: usize = 40;
    let states: Vec<_> = runs.iter().map(|run| run.state()).collect();
    let span = span(states.iter(), 0);
    let mut y = 8;
    let mut content = String::new();
    for (run, state) in runs.iter().zip(&states) {
        let picture = part_of_image(&run.strategy, state, span, lanes, WIDTH - 20);
        let height = height(state, &run.strategy, lanes);
        let figures = figures(state);
        let figures = figures.split("<br>").next().unwrap_or_default();
        let figures = figures.split(['<', '>']).step_by(2).collect::<String>();
        let _ = writeln!(
            content,
            "<text class='title' x='10' y='{}'>{}</text><text class='figures' x='750' y='{0}'>{}\
             </text><g transform='translate(10 {})'>{picture}</g>",
            y + 16,
            escape(&run.strategy.title()),
            escape(&figures),
            y + HEAD - 12,
        );
        y += HEAD + height;
    }
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' class='image' role='img' width='{WIDTH}' \
         height='{y}' viewBox='0 0 {WIDTH} {y}'>\n<title>{}</title>\n<style>\n{STYLE}\
         svg.image {{ color: #222; background: #fff; }}\n\
         .title {{ font-size: 14px; font-weight: 600; }}\n.figures {{ text-anchor: end; }}\n\
         @media (prefers-color-scheme: dark) {{ svg.image {{ color: #eee; background: #16181d; }} \
         }}\n</style>\n<rect class='paper' width='100%' height='100%' fill='none'/>\n{content}</svg>\n",
        escape(title),
    )
}
