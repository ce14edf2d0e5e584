//! The run that the page shows, and the browsers that watch it.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Failure;
use crate::draw::{figures, table};
use crate::page::{page, panel, pictures, span};
use crate::record::play;
use crate::run::{Run, State};
use crate::script::Script;
use crate::strategy::Strategy;

/// How often the pictures are drawn.
const TICK: Duration = Duration::from_millis(80);

/// How long a run goes on without a browser: a page that is loaded anew is back by then.
const ALONE: Duration = Duration::from_secs(2);

/// Events that may wait for a browser.
const WAITING: usize = 400;

/// An event as browsers get it.
pub(crate) type Event = Arc<str>;

pub(crate) struct Stage {
    scene: Mutex<Scene>,
    browsers: Mutex<Browsers>,
}

/// A script under some strategies.
#[derive(Clone)]
struct Scene {
    script: Script,
    runs: Vec<Arc<Run>>,
    /// Tells it from others.
    number: usize,
}

struct Browsers {
    senders: Vec<SyncSender<Event>>,
    last_seen: Instant,
}

impl Scene {
    fn new(number: usize, strategies: &[Strategy], script: Script) -> Self {
        let runs = strategies.iter().map(|strategy| Arc::new(Run::new(strategy.clone(), &script)));
        Self { runs: runs.collect(), script, number }
    }

    fn states(&self) -> Vec<State> {
        self.runs.iter().map(|run| run.state()).collect()
    }

    /// The same width for all of them, and for the whole run where that can be foreseen.
    fn span(&self, states: &[State]) -> u64 {
        let is_over = states.iter().all(|state| state.end.is_some());
        span(states.iter(), if is_over { 0 } else { 1000 * self.script.longest() })
    }

    fn cancel(&self) {
        for run in &self.runs {
            run.cancel();
        }
    }
}

impl Stage {
    /// A stage where nothing runs yet.
    pub(crate) fn new(strategies: &[Strategy], script: Script) -> Self {
        let browsers = Browsers { senders: Vec::new(), last_seen: Instant::now() };
        Self {
            scene: Mutex::new(Scene::new(0, strategies, script)),
            browsers: Mutex::new(browsers),
        }
    }

    /// Ends what runs and runs this instead.
    pub(crate) fn run(&self, strategies: &[Strategy], script: Script) {
        let mut current = self.scene();
        current.cancel();
        let scene = Scene::new(current.number + 1, strategies, script);
        *current = scene.clone();
        drop(current);
        let runs = scene.runs.clone();
        let playing = thread::Builder::new().spawn(move || play(&scene.runs, &scene.script));
        if let Err(error) = playing {
            runs.iter().for_each(|run| run.fail(Failure::of_start(&error)));
        }
    }

    /// Ends what runs.
    pub(crate) fn cancel(&self) {
        self.scene().cancel();
    }

    /// The panels as they are now.
    pub(crate) fn panels(&self) -> String {
        let scene = self.scene().clone();
        panels(&scene, &scene.states())
    }

    /// The page of what ran, to be kept.
    pub(crate) fn saved(&self) -> String {
        let scene = self.scene().clone();
        let runs: Vec<_> = scene.runs.iter().map(AsRef::as_ref).collect();
        page(&scene.script.headline(), &scene.script.words(), &runs)
    }

    /// Lets a browser watch from now on.
    pub(crate) fn watch(&self) -> Receiver<Event> {
        let (sender, events) = mpsc::sync_channel(WAITING);
        let mut browsers = self.browsers();
        let scene = self.scene().clone();
        let _ = sender.try_send(scene_event(&scene, &scene.states()));
        browsers.senders.push(sender);
        events
    }

    /// Draws what happens, as long as the program runs.
    pub(crate) fn draw(&self) {
        let mut number = None;
        let mut drawn: Vec<Option<String>> = Vec::new();
        let mut was_running = false;
        loop {
            thread::sleep(TICK);
            if self.browsers_have_gone() {
                self.cancel();
                continue;
            }
            let scene = self.scene().clone();
            let states = scene.states();
            let is_new = number != Some(scene.number);
            if is_new {
                number = Some(scene.number);
                drawn = vec![None; scene.runs.len()];
                self.send(&scene_event(&scene, &states));
            }
            let span = scene.span(&states);
            for (index, (run, state)) in scene.runs.iter().zip(&states).enumerate() {
                let picture = pictures(&run.strategy, state, span);
                let table = (state.end.is_some() || is_new).then(|| table(&run.strategy, state));
                let event = event(
                    "panel",
                    &json!({
                        "panel": index, "figures": figures(state), "pictures": picture,
                        "table": table,
                    }),
                );
                if drawn[index].as_deref() != Some(&*event) {
                    self.send(&event);
                    drawn[index] = Some(event.to_string());
                }
            }
            let is_running = is_running(&scene, &states);
            if is_running != was_running || is_new {
                was_running = is_running;
                self.send(&state_event(&scene, is_running));
            }
        }
    }

    fn send(&self, event: &Event) {
        // A browser that has fallen far behind starts anew.
        self.browsers().senders.retain(|browser| browser.try_send(Arc::clone(event)).is_ok());
    }

    fn browsers_have_gone(&self) -> bool {
        let mut browsers = self.browsers();
        if !browsers.senders.is_empty() {
            browsers.last_seen = Instant::now();
        }
        browsers.last_seen.elapsed() > ALONE
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn browsers(&self) -> MutexGuard<'_, Browsers> {
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_running(scene: &Scene, states: &[State]) -> bool {
    scene.number > 0 && states.iter().any(|state| state.end.is_none())
}

fn panels(scene: &Scene, states: &[State]) -> String {
    let span = scene.span(states);
    let runs = scene.runs.iter().zip(states).enumerate();
    runs.map(|(index, (run, state))| panel(index, &run.strategy, state, span)).collect()
}

fn scene_event(scene: &Scene, states: &[State]) -> Event {
    let strategies: Vec<_> = scene.runs.iter().map(|run| run.strategy.to_string()).collect();
    event(
        "scene",
        &json!({
            "title": scene.script.title, "words": scene.script.words(),
            "slower": scene.script.slower, "strategies": strategies,
            "panels": panels(scene, states), "running": is_running(scene, states),
        }),
    )
}

fn state_event(scene: &Scene, is_running: bool) -> Event {
    event("state", &json!({"running": is_running, "title": scene.script.title}))
}

fn event(name: &str, data: &serde_json::Value) -> Event {
    format!("event: {name}\ndata: {data}\n\n").into()
}
