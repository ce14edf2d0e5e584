//! Real programs behind the server: Python, Perl's CGI.pm, PHP and Git.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::cgi_site::{CgiSite, get, request, text};
use crate::support::Running;
use crate::web::{Browser, noting, serve};

/// Tells whether a command can be run, and says so where it cannot.
fn has(command: &str, arguments: &[&str]) -> bool {
    let found = Command::new(command).args(arguments).output();
    let has = found.is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("skipped: there is no {command} {}", arguments.join(" "));
    }
    has
}

/// A form, posted with its length and in chunks, which must make no difference.
#[track_caller]
fn submit(server: &Running, target: &str) -> String {
    let form = "name=Ada+L&tag=a&tag=b%26c";
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let length = format!("{kind}Content-Length: {}\r\n", form.len());
    let whole = request("POST", target, &length) + form;
    let (begin, end) = form.split_at(7);
    let chunks = format!("{:x}\r\n{begin}\r\n{:x}\r\n{end}\r\n0\r\n\r\n", begin.len(), end.len());
    let chunked =
        request("POST", target, &format!("{kind}Transfer-Encoding: chunked\r\n")) + &chunks;
    let [said, said_of_chunks] = [whole, chunked].map(|request| {
        let reply = Browser::connect(server).ask(request);
        assert_eq!(reply.status(), 200, "{}{}", reply.head, text(&reply));
        text(&reply).to_owned()
    });
    assert_eq!(said_of_chunks, said);
    said
}

#[test]
fn a_python_script_reads_a_form() {
    if !has("python3", &["--version"]) {
        return;
    }
    let site = CgiSite::new(&[]);
    site.script(
        "cgi-bin/form.py",
        "#!/usr/bin/env python3\nimport os, sys, urllib.parse\n\
         body = sys.stdin.read(int(os.environ['CONTENT_LENGTH']))\n\
         form = urllib.parse.parse_qs(body)\n\
         print('Content-Type: text/plain')\nprint()\nprint(form['name'], form['tag'])\n",
    );
    let (server, _) = site.serve();
    assert_eq!(submit(&server, "/cgi-bin/form.py"), "['Ada L'] ['a', 'b&c']\n");
}

#[test]
fn a_perl_script_uses_cgi_pm() {
    if !has("perl", &["-MCGI", "-e", "1"]) {
        return;
    }
    let site = CgiSite::new(&[]);
    site.script(
        "cgi-bin/form.pl",
        "#!/usr/bin/env perl\nuse CGI;\nmy $q = CGI->new;\n\
         if ($q->param('away')) { print $q->redirect('/elsewhere'); exit }\n\
         print $q->header(-type => 'text/plain', -cookie => $q->cookie(-name => 'a', -value => 'b'));\n\
         print join('|', $q->param('name'), $q->multi_param('tag'), $q->url(-path_info => 1)), \"\\n\";\n",
    );
    let (server, _) = site.serve();
    let url = "http://h/cgi-bin/form.pl/x";
    assert_eq!(submit(&server, "/cgi-bin/form.pl/x"), format!("Ada L|a|b&c|{url}\n"));
    let reply = get(&server, "/cgi-bin/form.pl?away=1");
    assert_eq!((reply.status(), reply.header("Location")), (302, Some("/elsewhere")));
    let reply = get(&server, "/cgi-bin/form.pl?name=x");
    assert_eq!(reply.header("Set-Cookie"), Some("a=b; path=/"));
    assert_eq!(reply.head.matches("\r\nDate: ").count(), 1, "{}", reply.head);
}

#[test]
fn php_runs_as_cgi() {
    if !has("php-cgi", &["-v"]) {
        return;
    }
    let site = CgiSite::new(&[]);
    let php = Command::new("sh").args(["-c", "command -v php-cgi"]).output().unwrap().stdout;
    let php = String::from_utf8(php).unwrap();
    site.script(
        "cgi-bin/form.php",
        &format!(
            "#!{php}<?php header('X-From: php'); if (isset($_GET['gone'])) http_response_code(410);\n\
             echo $_POST['name'] ?? '-', '|', $_SERVER['PATH_INFO'] ?? '-', '|', \
             $_SERVER['SCRIPT_NAME'], '|', $_COOKIE['a'] ?? '-', \"\\n\";\n"
        ),
    );
    let (server, _) = site.serve();
    let said = submit(&server, "/cgi-bin/form.php/p");
    assert_eq!(said, "Ada L|/p|/cgi-bin/form.php|-\n");
    let reply = Browser::connect(&server).ask(request(
        "GET",
        "/cgi-bin/form.php?gone=1",
        "Cookie: a=1\r\n",
    ));
    assert_eq!((reply.status(), reply.header("X-From")), (410, Some("php")));
    assert_eq!(text(&reply), "-|-|/cgi-bin/form.php|1\n");
    // An option of the interpreter's own, which once showed the source (CVE-2012-1823).
    assert!(!text(&get(&server, "/cgi-bin/form.php?-s")).contains("isset"));
}

#[test]
fn git_clones_and_pushes() {
    if !has("git", &["http-backend", "-h"]) && !has("git", &["--version"]) {
        return;
    }
    let site = CgiSite::new(&[("git", "exec git http-backend")]);
    let place = site.site.path("repositories");
    let repository = place.join("it.git");
    let work = site.site.path("work");
    git(site.site.path("").as_path(), &["init", "-q", "--bare", repository.to_str().unwrap()]);
    git(&repository, &["config", "http.receivepack", "true"]);
    let handler = site.handler().environment([
        ("GIT_PROJECT_ROOT", place.into_os_string()),
        ("GIT_HTTP_EXPORT_ALL", "1".into()),
    ]);
    let server = serve(noting(handler).http11());
    let url = format!("http://{}/cgi-bin/git/it.git", server.address);
    git(site.site.path("").as_path(), &["clone", "-q", &url, work.to_str().unwrap()]);
    // More than git sends with a length: it goes chunked.
    let large: Vec<u8> =
        (0..3_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(work.join("large"), &large).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "one"]);
    git(&work, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
    fs::write(work.join("small"), &large[..200_000]).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "two"]);
    let chunked = ["-c", "http.postBuffer=65536", "push", "-q", "origin", "HEAD:refs/heads/main"];
    git(&work, &chunked);
    let again = site.site.path("again");
    git(
        site.site.path("").as_path(),
        &["clone", "-q", "-b", "main", &url, again.to_str().unwrap()],
    );
    assert!(fs::read(again.join("large")).unwrap() == large);
}

#[track_caller]
fn git(directory: &Path, arguments: &[&str]) {
    let Output { status, stderr, .. } = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&stderr));
}
