//! `examples/lab`: who waits for whom, from its events; bad input; and that its servers end with it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;

use crate::examples::{Example, read_head, request};
use crate::shared::process::{example_program, is_running};
use crate::support::{Client, eventually};

/// Five clients, of which four come while the first is served.
const CROWD: &str = "0:sleep=800 begun1:sleep=300 begun1:sleep=50 begun1:sleep=50 begun1:count";

/// Ours, and Python's where there is one.
const OURS: [&str; 5] = ["sequential", "threading:2", "forking", "prefork:2", "own"];

#[test]
fn sequential_never_serves_two_at_once() {
    for run in record(CROWD, &["sequential", "python:HTTPServer"]) {
        assert_eq!((run.answered(), run.most_at_once()), (5, 1), "{run:?}");
        assert_eq!(run.pids().len(), 1, "{run:?}");
        // The first client has not come before the clock began.
        let first = &run.clients[0];
        assert!(first.ended.unwrap() - first.began.unwrap() >= 800_000, "{run:?}");
    }
}

#[test]
fn a_pool_of_two_serves_two_at_once_and_never_three() {
    let [run] = &record(CROWD, &["threading:2"])[..] else { panic!("one strategy") };
    assert_eq!((run.answered(), run.most_at_once()), (5, 2), "{run:?}");
    assert_eq!((run.pids().len(), run.threads().len()), (1, 2), "{run:?}");
}

#[test]
fn forking_has_a_process_for_each_client_and_prefork_those_that_it_has() {
    for (strategy, processes) in
        [("forking", 5), ("prefork:2", 2), ("own", 1), ("python:ForkingHTTPServer", 5)]
    {
        for run in record(CROWD, &[strategy]) {
            assert_eq!((run.answered(), run.pids().len()), (5, processes), "{run:?}");
        }
    }
}

#[test]
fn a_silent_client_holds_up_pythons_server_and_none_of_ours() {
    let script = "0:silent=1500 400:sleep=0 450:sleep=0";
    for run in record(script, &OURS) {
        assert_eq!(run.answered(), 2, "{run:?}");
        let end = run.clients[0].done;
        assert!(run.clients[1..].iter().all(|client| client.ended < Some(end)), "{run:?}");
    }
    for run in record(script, &["python:HTTPServer"]) {
        assert_eq!(run.answered(), 2, "{run:?}");
        // They have come a second before; clocks of two programs do not agree to the millisecond.
        assert!(run.clients[1..].iter().all(|client| client.began >= Some(1_400_000)), "{run:?}");
    }
}

/// The third client takes down whatever serves it; two come when it has.
#[test]
fn a_crash_costs_what_the_readme_says() {
    let script = "0:sleep=1000 begun1:sleep=2500 begun2:abort ended3:sleep=0 ended4:sleep=0";
    let expected = [
        ("sequential", 2),
        ("threading", 0),
        ("threading:2", 1),
        ("forking", 4),
        ("prefork:2", 4),
        ("own", 0),
        ("python:HTTPServer", 2),
        ("python:ThreadingHTTPServer", 0),
    ];
    for run in record(script, &expected.map(|(strategy, _)| strategy)) {
        let answered = (run.strategy.as_str(), run.answered());
        assert!(expected.contains(&answered), "{run:?}");
    }
}

#[test]
fn a_panic_costs_one_client() {
    let script = "0:sleep=300 begun1:panic begun1:sleep=50 ended3:sleep=0";
    let python = ["python:HTTPServer", "python:ThreadingHTTPServer"];
    for strategies in [&OURS[..], &["threading"], &python] {
        for run in record(script, strategies) {
            let answered: Vec<_> = run.clients.iter().map(|client| client.answered).collect();
            assert_eq!(answered, [true, false, true, true], "{run:?}");
        }
    }
}

#[test]
fn a_counter_is_shared_by_threads_alone() {
    let script = "0:count ended1:count ended2:count";
    for (strategy, last) in
        [("sequential", "visit 3"), ("threading:2", "visit 3"), ("forking", "visit 1")]
    {
        for run in record(script, &[strategy]) {
            assert_eq!(run.clients[2].note, last, "{run:?}");
        }
    }
}

#[test]
fn clients_that_misbehave_end_as_they_should() {
    let script = "0:dribble=300 0:slow-reader=300 0:leave=100 0:big 0:leak=1 0:spin=20";
    for run in record(script, &OURS) {
        let outcomes: Vec<_> = run.clients.iter().map(|client| client.outcome.as_str()).collect();
        let left = "left before the answer";
        assert_eq!(outcomes, ["answered", "answered", left, "answered", "answered", "answered"]);
    }
}

#[test]
fn a_worker_whose_client_has_left_goes_on() {
    for run in record("0:leave=300 begun1:sleep=0", &["sequential", "python:HTTPServer"]) {
        let [left, waits] = &run.clients[..] else { panic!("two clients: {run:?}") };
        assert!(left.done < left.ended.unwrap(), "{run:?}");
        assert!(left.ended <= waits.began, "{run:?}");
    }
}

#[test]
fn servers_of_the_lab_serve_its_clients_alone() {
    let mut server = Command::new(example_program("lab"))
        .args(["serve", "sequential"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    for (field, status) in [("", 403), ("X-Lab: 1\r\n", 200)] {
        let mut client = Client::connect(address.trim().parse().unwrap());
        client.send(format!("GET / HTTP/1.0\r\n{field}\r\n"));
        let head = read_head(&mut client);
        assert!(head.starts_with(&format!("HTTP/1.0 {status} ")), "{head}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn events_are_written_for_chrome_too() {
    let place = tempfile::tempdir().unwrap();
    let trace = place.path().join("trace.json");
    let out = place.path().join("out.svg");
    let lab = lab(&["record", path(&out), CROWD, "--strategies", "threading:2"]);
    finish(lab, &["--chrome", path(&trace)], 0);
    let trace: Value = serde_json::from_str(&fs::read_to_string(trace).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let count = |phase| events.iter().filter(|event| event["ph"] == phase).count();
    assert_eq!([count("X"), count("b"), count("e"), count("M")], [5, 5, 5, 3], "{trace}");
    assert!(fs::read_to_string(out).unwrap().starts_with("<svg "));
}

#[test]
fn a_comparison_is_a_table_or_values_with_commas() {
    let arguments = ["compare", "0:silent=100", "--rate", "20", "--seconds", "1"];
    let strategies = ["--strategies", "sequential,prefork:2"];
    let output = finish(lab(&arguments), &strategies, 0);
    let row = |name| output.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(row("Sequential").contains(" 20/20 "), "{output}");
    assert!(row("PreFork(2)").contains(" 20/20 "), "{output}");
    assert!(output.contains("no benchmark") && output.contains("benches/"), "{output}");

    let output = finish(lab(&arguments), &[&strategies[..], &["--csv"]].concat(), 0);
    let lines: Vec<_> = output.lines().collect();
    assert!(lines[0].starts_with("strategy,answered,clients,p50,p95,p99,hung,"), "{output}");
    assert!(lines[1].starts_with("\"Sequential\",20,20,"), "{output}");
    assert_eq!(lines.len(), 3, "{output}");
}

#[test]
fn bad_input_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, words) in [
        (&["record", "out.html", "0:fly"][..], "no client does 'fly': sleep=MS"),
        (&["record", "out.html", "fast"], "no script 'fast': slow, flood"),
        (&["record", "out.html", "soon:panic"], "'soon' is no whole number"),
        (&["record", "out.html", "0:sleep"], "it says not how long"),
        (&["record", "out.html", "0:leak=4000"], "leak=MIB takes up to 1024"),
        (&["record", "out.html", "0:leak=600 0:leak=600"], "are 1024 MiB at most"),
        (&["record", "out.html", "slow", "--strategies", "async"], "no strategy 'async'"),
        (&["record", "out.html", "slow", "--strategies", "python:Foo"], "no class 'Foo'"),
        (&["record", "out.pdf", "slow"], "a page is .html, a picture .svg"),
        (&["record", "/nonexistent/out.html", "slow"], "there is no directory /nonexistent"),
        (&["compare", "--rate", "0"], "'0'"),
        (&["--strategies", ""], "no strategy ''"),
        (&[&port], "is in use: `lab 0` takes a port that is free"),
        (&["slow"], "other words are record and compare"),
        (&["--bind", "192.0.2.1", "0"], "this machine does not have that address"),
    ] {
        let errors = finish(lab(arguments), &[], 2);
        assert!(errors.starts_with("lab: ") && errors.contains(words), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
    }
}

#[test]
fn a_server_that_does_not_start_is_one_line() {
    let place = tempfile::tempdir().unwrap();
    let old_python = place.path().join("python3");
    let words = "#!/bin/sh\necho 'Traceback (most recent call last):' >&2\n\
                 echo 'ImportError: too old' >&2\nexit 1\n";
    fs::write(&old_python, words).unwrap();
    fs::set_permissions(&old_python, fs::Permissions::from_mode(0o755)).unwrap();
    for (path, strategy, words) in [
        ("/nonexistent", "python:HTTPServer", "there is no python3"),
        (path(place.path()), "python:HTTPServer", "ImportError: too old"),
        ("/nonexistent", "run:/bin/sh -c exit", "it has named no address"),
    ] {
        for arguments in [&["record", "out.html", "0:count"][..], &["compare", "0:count"]] {
            let mut command = lab(arguments);
            command.env("PATH", path).current_dir(place.path());
            let errors = finish(command, &["--strategies", strategy], 2);
            assert_eq!(errors, format!("lab: {strategy}: {words}\n"));
        }
    }
    // The page says it where the pictures would be.
    let mut command = lab(&["0", "--strategies", "python:HTTPServer,sequential"]);
    command.env("PATH", "/nonexistent");
    let example = Example::start(&mut command);
    let mut browser = Client::connect(example.address);
    browser.send("GET /events HTTP/1.0\r\n\r\n");
    let form = "script=0:count&strategies=python:HTTPServer,sequential";
    run(&example, OURSELVES, form);
    eventually(|| {
        let page = example.get("/");
        page.contains("python:HTTPServer: there is no python3") && page.contains("1 of 1")
    });
}

/// As on a system that cannot fork.
#[test]
fn no_more_threads_or_processes_is_one_line() {
    if !Uid::effective().is_root() || Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: it takes root, and prlimit");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("lab");
    fs::copy(example_program("lab"), &program).unwrap(); // Where other users may read it.
    // A few of them are enough for the first steps.
    for (most, arguments) in (1..6)
        .flat_map(|most| [(most, &["record", "out.html", "0:count"][..]), (most, &["compare"])])
    {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nproc={most}")).arg(&program).args(arguments);
        command.args(["--strategies", "sequential"]).uid(54_321).stdin(Stdio::null());
        let errors = finish(command, &[], 2);
        assert!(errors.contains("this system starts no more threads or processes: "), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{most}: {errors}");
    }
}

#[test]
fn servers_end_with_the_lab_even_if_it_is_killed() {
    for signal in [Signal::SIGKILL, Signal::SIGINT, Signal::SIGTERM] {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out.html");
        let strategies = "sequential,threading:2,forking,prefork:2";
        let mut command = lab(&["record", path(&out), "0:sleep=50000", "0:sleep=50000"]);
        command.args(["--strategies", strategies]).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Four keepers, four servers, two children of Forking, two of PreFork.
        let started = descendants_of(&child, 12);
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        child.wait().unwrap();
        eventually(|| !started.iter().any(|pid| is_running(*pid)));
    }
}

#[test]
fn servers_end_with_the_lab_even_if_their_keepers_do_not_work() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGSTOP] {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out.html");
        let mut command = lab(&["record", path(&out), "0:sleep=2000"]);
        command.args(["--strategies", "sequential,forking"]).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Two keepers, two servers, a child of Forking.
        let started = descendants_of(&child, 5);
        for keeper in children_of(child.id().try_into().unwrap()) {
            kill(Pid::from_raw(keeper), signal).unwrap();
        }
        assert!(child.wait().unwrap().success(), "{signal}");
        eventually(|| !started.iter().any(|pid| is_running(*pid)));
    }
}

#[test]
fn servers_end_when_the_page_is_closed_and_with_its_lab() {
    let mut example = Example::run("lab", &["0"]);
    let page = example.get("/");
    for word in ["<title>The lab", "value='crash'", "Python HTTPServer", "</html>"] {
        assert!(page.contains(word), "{page}");
    }
    for signal in [None, Some(Signal::SIGINT), Some(Signal::SIGTERM), Some(Signal::SIGHUP)] {
        if example.child.try_wait().unwrap().is_some() {
            example = Example::run("lab", &["0"]);
        }
        let mut browser = Client::connect(example.address);
        browser.send("GET /events HTTP/1.0\r\n\r\n");
        let head = read_head(&mut browser);
        assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
        let answer = run(&example, OURSELVES, "script=0:sleep=50000&strategies=forking");
        assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
        let started = descendants_of(&example.child, 3);
        if let Some(signal) = signal {
            kill(Pid::from_raw(example.child.id().try_into().unwrap()), signal).unwrap();
            assert!(example.wait().success());
        } else {
            drop(browser);
        }
        eventually(|| !started.iter().any(|pid| is_running(*pid)));
    }
}

#[test]
fn other_sites_cannot_run_scripts() {
    let example = Example::run("lab", &["0"]);
    let form = "script=0:count&strategies=sequential";
    for (fields, status) in [
        ("", 403),
        ("Host: evil.example\r\nX-Lab: 1\r\n", 403),
        ("Host: evil.example:8000\r\nX-Lab: 1\r\n", 403),
        ("Host: localhost:8000\r\nX-Lab: 1\r\n", 200),
        ("Host: 127.0.0.1\r\nX-Lab: 1\r\n", 200),
        ("Host: [::1]\r\nX-Lab: 1\r\n", 200),
        ("Host: [::1]:8000\r\nX-Lab: 1\r\n", 200),
        ("Host: [::2]:8000\r\nX-Lab: 1\r\n", 403),
    ] {
        let answer = run(&example, fields, form);
        assert!(answer.starts_with(&format!("HTTP/1.0 {status} ")), "{fields}: {answer}");
    }
    for (form, reason) in [
        ("script=0:count&strategies=run:/bin/sh", "'run:/bin/sh' is not offered by this lab"),
        ("script=0:fly&strategies=sequential", "no client does 'fly'"),
        ("script=slow&strategies=", "choose a strategy"),
        ("script=slow&strategies=forking&slower=99", "'99' is no number of times"),
    ] {
        let answer = run(&example, OURSELVES, form);
        assert!(answer.starts_with("HTTP/1.0 400 ") && answer.contains(reason), "{answer}");
    }
}

/// What the lab's own page sends.
const OURSELVES: &str = "Host: localhost\r\nX-Lab: 1\r\n";

fn run(example: &Example, fields: &str, form: &str) -> String {
    let length = form.len();
    request(
        example.address,
        &format!("POST /run HTTP/1.0\r\n{fields}Content-Length: {length}\r\n\r\n{form}"),
    )
}

/// What the lab has started, as soon as that are so many processes.
fn descendants_of(lab: &Child, count: usize) -> Vec<i32> {
    let mut found = Vec::new();
    eventually(|| {
        found.clear();
        add_children(lab.id().try_into().unwrap(), &mut found);
        found.len() == count
    });
    found
}

fn add_children(pid: i32, found: &mut Vec<i32>) {
    for child in children_of(pid) {
        found.push(child);
        add_children(child, found);
    }
}

fn children_of(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().map(|task| fs::read_to_string(task.path().join("children")));
    let lists: Vec<_> = lists.map(Result::unwrap_or_default).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).map(|pid| pid.parse().unwrap()).collect()
}

/// What the lab has seen of a strategy.
#[derive(Debug)]
struct Run {
    strategy: String,
    clients: Vec<Seen>,
}

/// What it has seen of a client; times are in microseconds.
#[derive(Debug)]
struct Seen {
    began: Option<u64>,
    ended: Option<u64>,
    done: u64,
    pid: Option<u64>,
    thread: Option<String>,
    note: String,
    answered: bool,
    outcome: String,
}

impl Run {
    fn answered(&self) -> usize {
        self.clients.iter().filter(|client| client.answered).count()
    }

    /// How many handlers ran at the same time.
    fn most_at_once(&self) -> usize {
        let spans = || self.clients.iter().map(|client| (client.began, client.ended));
        let at = |time| spans().filter(|(began, ended)| *began <= time && *ended > time).count();
        spans().map(|(began, _)| at(began)).max().unwrap()
    }

    fn pids(&self) -> BTreeSet<u64> {
        self.clients.iter().filter_map(|client| client.pid).collect()
    }

    fn threads(&self) -> BTreeSet<&str> {
        self.clients.iter().filter_map(|client| client.thread.as_deref()).collect()
    }
}

/// Runs a script under these strategies; nothing if they are Python's and there is none.
fn record(script: &str, strategies: &[&str]) -> Vec<Run> {
    let is_python = |strategy: &&str| strategy.starts_with("python:");
    if strategies.iter().any(is_python) && !has_python() {
        println!("skipped: there is no python3");
        let ours: Vec<_> = strategies.iter().copied().filter(|one| !is_python(one)).collect();
        return if ours.is_empty() { Vec::new() } else { record(script, &ours) };
    }
    let place = tempfile::tempdir().unwrap();
    let (out, json) = (place.path().join("out.html"), place.path().join("out.json"));
    let command = lab(&["record", path(&out), script, "--strategies", &strategies.join(",")]);
    finish(command, &["--json", path(&json)], 0);
    let page = fs::read_to_string(out).unwrap();
    assert_eq!(page.matches("<section ").count(), strategies.len());
    let events: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let client = |client: &Value| Seen {
        began: client["began"].as_u64(),
        ended: client["ended"].as_u64(),
        done: client["done"].as_u64().unwrap(),
        pid: client["pid"].as_u64(),
        thread: text(&client["thread"]),
        note: text(&client["note"]).unwrap(),
        answered: client["answered"].as_bool().unwrap(),
        outcome: text(&client["outcome"]).unwrap(),
    };
    let runs = events["runs"].as_array().unwrap().iter().map(|run| Run {
        strategy: text(&run["strategy"]).unwrap(),
        clients: run["clients"].as_array().unwrap().iter().map(client).collect(),
    });
    runs.collect()
}

pub(crate) fn has_python() -> bool {
    Command::new("python3").arg("--version").output().is_ok()
}

pub(crate) fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(example_program("lab"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Waits for the lab to end with this status; returns what it has printed.
pub(crate) fn finish(mut command: Command, arguments: &[&str], status: i32) -> String {
    let output = command.args(arguments).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{text}");
    text
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
