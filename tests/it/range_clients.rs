//! Programs that go on with a download: curl and wget.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::ranges::content;
use crate::support::Running;
use crate::web::Site;

/// What a program makes of a file; `None` where there is no such program.
fn run(program: &str, arguments: &[&str], server: &Running, to: &Path) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).arg(to).arg(format!("http://{}/file", server.address));
    let output = command.env_remove("http_proxy").stdin(Stdio::null()).output();
    if output.is_err() {
        println!("skipped: there is no {program}");
    }
    output.ok()
}

#[test]
fn curl_and_wget_go_on_where_they_have_stopped() {
    let site = Site::empty();
    let size = 5_000_000;
    site.write("file", content(size));
    let server = site.serve();
    let curl = ["--silent", "--show-error", "-C", "-", "-o"];
    let wget = ["--no-verbose", "--tries=1", "-c", "-O"];
    for (program, arguments) in [("curl", &curl[..]), ("wget", &wget)] {
        for has in [0, 1, 32_768, 4_999_999, size] {
            let to = site.path(format!("{program}-{has}"));
            fs::write(&to, &content(size)[..has]).unwrap();
            let before = fs::read(&to).unwrap();
            let Some(output) = run(program, arguments, &server, &to) else { break };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(fs::read(&to).unwrap() == content(size), "{program} of {has}: {said}");
            assert!(output.status.success(), "{program} of {has}: {said}");
            assert!(before.len() == has);
        }
    }
}
