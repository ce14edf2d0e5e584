//! Files that a form sends into a directory, as browsers and curl do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use socketserver::Sequential;
use socketserver::http::{CgiHttpRequestHandler, Listing, SimpleHttpRequestHandler, Uploads};

use crate::browser::{says, visit};
use crate::cli::{Serving, text};
use crate::cli_asked::{WAYS, ask as ask_command};
use crate::puts::{names, put, taking};
use crate::support::{Running, bind, in_a_process_of_its_own};
use crate::web::{Browser, Reply, Site, ask, noting, serve};

/// A form with these parts: what each says of itself, and its content.
pub(crate) fn form(target: &str, fields: &str, parts: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (head, content) in parts {
        body += &format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    }
    body += "--b--\r\n";
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {length}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\n\r\n{body}"
    )
}

fn content(site: &Site, name: impl AsRef<Path>) -> String {
    fs::read_to_string(site.path(name)).unwrap()
}

#[test]
fn files_of_a_form_are_taken_and_the_client_is_led_back() {
    let site = Site::empty();
    fs::create_dir(site.path("sub")).unwrap();
    let server = taking(&site, Uploads::default());
    let mut browser = Browser::connect(&server);
    let parts = [
        ("name=other", "text"),
        ("name=file; filename=\"a.txt\"", "one"),
        ("name=file; filename=\"\"", ""),
        ("name=file; filename=\"C:\\Users\\ada\\b.txt\"", "two"),
        ("name=file; filename=\"../../sub/c na\u{ef}ve.txt\"", ""),
    ];
    let reply = browser.ask(form("/sub/?C=S;O=D", "Origin: http://h\r\n", &parts));
    assert_eq!((reply.status(), reply.header("Location")), (303, Some("./?C=S;O=D")));
    assert_eq!(names(&site.path("sub")), ["a.txt", "b.txt", "c na\u{ef}ve.txt"]);
    assert_eq!(content(&site, "sub/a.txt"), "one");
    assert_eq!(content(&site, "sub/b.txt"), "two");
    // The connection goes on.
    let reply = browser.ask(form("/", "", &[("name=x; filename=d", "three")]));
    assert_eq!((reply.status(), reply.header("Location")), (303, Some("./")));
    assert_eq!(names(&site.path("")), ["d", "sub"]);
}

#[test]
fn without_uploads_post_is_501_as_in_python() {
    let site = Site::empty();
    let server = site.serve();
    let reply = ask(&server, form("/", "", &[("name=x; filename=d", "x")]));
    assert_eq!((reply.status(), reply.reason()), (501, "Unsupported method ('POST')"));
    let table = serve(noting(site.handler().listing(Listing::Table)).http11());
    let reply = ask(&table, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(!reply.text().contains("<form") && !reply.text().contains("<script"));
    assert_eq!(names(&site.path("")), [""; 0]);
}

#[test]
fn a_file_that_is_not_taken_is_told_and_the_others_are() {
    let site = Site::empty();
    site.write("there", "old");
    fs::create_dir(site.path("directory")).unwrap();
    symlink("there", site.path("link")).unwrap();
    let parts = [
        ("name=f; filename=first", "1"),
        ("name=f; filename=there", "new"),
        ("name=f; filename=\".hidden\"", "x"),
        ("name=f; filename=directory", "x"),
        ("name=f; filename=link", "x"),
        ("name=f; filename=\"<b>\"", "x"),
        ("name=f; filename=\"..\"", "x"),
        ("name=f; filename=first", "again"),
        ("name=f; filename=last", "2"),
    ];
    let server = taking(&site, Uploads::default());
    let reply = ask(&server, form("/", "", &parts));
    assert_eq!((reply.status(), reply.reason()), (409, "A file of this name is there already"));
    for told in [
        "first: uploaded; there: A file of this name is there already; .hidden: Not a name for a file; ",
        "directory: A directory is not a file; link: What has this name is not a regular file; ",
        "&lt;b&gt;: uploaded; ..: Not a name for a file; first: A file of this name is there already",
        "; last: uploaded.",
    ] {
        assert!(reply.text().contains(told), "{told}: {}", reply.text());
    }
    assert_eq!(names(&site.path("")), ["<b>", "directory", "first", "last", "link", "there"]);
    assert_eq!((content(&site, "there"), content(&site, "first")), ("old".into(), "1".into()));

    let server = taking(&site, Uploads::default().replace(true));
    let reply = ask(&server, form("/", "", &parts[..2]));
    assert_eq!(reply.status(), 303);
    assert_eq!((content(&site, "there"), content(&site, "first")), ("new".into(), "1".into()));
}

#[test]
fn a_form_puts_nothing_beside_a_file_that_is_sent_in_its_place() {
    let site = Site::empty();
    site.write("app.js", "owner");
    let server = serve(noting(site.handler().precompressed().uploads(Uploads::default())).http11());
    let parts = [
        ("name=x; filename=a.txt", "one"),
        ("name=x; filename=app.js.gz", "two"),
        // Beside one that came in the same form.
        ("name=x; filename=a.txt.br", "three"),
        ("name=x; filename=b.js.gz", "four"),
    ];
    let reply = ask(&server, form("/", "", &parts));
    assert_eq!(reply.status(), 409, "{}", reply.text());
    assert_eq!(names(&site.path("")), ["a.txt", "app.js", "b.js.gz"]);
    assert!(reply.text().contains("app.js.gz: "), "{}", reply.text());
}

#[test]
fn forms_that_are_none_are_refused_and_leave_nothing() {
    let outside = Site::empty();
    let site = Site::empty();
    fs::create_dir_all(site.path("sub/.git")).unwrap();
    site.write("file", "");
    symlink(outside.path(""), site.path("out")).unwrap();
    let before = names(&site.path(""));
    let server = taking(&site, Uploads::default().limit(1_000));
    let one = [("name=f; filename=a", "x")];
    let long = [("name=f; filename=a", &*"x".repeat(1_000))];
    let chunked = |form: String| {
        let (head, body) = form.split_once("\r\n\r\n").unwrap();
        let fields: Vec<&str> =
            head.split("\r\n").filter(|line| !line.starts_with("Content-Length")).collect();
        let (fields, size) = (fields.join("\r\n"), body.len());
        format!("{fields}\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n")
    };
    for (request, status) in [
        (form("/", "Origin: http://evil.example\r\n", &one), 403),
        (form("/", "Origin: null\r\n", &one), 403),
        (form("/", "Sec-Fetch-Site: cross-site\r\n", &one), 403),
        (form("/sub/.git/", "", &one), 403),
        (form("/sub", "", &one), 409),
        (form("/file", "", &one), 409),
        (form("/file/", "", &one), 409),
        (form("/missing/", "", &one), 409),
        (form("/out/", "", &one), 409),
        (form("*", "", &one), 409),
        (form("/", "", &[]), 400),
        (form("/", "", &[("name=a", "x"), ("name=f; filename=\"\"", "")]), 400),
        (form("/", "", &long), 413),
        (chunked(form("/", "", &long)), 413),
        (form("/", "", &one).replace("form-data; boundary", "form-data; x"), 400),
        (form("/", "", &one).replace("multipart/form-data", "multipart/mixed"), 415),
        (form("/", "", &[("name=f; filename=a", "x")]).replace("\r\n--b--\r\n", "123456789"), 400),
        (put("/", "Content-Type: text/plain\r\n", "x").replace("PUT", "POST"), 415),
    ] {
        let reply = ask(&server, &request);
        assert_eq!(reply.status(), status, "{request}\n{}", reply.text());
        assert_eq!(names(&site.path("")), before, "{request}");
    }
    assert_eq!(names(&outside.path("")), [""; 0]);
    // Within the limit, in chunks.
    assert_eq!(ask(&server, chunked(form("/", "", &one))).status(), 303);
    // What came whole before a form ended early stays.
    let early = form("/", "", &[("name=f; filename=b", "x")]).replace("--b--\r\n", "--b\r\n\r\n");
    assert_eq!(ask(&server, early).status(), 400);
    assert_eq!(content(&site, "b"), "x");
}

#[test]
fn what_is_known_to_fail_is_answered_before_the_form_is_asked_for() {
    let site = Site::empty();
    let server = taking(&site, Uploads::default().limit(1_000));
    let expecting = |target: &str, fields: &str, length: usize| {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{fields}\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
        );
        ask(&server, head).status()
    };
    assert_eq!(expecting("/", "", 1_001), 413);
    assert_eq!(expecting("/missing/", "", 10), 409);
    assert_eq!(expecting("/", "Origin: http://evil.example\r\n", 10), 403);
    assert_eq!(expecting("/", "", 10), 100);
}

#[test]
fn a_full_disk_ends_a_form_with_507_and_leaves_nothing_of_that_file() {
    let name = "upload_forms::a_full_disk_ends_a_form_with_507_and_leaves_nothing_of_that_file";
    in_a_process_of_its_own(name, || {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGXFSZ);
        signals.thread_block().unwrap();
        let site = Site::empty();
        let handler = noting(site.handler().uploads(Uploads::default())).http11();
        let server = Running::start(bind::<Sequential, _>(handler));
        setrlimit(Resource::RLIMIT_FSIZE, 100_000, 100_000).unwrap();
        let long = "x".repeat(200_000);
        let parts = [("name=f; filename=a", "small"), ("name=f; filename=b", &long)];
        assert_eq!(ask(&server, form("/", "", &parts)).status(), 507);
        assert_eq!(names(&site.path("")), ["a"]);
    });
}

#[test]
fn a_form_to_a_program_stays_the_programs() {
    let site = Site::empty();
    fs::create_dir(site.path("cgi-bin")).unwrap();
    let script = site.write("cgi-bin/script", "#!/bin/sh\necho Content-Type: a/b\necho\nwc -c\n");
    fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let files = site.handler().uploads(Uploads::default());
    let server = serve(noting(CgiHttpRequestHandler::from(files)).http11());
    let one = [("name=f; filename=a", "x")];
    let told = |target: &str, fields: &str| -> Reply {
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(form(target, fields, &one));
        if reply.status() == 100 { browser.reply() } else { reply }
    };
    for fields in ["", "Expect: 100-continue\r\n"] {
        assert_eq!(told("/cgi-bin/script", fields).status(), 200);
        for target in ["/cgi-bin/", "/cgi-bin", "/cgi-bin%2f", "/x/../cgi-bin/", "//cgi-bin/."] {
            let status = told(target, fields).status();
            assert!(matches!(status, 403 | 404 | 409), "{target}: {status}");
        }
    }
    assert_eq!(names(&site.path("cgi-bin")), ["script"]);
    assert_eq!(told("/", "").status(), 303);
    // Without uploads, in Python's words.
    let server = serve(noting(CgiHttpRequestHandler::from(site.handler())).http11());
    let reply = ask(&server, form("/", "", &one));
    assert_eq!((reply.status(), reply.reason()), (501, "Can only POST to CGI scripts"));
}

#[test]
fn beside_the_only_file_that_is_served_none_is_taken() {
    let site = Site::empty();
    let only = site.write("only", "old");
    let files = SimpleHttpRequestHandler::file(only).uploads(Uploads::default().replace(true));
    let server = serve(noting(files).http11());
    assert_eq!(ask(&server, form("/", "", &[("name=f; filename=a", "x")])).status(), 403);
    assert_eq!(ask(&server, put("/a", "", "x")).status(), 403);
    assert_eq!(ask(&server, put("/", "", "x")).status(), 409);
    assert_eq!(ask(&server, put("/only", "", "new")).status(), 204);
    assert_eq!(
        (names(&site.path("")), content(&site, "only")),
        (vec!["only".into()], "new".into())
    );
}

#[test]
fn a_table_has_the_form_and_a_policy_that_lets_its_script_run() {
    let site = Site::empty();
    let files = site.handler().listing(Listing::Table).uploads(Uploads::default());
    let server = serve(noting(files).http11());
    let reply = ask(&server, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let page = reply.text();
    assert!(page.contains("<form method=\"post\" enctype=\"multipart/form-data\">"), "{page}");
    let policy = reply.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'sha256-"));
    assert!(policy.contains("form-action 'self'") && policy.contains("connect-src 'self'"));
}

#[test]
fn the_command_takes_forms_under_every_strategy() {
    for way in WAYS {
        let serving =
            Serving::start(&[&["-b", "127.0.0.1", "--upload", "--listing", "table"], way].concat());
        let directory = serving.directory.as_ref().unwrap().path();
        let parts = [("name=f; filename=\"b c\"", "x"), ("name=f; filename=d", "y")];
        let reply = ask_command(&serving, &form("/", "Connection: close\r\n", &parts));
        assert!(reply.starts_with("HTTP/1.0 303 See Other\r\n"), "{way:?}: {reply}");
        assert_eq!(fs::read_to_string(directory.join("b c")).unwrap(), "x");
        let page = ask_command(&serving, "GET / HTTP/1.0\r\n\r\n");
        assert!(page.contains("b%20c") && page.contains("<form"), "{page}");
        let old = form("/", "", &parts[..1]).replace("HTTP/1.1", "HTTP/1.0");
        assert!(ask_command(&serving, &old).starts_with("HTTP/1.0 409 "));
    }
}

#[test]
fn curl_sends_several_files_by_a_form() {
    let serving = Serving::start(&["-b", "127.0.0.1", "--upload", "-p", "1.1"]);
    let directory = serving.directory.as_ref().unwrap().path();
    let source = tempfile::tempdir().unwrap();
    let file = source.path().join("f\u{fc}r.bin");
    fs::write(&file, vec![7; 2_000_000]).unwrap();
    let field = format!("file=@{}", file.display());
    let url = format!("http://127.0.0.1:{}/", serving.port);
    let other = format!("{field};filename=other");
    let arguments = ["-sS", "-w", "%{http_code}", "-F", &field, "-F", &other, &url];
    let Ok(output) = Command::new("curl").args(arguments).env_remove("http_proxy").output() else {
        println!("skipped: there is no curl");
        return;
    };
    assert_eq!(text(&output.stdout), "303", "{}", text(&output.stderr));
    for name in ["f\u{fc}r.bin", "other"] {
        assert_eq!(fs::read(directory.join(name)).unwrap().len(), 2_000_000);
    }
}

/// Uploads by the form of a listing: three times by its script, of which the second time fails, and
/// the third for one of two files, then without it. What happens is reported by paths that are
/// asked for.
const PAGE: &str = "<iframe id=f src=/up/></iframe><script>
const frame = document.getElementById('f');
const report = text => fetch('/report?' + encodeURIComponent(text));
const choose = (name, size, other) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(size)], name));
    if (other) files.items.add(new File(['x'], other));
    const input = frame.contentDocument.querySelector('input');
    input.files = files.files;
    return frame.contentDocument.querySelector('form');
};
const loaded = () => new Promise(done => frame.onload = () => done());
(async () => {
    await loaded();
    let form = choose('a b.bin', 60000000);
    let bar = form.querySelector('progress'), most = 0, shown = false;
    const watch = setInterval(() => {
        shown = shown || !bar.hidden;
        most = Math.max(most, bar.value);
    }, 1);
    form.requestSubmit();
    await loaded();
    clearInterval(watch);
    report('first ' + shown + ' ' + (most > 0) + ' '
        + frame.contentDocument.body.textContent.includes('a b.bin'));
    form = choose('a b.bin', 5);
    form.requestSubmit();
    const said = form.querySelector('p');
    while (!said.textContent) await new Promise(done => setTimeout(done, 10));
    report('second ' + said.textContent.includes('is there already')
        + ' ' + form.querySelector('progress').hidden
        + ' ' + !said.textContent.includes('{'));
    // Some files of this one are taken: the page comes anew, and tells it all the same.
    choose('a b.bin', 5, 'other.bin').requestSubmit();
    await loaded();
    const page = frame.contentDocument;
    report('some ' + page.querySelector('p').textContent.includes('is there already')
        + ' ' + page.querySelector('table').textContent.includes('other.bin'));
    form = choose('plain.bin', 7);
    form.submit();
    await loaded();
    report('third ' + frame.contentDocument.body.textContent.includes('plain.bin'));
})().catch(error => report('failed ' + error));
</script>";

#[test]
fn chromium_uploads_by_the_form_with_and_without_its_script() {
    let site = Site::empty();
    site.write("page.html", PAGE);
    fs::create_dir(site.path("up")).unwrap();
    let files = site.handler().listing(Listing::Table).uploads(Uploads::default());
    let handler = noting(files).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    let url = format!("http://{}/page.html", server.address);
    let is_last = |lines: &[String]| ["?third", "?failed"].iter().any(|word| says(lines, word));
    let limit = Duration::from_secs(90);
    let Some(lines) = visit(&url, &log, limit, is_last) else { return };
    let reports = [
        "first%20true%20true%20true",
        "second%20true%20true%20true",
        "some%20true%20true",
        "third%20true",
    ];
    for report in reports {
        let told = format!("/report?{report} ");
        assert!(says(&lines, &told), "{told}: {lines:#?}");
    }
    assert_eq!(fs::metadata(site.path("up/a b.bin")).unwrap().len(), 60_000_000);
    assert_eq!(fs::metadata(site.path("up/plain.bin")).unwrap().len(), 7);
}
