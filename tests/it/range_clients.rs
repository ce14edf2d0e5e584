//! Programs that ask for parts: curl and wget go on with a download, Chromium plays a recording
//! from its middle, and reads a page of a document as pdf.js does.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
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

/// Opens a page of a site in Chromium, if there is one, and returns the server's log when the page
/// has said what it found.
fn visit_until_told(site: &Site, page: &str) -> Option<Vec<String>> {
    site.write("page.html", page);
    let handler = noting(site.handler()).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    let url = format!("http://{}/page.html", server.address);
    visit(&url, &log, PATIENCE, |lines| says(lines, "/report?"))
}

#[test]
fn chromium_seeks_in_a_recording() {
    let site = Site::empty();
    write_recording(&site.path("a.wav"));
    let Some(lines) = visit_until_told(&site, PAGE) else { return };
    assert!(says(&lines, "/report?seeked-200 "), "{lines:?}");
    assert!(says(&lines, "\"GET /a.wav HTTP/1.1\" 206"), "{lines:?}");
}

/// Reads as pdf.js does: the head of the whole says that there are parts, and the parts that a page
/// is in are asked for, from the end on.
const READER: &str = "<script type=module>
const report = text => fetch('/report?' + encodeURIComponent(text));
try {
    const stop = new AbortController();
    const whole = await fetch('a.pdf', {signal: stop.signal});
    const size = +whole.headers.get('Content-Length');
    if (whole.headers.get('Accept-Ranges') !== 'bytes') throw 'there are no parts';
    stop.abort();
    const part = async (start, end) => {
        const reply = await fetch('a.pdf', {headers: {Range: `bytes=${start}-${end - 1}`}});
        const place = reply.headers.get('Content-Range');
        if (reply.status !== 206 || place !== `bytes ${start}-${end - 1}/${size}`) {
            throw `${reply.status} ${place}`;
        }
        return new TextDecoder('latin1').decode(await reply.arrayBuffer());
    };
    const last = await part(size - 64, size);
    const table = await part(+/startxref\\n(\\d+)/.exec(last)[1], size);
    const place = +table.split('\\n')[2 + 4].slice(0, 10);
    const content = await part(place, place + 100);
    report('read ' + /\\((.*)\\) Tj/.exec(content)[1]);
} catch (error) {
    report('failed ' + error);
}
</script>";

/// A document of one page behind 40 MB that it does not need, with its table at the end.
fn write_document(path: &Path) {
    let filling = 40_000_000_u64;
    let text = "BT /F 40 Tf 20 90 Td (Hello) Tj ET";
    let font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
    let before = format!("%PDF-1.7\n5 0 obj\n<</Length {filling}>>\nstream\n");
    let start = before.len() as u64 + filling;
    let mut places = Vec::new();
    let mut rest = "\nendstream\nendobj\n".to_owned();
    for (number, object) in [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R\
             /Resources<</Font<</F {font}>>>>>>"
        ),
        format!("<</Length {}>>\nstream\n{text}\nendstream", text.len()),
    ]
    .into_iter()
    .enumerate()
    {
        places.push(start + rest.len() as u64);
        rest += &format!("{} 0 obj\n{object}\nendobj\n", number + 1);
    }
    let table = start + rest.len() as u64;
    places.push(9); // The first object, with the filling.
    rest += "xref\n0 6\n0000000000 65535 f \n";
    for place in places {
        rest += &format!("{place:010} 00000 n \n");
    }
    rest += &format!("trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n");
    let mut file = File::create(path).unwrap();
    file.write_all(before.as_bytes()).unwrap();
    file.set_len(start).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(rest.as_bytes()).unwrap();
}

#[test]
fn chromium_reads_a_page_of_a_document_by_its_parts() {
    let site = Site::empty();
    write_document(&site.path("a.pdf"));
    let Some(lines) = visit_until_told(&site, READER) else { return };
    assert!(says(&lines, "/report?read%20Hello "), "{lines:?}");
    let parts = lines.iter().filter(|line| line.contains("\"GET /a.pdf HTTP/1.1\" 206"));
    assert_eq!(parts.count(), 3, "{lines:?}");
}
