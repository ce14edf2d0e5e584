//! Programs that ask for parts: curl and wget go on with a download, Chromium plays a recording
//! from its middle.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::browser::{PATIENCE, says, visit};
use crate::ranges::content;
use crate::support::Running;
use crate::web::{Site, noting, serve};

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

/// Seeks, and reports where it has come to.
const PAGE: &str = "<video id=v src=a.wav muted preload=metadata></video><script>
const v = document.getElementById('v');
const report = text => fetch('/report?' + text);
v.onloadedmetadata = () => {
    v.onseeked = () => report('seeked-' + Math.round(v.currentTime));
    v.currentTime = 200;
};
v.onerror = () => report('error-' + v.error.code);
</script>";

/// Four minutes of silence: 42 MB, of which a browser does not fetch all to play the end.
fn write_recording(path: &Path) {
    let (rate, seconds) = (44_100_u32, 240);
    let bytes = rate * 4 * seconds;
    let mut head = Vec::new();
    head.extend_from_slice(b"RIFF");
    head.extend_from_slice(&(bytes + 36).to_le_bytes());
    head.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    head.extend_from_slice(&rate.to_le_bytes());
    head.extend_from_slice(&(rate * 4).to_le_bytes());
    head.extend_from_slice(b"\x04\0\x10\0data");
    head.extend_from_slice(&bytes.to_le_bytes());
    let mut file = File::create(path).unwrap();
    file.write_all(&head).unwrap();
    file.set_len(u64::from(bytes) + 44).unwrap();
}

#[test]
fn chromium_seeks_in_a_recording() {
    let site = Site::empty();
    site.write("page.html", PAGE);
    write_recording(&site.path("a.wav"));
    let handler = noting(site.handler()).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    let url = format!("http://{}/page.html", server.address);
    let is_told = |lines: &[String]| says(lines, "/report?");
    let Some(lines) = visit(&url, &log, PATIENCE, is_told) else { return };
    assert!(says(&lines, "/report?seeked-200 "), "{lines:?}");
    assert!(says(&lines, "\"GET /a.wav HTTP/1.1\" 206"), "{lines:?}");
}
