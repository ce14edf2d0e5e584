//! Uploads beside each option of the command, alone and all together, under every strategy, over
//! TLS, and behind nginx, which sends a body on as it comes, or when it has all of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;

use crate::auth::{ADA, ADAS};
use crate::cli::{Serving, eventually};
use crate::cli_asked::{WAYS, ask, has};
use crate::nginx::Nginx;
use crate::puts::{names, put};
use crate::support::{PAUSE, side_by_side};

/// An option that changes what else is sent.
const OPTIONS: &[&[&str]] = &[
    &[],
    &["--spa"],
    &["--compress"],
    &["--cors"],
    &["--auth", ADA],
    &["--url-prefix", "/x"],
    &["--confine"],
    &["--hide-dot-files"],
    &["--charset", "utf-8"],
    &["--log-format", "json"],
    &["--cgi", "--cgi-user", "root"],
    &["-H", "X-A", "b"],
    &["--listing", "table"],
    &["--healthz", "/well", "--metrics", "/numbers"],
];

/// `--spa` lists nothing.
fn all() -> Vec<&'static str> {
    let others = |option: &&&[&str]| option.first() != Some(&"--listing");
    OPTIONS.iter().filter(others).copied().flatten().copied().collect()
}

fn start(way: &[&str], options: &[&str]) -> Serving {
    let ours = ["-b", "127.0.0.1", "-p", "1.1", "--upload", "--upload-limit", "100K"];
    // `--spa` needs its page; the last argument is the directory.
    Serving::start_on(0, &[&ours, way, options].concat(), |command| {
        let directory = Path::new(command.get_args().last().unwrap());
        fs::write(directory.join("index.html"), "<p>the application").unwrap();
    })
}

/// What comes to a server that was started with these options.
struct Site<'a> {
    ask: &'a dyn Fn(&str) -> String,
    begin: &'a dyn Fn(&str),
    options: &'a [&'a str],
    directory: &'a Path,
}

impl Site<'_> {
    fn has(&self, option: &str) -> bool {
        self.options.contains(&option)
    }

    fn target(&self, name: &str) -> String {
        format!("{}/{name}", if self.has("--url-prefix") { "/x" } else { "" })
    }

    fn fields(&self, more: &str) -> String {
        let password =
            if self.has("--auth") { format!("Authorization: {ADAS}\r\n") } else { String::new() };
        format!("Connection: close\r\n{password}{more}")
    }

    fn check(&self, what: &str) {
        let mut expected: BTreeSet<_> = names(self.directory).into_iter().collect();
        let content = "some text that is long enough\n".repeat(3_000);
        let expect = |request: &str, code: u16| {
            let reply = (self.ask)(request);
            assert!(reply.starts_with(&format!("HTTP/1.1 {code} ")), "{what}: {reply}");
            assert!(!self.has("-H") || has(&reply, "X-A: b"), "{what}: {reply}");
            reply
        };
        let put_it =
            |name: &str, more: &str, body: &str| put(&self.target(name), &self.fields(more), body);
        expect(&put_it("b.txt", "If-None-Match: *\r\n", &content), 201);
        expect(&put_it("b.txt", "", "other"), 409);
        expect(&put_it("c.txt", "", &"x".repeat((100 << 10) + 1)), 413);
        expect(&put_it("missing/c.txt", "", "x"), 409);
        expect(&put_it("d.txt", "Sec-Fetch-Site: cross-site\r\n", "x"), 403);
        if self.has("--auth") {
            let request = put(&self.target("c.txt"), "Connection: close\r\n", "x");
            expect(&request, 401);
        }
        // What has come is what is sent again, whole and compressed.
        let get = |more: &str| {
            let target = self.target("b.txt");
            format!("GET {target} HTTP/1.1\r\nHost: h\r\n{}\r\n", self.fields(more))
        };
        let reply = expect(&get(""), 200);
        assert!(reply.ends_with(&format!("\r\n\r\n{content}")), "{what}");
        let head = get("Accept-Encoding: gzip\r\n").replacen("GET", "HEAD", 1);
        let reply = expect(&head, 200);
        // What a password has opened is not compressed, as its length could tell of it.
        let is_compressed = self.has("--compress") && !self.has("--auth");
        assert_eq!(has(&reply, "Content-Encoding: gzip"), is_compressed, "{what}: {reply}");
        let page = get("Accept: text/html\r\n").replace("b.txt", "some/page");
        let reply = expect(&page, if self.has("--spa") { 200 } else { 404 });
        assert_eq!(reply.ends_with("<p>the application"), self.has("--spa"), "{what}");
        // In pieces, and by a form.
        let chunked = format!(
            "PUT {} HTTP/1.1\r\nHost: h\r\n{}Transfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
            self.target("e.txt"),
            self.fields("")
        );
        expect(&chunked, 201);
        let body = "--b\r\nContent-Disposition: form-data; name=f; filename=f.txt\r\n\r\n\
                    in a form\r\n--b--\r\n";
        let form = format!(
            "POST {} HTTP/1.1\r\nHost: h\r\n{}Origin: http://h\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Length: {}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n{body}",
            self.target(""),
            self.fields(""),
            body.len()
        );
        expect(&form, 303);
        // One that does not come completely.
        let request = put_it("g.txt", "", &content);
        (self.begin)(&request[..request.len() / 2]);
        for (name, content) in [("b.txt", &*content), ("e.txt", "abcdefg"), ("f.txt", "in a form")]
        {
            assert_eq!(fs::read_to_string(self.directory.join(name)).unwrap(), content, "{what}");
            expected.insert(name.to_owned());
        }
        eventually(|| names(self.directory).into_iter().collect::<BTreeSet<_>>() == expected);
    }
}

#[test]
fn files_are_taken_beside_each_option_and_all_of_them() {
    let all = all();
    side_by_side(WAYS, |way| {
        for options in OPTIONS.iter().copied().chain([&*all]) {
            let serving = start(way, options);
            let begin = |part: &str| {
                // Over TLS this is no handshake, and has to leave nothing either.
                let _ = serving.connect().write_all(part.as_bytes());
            };
            let site = Site {
                ask: &|request| ask(&serving, request),
                begin: &begin,
                options,
                directory: serving.directory.as_ref().unwrap().path(),
            };
            site.check(&format!("{way:?} {options:?}"));
        }
    });
}

#[test]
fn files_are_taken_behind_nginx() {
    let all = all();
    for buffering in ["on", "off"] {
        for way in WAYS {
            for options in [&[][..], &all] {
                let serving = start(way, options);
                let is_tls = serving.banner.starts_with("Serving HTTPS");
                let scheme = if is_tls { "https" } else { "http" };
                let Some(nginx) = Nginx::start(&format!(
                    "client_max_body_size 0; client_body_temp_path {{here}}/bodies;
                     proxy_http_version 1.1; proxy_request_buffering {buffering};
                     proxy_ssl_verify off; proxy_set_header Host $http_host;
                     server {{
                         listen {{listen}};
                         location / {{ proxy_pass {scheme}://127.0.0.1:{}; }}
                     }}",
                    serving.port
                )) else {
                    return;
                };
                let what = format!("buffering {buffering} {way:?} {options:?}");
                let through = |request: &str| {
                    let mut client = nginx.connect();
                    // In two pieces: nginx sends the first on, or waits for the second.
                    let (first, second) = request.split_at(request.len() / 2);
                    client.send(first);
                    if second.contains("in a form") {
                        thread::sleep(PAUSE);
                    }
                    client.send(second);
                    client.read_to_end()
                };
                let site = Site {
                    ask: &through,
                    begin: &|part| nginx.connect().send(part),
                    options,
                    directory: serving.directory.as_ref().unwrap().path(),
                };
                site.check(&what);
            }
        }
    }
}
