//! PUT while other things happen: two at once, names that change, ends in the middle.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use socketserver::http::Uploads;

use crate::puts::{names, put, taking};
use crate::support::eventually;
use crate::upload_forms::form;
use crate::web::{Browser, Site, ask};

const ROUNDS: usize = 30;

#[test]
fn of_several_that_make_a_file_one_does() {
    let site = Site::empty();
    for (replace, fields, lost) in [(false, "", 409), (true, "If-None-Match: *\r\n", 412)] {
        let server = taking(&site, Uploads::default().replace(replace));
        for round in 0..ROUNDS {
            let target = format!("/{replace}{round}");
            let together = Barrier::new(4);
            let statuses: Vec<u16> = thread::scope(|scope| {
                let put_one = |writer: usize| {
                    let (server, target, together) = (&server, &target, &together);
                    scope.spawn(move || {
                        let body = writer.to_string().repeat(10_000);
                        let mut browser = Browser::connect(server);
                        let whole = put(target, fields, &body);
                        let (most, rest) = whole.split_at(whole.len() - 5_000);
                        browser.send(most);
                        together.wait();
                        browser.send(rest).reply().status()
                    })
                };
                let running: Vec<_> = (0..4).map(put_one).collect();
                running.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let made = statuses.iter().filter(|status| **status == 201).count();
            let beaten = statuses.iter().filter(|status| **status == lost).count();
            assert_eq!((made, beaten), (1, 3), "{statuses:?}");
            let content = fs::read_to_string(site.path(&target[1..])).unwrap();
            let winner = statuses.iter().position(|status| *status == 201).unwrap();
            assert!(content == winner.to_string().repeat(10_000));
        }
    }
    assert_eq!(names(&site.path("")).len(), 2 * ROUNDS);
}

#[test]
fn no_update_is_lost_under_if_match() {
    let site = Site::empty();
    let server = taking(&site, Uploads::default().replace(true));
    let mut tag = ask(&server, put("/a", "", "0")).header("ETag").unwrap().to_owned();
    for _ in 0..ROUNDS {
        let together = Barrier::new(4);
        let replies: Vec<(u16, Option<String>)> = thread::scope(|scope| {
            let put_one = |writer: usize| {
                let (server, tag, together) = (&server, &tag, &together);
                scope.spawn(move || {
                    let fields = format!("If-Match: {tag}\r\n");
                    let mut browser = Browser::connect(server);
                    let whole = put("/a", &fields, &writer.to_string());
                    browser.send(&whole[..whole.len() - 1]);
                    together.wait();
                    let reply = browser.send(&whole[whole.len() - 1..]).reply();
                    (reply.status(), reply.header("ETag").map(str::to_owned))
                })
            };
            let running: Vec<_> = (0..4).map(put_one).collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let stored: Vec<_> = replies.iter().filter(|(status, _)| *status == 204).collect();
        let [(_, Some(next))] = stored[..] else { panic!("{replies:?}") };
        assert!(replies.iter().all(|(status, _)| matches!(status, 204 | 412)), "{replies:?}");
        tag.clone_from(next);
    }
    assert_eq!(names(&site.path("")), ["a"]);
}

#[test]
fn readers_see_one_content_or_the_other() {
    let site = Site::empty();
    let server = taking(&site, Uploads::default().replace(true));
    let bodies = ["a".repeat(200_000), "b".repeat(100_000)];
    assert_eq!(ask(&server, put("/f", "", &bodies[0])).status(), 201);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..2 * ROUNDS {
                assert_eq!(ask(&server, put("/f", "", &bodies[round % 2])).status(), 204);
            }
            ended.store(true, Ordering::Relaxed);
        });
        while !ended.load(Ordering::Relaxed) {
            let reply = ask(&server, "GET /f HTTP/1.0\r\n\r\n");
            let body = reply.text();
            assert!(bodies.iter().any(|it| it == body), "{} bytes", body.len());
        }
    });
}

#[test]
fn a_directory_that_becomes_a_link_leads_no_file_outside() {
    let (site, outside) = (Site::empty(), Site::empty());
    fs::create_dir(site.path("real")).unwrap();
    symlink(outside.path(""), site.path("aside")).unwrap();
    let server = taking(&site, Uploads::default().replace(true));
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // The name is that of the directory and of the link in turn.
            while !ended.load(Ordering::Relaxed) {
                fs::rename(site.path("real"), site.path("way")).unwrap();
                fs::rename(site.path("way"), site.path("real")).unwrap();
                fs::rename(site.path("aside"), site.path("way")).unwrap();
                fs::rename(site.path("way"), site.path("aside")).unwrap();
            }
        });
        let mut made = 0;
        let mut refused = 0;
        let mut browser = Browser::connect(&server);
        for round in 0..5_000 {
            let reply = browser.ask(put(&format!("/way/{}", round % 7), "", "x"));
            match reply.status() {
                201 | 204 => made += 1,
                409 => {
                    refused += 1;
                    browser = Browser::connect(&server);
                }
                status => panic!("{status}"),
            }
            if made >= 100 && refused >= 100 {
                break;
            }
        }
        ended.store(true, Ordering::Relaxed);
        assert!(made > 0 && refused > 0, "{made} {refused}");
    });
    assert_eq!(names(&outside.path("")), [""; 0]);
}

#[test]
fn a_name_that_becomes_a_link_leads_no_content_outside() {
    let (site, outside) = (Site::empty(), Site::empty());
    outside.write("safe", "safe");
    let server = taking(&site, Uploads::default().replace(true));
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let _ = symlink(outside.path("safe"), site.path("new"));
                let _ = fs::rename(site.path("new"), site.path("f"));
                let _ = fs::remove_file(site.path("f"));
            }
        });
        for _ in 0..20 * ROUNDS {
            let status = ask(&server, put("/f", "", "x")).status();
            assert!(matches!(status, 201 | 204 | 409), "{status}");
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_to_string(outside.path("safe")).unwrap(), "safe");
}

#[test]
fn nothing_is_left_of_what_a_client_does_not_finish() {
    let site = Site::empty();
    let server = taking(&site, Uploads::default());
    let mut browser = Browser::connect(&server);
    browser.send(&put("/a", "", &"x".repeat(300_000))[..200_000]);
    drop(browser);
    // What is taken over by that name is all of another one.
    eventually(|| {
        let reply = ask(&server, put("/a", "", "whole"));
        matches!(reply.status(), 201 | 409)
    });
    assert_eq!(names(&site.path("")), ["a"]);
    assert_eq!(fs::read_to_string(site.path("a")).unwrap(), "whole");
}

#[test]
fn a_directory_that_goes_meanwhile_is_409() {
    let site = Site::empty();
    fs::create_dir(site.path("sub")).unwrap();
    let server = taking(&site, Uploads::default());
    let mut browser = Browser::connect(&server);
    let whole = put("/sub/a", "Expect: 100-continue\r\n", "hello");
    let (head, body) = whole.split_at(whole.len() - 5);
    assert_eq!(browser.ask(head).status(), 100);
    browser.send(&body[..2]);
    // Whether it goes before the file is begun or after.
    fs::remove_dir(site.path("sub")).unwrap();
    assert_eq!(browser.send(&body[2..]).reply().status(), 409);
    assert_eq!(names(&site.path("")), [""; 0]);
}

#[test]
fn a_directory_that_is_moved_meanwhile_takes_nothing() {
    // More than sockets hold, so that the server has begun the file when most of it is sent.
    let content = "x".repeat(16 << 20);
    for is_form in [false, true] {
        for what_follows in ["nothing", "a directory", "a link", "a link within", "the same"] {
            let (site, outside) = (Site::empty(), Site::empty());
            fs::create_dir(site.path("sub")).unwrap();
            site.write("sub/a", "old");
            let server = taking(&site, Uploads::default().replace(true));
            let mut browser = Browser::connect(&server);
            let whole = if is_form {
                form("/sub/", "Expect: 100-continue\r\n", &[("name=f; filename=a", &content)])
            } else {
                put("/sub/a", "Expect: 100-continue\r\n", &content)
            };
            let (head, body) = whole.split_at(whole.find("\r\n\r\n").unwrap() + 4);
            assert_eq!(browser.ask(head).status(), 100);
            // Without the end of the file.
            let (most, rest) = body.split_at(body.len() - 2);
            browser.send(most);
            fs::rename(site.path("sub"), outside.path("moved")).unwrap();
            match what_follows {
                "a directory" => fs::create_dir(site.path("sub")).unwrap(),
                "a link" => symlink(outside.path("moved"), site.path("sub")).unwrap(),
                "a link within" => {
                    fs::rename(outside.path("moved"), site.path("moved")).unwrap();
                    symlink("moved", site.path("sub")).unwrap();
                }
                "the same" => fs::rename(outside.path("moved"), site.path("sub")).unwrap(),
                _ => {}
            }
            let status = browser.send(rest).reply().status();
            if what_follows == "the same" {
                assert_eq!(status, if is_form { 303 } else { 204 });
                continue;
            }
            assert_eq!(status, 409, "{is_form} {what_follows}");
            let moved = [outside.path("moved"), site.path("moved")];
            let moved = moved.iter().find(|path| path.exists()).unwrap();
            assert_eq!(names(moved), ["a"], "{is_form} {what_follows}");
            assert_eq!(fs::read_to_string(moved.join("a")).unwrap(), "old");
            assert!(what_follows != "a directory" || names(&site.path("sub")).is_empty());
        }
    }
}
