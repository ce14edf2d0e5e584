//! Processes that are killed, replaced and asked to stop, under load.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Scale;
use crate::client::Load;
use crate::process::{Process, eventually};

const CLIENTS: usize = 8;

fn preforked() -> Process {
    let server = Process::start("preforked");
    eventually(|| server.children().len() == 3);
    server
}

/// One process of three after the other.
pub(crate) fn killed(scale: Scale) {
    let server = preforked();
    let load = Load::start(server.address, CLIENTS, true);
    let kills = scale.of(20).max(2);
    for _ in 0..kills {
        load.wait_for_more(500);
        let victim = *server.children().first().unwrap();
        kill(Pid::from_raw(victim), Signal::SIGKILL).unwrap();
        eventually(|| server.children().len() == 3 && !server.children().contains(&victim));
    }
    let counts = load.stop();
    println!(
        "  {kills} kills: {} requests lost of {}, {} refused",
        counts.lost, counts.done, counts.refused
    );
    assert!(counts.lost <= kills * CLIENTS && counts.refused == 0);
}

/// Server after server is asked to stop in the middle of it. Who comes after the end is refused,
/// and not lost.
pub(crate) fn drain(scale: Scale) {
    for keeps in [true, false] {
        let (mut lost, mut done, mut cut) = (0, 0, 0);
        for _ in 0..scale.of(20) {
            let server = Process::start("threads");
            let load = Load::start(server.address, CLIENTS, keeps);
            load.wait_for_more(500);
            let report = server.stop();
            cut += usize::from(!report.ends_with("cut 0"));
            let counts = load.stop();
            (lost, done) = (lost + counts.lost, done + counts.done);
        }
        let word = if keeps { "kept" } else { "new" };
        println!("  {} drains, connections {word}: {lost} requests lost of {done}", scale.of(20));
        assert_eq!(cut, 0);
        // Some clients may come after the kernel has said that nobody waits, and before the
        // listener is closed: up to five in twenty ends were seen.
        let most = scale.of(20).div_ceil(3);
        assert!(lost <= most, "{lost}");
    }
}

/// All three processes are replaced, again and again.
pub(crate) fn hangup(scale: Scale) {
    for keeps in [true, false] {
        let server = preforked();
        let load = Load::start(server.address, CLIENTS, keeps);
        for _ in 0..scale.of(20) {
            let before = server.children();
            load.wait_for_more(500);
            server.signal(Signal::SIGHUP);
            eventually(|| server.children().is_disjoint(&before) && server.children().len() == 3);
        }
        let counts = load.stop();
        let word = if keeps { "kept" } else { "new" };
        println!(
            "  {} replacements, connections {word}: {} requests lost of {}, {} refused",
            scale.of(20),
            counts.lost,
            counts.done,
            counts.refused
        );
        assert_eq!((counts.lost, counts.refused), (0, 0));
    }
}
