//! The log, with nobody at its other end.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::time::Instant;

use crate::Scale;
use crate::client::{GET, connect, reply};
use crate::process::Process;

/// A disk that is full, a reader that has gone, and one that never reads.
pub(crate) fn log(scale: Scale) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    serves("a full disk", Process::start_with("logs", full.into()), scale);

    let mut gone = Process::start_with("logs", Stdio::piped());
    drop(gone.child.stderr.take());
    serves("a reader that has gone", gone, scale);

    // The process has the pipe's other end, and never looks at it.
    serves("a reader that reads nothing", Process::start_with("logs", Stdio::piped()), scale);
}

fn serves(what: &str, server: Process, scale: Scale) {
    let (count, began) = (scale.of(10_000), Instant::now());
    let mut stream = connect(server.address).unwrap();
    for _ in 0..count {
        stream.get_mut().write_all(GET.as_bytes()).unwrap();
        assert_eq!(reply(&mut stream).unwrap(), (200, true));
    }
    println!("  {what}: {count} of {count} requests answered in {:.1?}", began.elapsed());
    assert!(server.stop().ends_with("cut 0"));
}
