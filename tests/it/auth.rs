//! Users and passwords in front of a handler: who passes, and what verifying costs.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use socketserver::http::testing::{respond, talk};
use socketserver::http::{BasicAuth, Exchange, HttpRequestHandler, Status, Users};

use crate::cgi_site::CgiSite;
use crate::support::MOMENT;

/// `lovelace`, at cost 4.
pub(crate) const ADA: &str = "ada:$2y$04$VLwMBbvO0R8aFcn6hdL7Xu8qINbO6bI3lqKbz1R2tTM1a7VGnDMZW";

/// `secret`, of SHA-512 crypt with 1000 rounds.
pub(crate) const BOB: &str = "bob:$6$rounds=1000$abcdefgh$nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHN\
     eLahp2EHPlAKmFFlrjEwSXGo2kgY5hR2.peKEg2VGUqIJJu1";

/// `ada:lovelace`, `bob:secret` and others as a client sends them.
pub(crate) const ADAS: &str = "Basic YWRhOmxvdmVsYWNl";
pub(crate) const BOBS: &str = "Basic Ym9iOnNlY3JldA==";
pub(crate) const ADA_WRONG: &str = "Basic YWRhOnNlY3JldA==";
pub(crate) const EVES: &str = "Basic ZXZlOmxvdmVsYWNl";

/// Answers every method with the user's name, and counts how often.
#[derive(Default)]
struct Hello {
    calls: AtomicUsize,
}

impl HttpRequestHandler for Hello {
    fn do_method(&self, http: &mut Exchange<'_>) -> std::io::Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let user = http.remote_user().unwrap_or("nobody").to_owned();
        http.send_response(200)?;
        http.send_header("Content-Length", user.len())?;
        http.end_headers()?;
        std::io::Write::write_all(&mut http.wfile, user.as_bytes())
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

pub(crate) fn users() -> Users {
    Users::default().user(ADA).unwrap().user(BOB).unwrap()
}

fn guarded() -> BasicAuth<Hello> {
    BasicAuth::new(Hello::default(), users())
}

fn request(method: &str, authorization: &str) -> String {
    let field = match authorization {
        "" => String::new(),
        value => format!("Authorization: {value}\r\n"),
    };
    format!("{method} /a HTTP/1.1\r\nHost: h\r\n{field}Connection: close\r\n\r\n")
}

#[test]
fn every_method_needs_a_right_password() {
    let handler = guarded();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        for wrong in ["", "Basic", "Bearer x", ADA_WRONG, EVES, "Basic YWRhOg==", "Basic Og=="] {
            let response = respond(&handler, request(method, wrong)).unwrap();
            assert_eq!(response.status, Status::UNAUTHORIZED, "{method} {wrong}");
            let asked = response.headers.get("WWW-Authenticate");
            assert_eq!(asked, Some("Basic realm=\"Files\", charset=\"UTF-8\""));
            assert_eq!(response.body.is_empty(), method == "HEAD", "{method}");
        }
        assert_eq!(handler.handler().calls.swap(0, Ordering::Relaxed), 0);
        for (right, name) in [(ADAS, "ada"), (BOBS, "bob"), (ADAS, "ada")] {
            let response = respond(&handler, request(method, right)).unwrap();
            assert_eq!(response.status, Status::OK, "{method} {right}");
            assert!(response.headers.get("WWW-Authenticate").is_none());
            assert!(method == "HEAD" || response.text() == name, "{method}");
        }
        assert_eq!(handler.handler().calls.swap(0, Ordering::Relaxed), 3);
    }
}

#[test]
fn two_fields_with_credentials_are_none() {
    let fields = format!("{ADAS}\r\nAuthorization: {ADAS}");
    let response = respond(&guarded(), request("GET", &fields)).unwrap();
    assert_eq!(response.status, Status::UNAUTHORIZED);
}

#[test]
fn a_body_is_not_asked_for_without_a_password() {
    let request = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let said = String::from_utf8(talk(&guarded(), request).unwrap()).unwrap();
    assert!(said.starts_with("HTTP/1.0 401 "), "{said}");
    assert!(!said.contains("100 Continue"), "{said}");
}

#[test]
fn without_users_nobody_passes_and_open_paths_need_no_password() {
    let handler = BasicAuth::new(Hello::default(), Users::default()).open_to_all("/a");
    let status = |line: &str| {
        let request = format!("{line} HTTP/1.1\r\nHost: h\r\nAuthorization: {ADAS}\r\n\r\n");
        respond(&handler, request).unwrap().status.code()
    };
    for (line, code) in [
        ("GET /a", 200),
        ("HEAD /%61?b", 200),
        ("GET /b/../a", 200),
        ("POST /a", 401),
        ("GET /a/", 401),
        ("GET /a/b", 401),
        ("GET /", 401),
    ] {
        assert_eq!(status(line), code, "{line}");
    }
}

/// `UrlPrefix` refuses such paths.
#[test]
fn a_path_that_does_not_begin_with_a_slash_opens_nothing() {
    for path in ["", "a", "http://h/a"] {
        let handler = BasicAuth::new(Hello::default(), Users::default()).open_to_all(path);
        for target in ["/", "/a", "/http:/h/a"] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(respond(&handler, request).unwrap().status, 401, "{path}: {target}");
        }
    }
}

#[test]
fn the_realm_stays_between_its_quotes() {
    let handler = guarded().realm("a\"b\\c\r\nd\u{e9}");
    let response = respond(&handler, request("GET", "")).unwrap();
    let asked = response.headers.get("WWW-Authenticate");
    assert_eq!(asked, Some("Basic realm=\"abcd\", charset=\"UTF-8\""));
}

/// Verifying with this hash takes some hundred milliseconds without optimization.
fn slow() -> Users {
    let hash = "$2y$09$erMMqLq5ZB05s1VqFqkjVu3HfA6vGpIDY33Dhh.QE.VFOWDO9sabW";
    Users::default().user(&format!("ada:{hash}")).unwrap()
}

/// The hash of another password, which takes eight times that.
fn slower() -> &'static str {
    "$2y$12$erMMqLq5ZB05s1VqFqkjVu3HfA6vGpIDY33Dhh.QE.VFOWDO9sabW"
}

fn time(handler: &BasicAuth<Hello>, authorization: &str, code: u16) -> Duration {
    let began = Instant::now();
    let response = respond(handler, request("GET", authorization)).unwrap();
    assert_eq!(response.status.code(), code, "{authorization}");
    began.elapsed()
}

#[test]
fn an_unknown_user_costs_the_time_of_a_known_one() {
    let handler = BasicAuth::new(Hello::default(), slow());
    let known: Duration = (0..3).map(|_| time(&handler, ADA_WRONG, 401)).sum();
    let unknown: Duration = (0..3).map(|_| time(&handler, EVES, 401)).sum();
    let none = time(&handler, "", 401);
    // Far from each other only if one of them is not verified at all.
    assert!(unknown * 4 > known && known * 4 > unknown, "{known:?} {unknown:?}");
    assert!(none * 4 < known, "{none:?} {known:?}");
}

/// While the only turn is taken, what would be verified is 503, and what passes is not verified.
#[test]
fn what_was_right_is_not_verified_again_for_a_while() {
    let check = |time: Option<Duration>, expected: &[(&str, u16)]| {
        // Once more where another one has had the turn, or that was over before all was asked.
        for _ in 0..10 {
            let users = slow().user(&format!("bob:{}", slower())).unwrap();
            let mut handler = BasicAuth::new(Hello::default(), users).verifications(1, 0);
            if let Some(time) = time {
                handler = handler.remember_for(time);
            }
            let code = |login| respond(&handler, request("GET", login)).unwrap().status.code();
            assert_eq!(code(ADAS), 200);
            let (has_turn, codes) = thread::scope(|scope| {
                let first = scope.spawn(|| code(BOBS));
                thread::sleep(MOMENT);
                let ask = |&(login, _): &(_, u16)| (login, code(login));
                let codes: Vec<_> = expected.iter().map(ask).collect();
                let is_running = !first.is_finished();
                (is_running && first.join().unwrap() == 401, codes)
            });
            if has_turn {
                assert_eq!(codes, expected, "{time:?}");
                return;
            }
        }
        panic!("the slow one never has the turn");
    };
    // Another password of the same user is verified, and an unknown user's.
    check(None, &[(ADAS, 200), (ADA_WRONG, 503), (EVES, 503), (ADAS, 200), ("", 401)]);
    check(Some(Duration::ZERO), &[(ADAS, 503)]);
}

#[test]
fn beyond_the_bound_of_verifications_clients_are_told_to_come_again() {
    let handler = BasicAuth::new(Hello::default(), slow()).verifications(1, 1);
    time(&handler, ADAS, 200);
    thread::scope(|scope| {
        let wrong = |number| {
            let credentials = BASE64.encode(format!("ada:{number}").as_bytes());
            respond(&handler, request("GET", &format!("Basic {credentials}"))).unwrap()
        };
        let all: Vec<_> = (0..8).map(|number| scope.spawn(move || wrong(number))).collect();
        // Who was verified before is served meanwhile.
        let known = time(&handler, ADAS, 200);
        let all: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
        let busy: Vec<_> =
            all.iter().filter(|it| it.status == Status::SERVICE_UNAVAILABLE).collect();
        let refused = all.iter().filter(|it| it.status == Status::UNAUTHORIZED).count();
        assert!((1..=6).contains(&busy.len()) && refused + busy.len() == 8, "{}", busy.len());
        assert!(busy.iter().all(|it| it.headers.get("Retry-After") == Some("1")));
        assert!(busy.iter().all(|it| it.headers.get("WWW-Authenticate").is_none()));
        assert!(known < Duration::from_secs(10), "{known:?}");
    });
}

#[test]
fn the_same_credentials_at_once_are_verified_a_few_times_and_all_are_told() {
    for (authorization, expected) in [(ADAS, 200), (ADA_WRONG, 401)] {
        let handler = BasicAuth::new(Hello::default(), slow()).verifications(1, 2);
        thread::scope(|scope| {
            let status = || respond(&handler, request("GET", authorization)).unwrap().status;
            let all: Vec<_> = (0..60).map(|_| scope.spawn(status)).collect();
            let all: Vec<_> = all.into_iter().map(|one| one.join().unwrap().code()).collect();
            assert_eq!(all, [expected; 60]);
        });
    }
}

#[test]
fn a_client_alone_does_not_hold_itself_off() {
    // Once more where the other one has had the turn.
    for _ in 0..10 {
        let users = slow().user(&format!("eve:{}", slower())).unwrap().user(BOB).unwrap();
        let handler = BasicAuth::new(Hello::default(), users).verifications(1, 0);
        let code = |who| respond(&handler, request("GET", who)).unwrap().status.code();
        // Refused while that is verified, before any password was wrong.
        let (long, refused) = thread::scope(|scope| {
            let long = scope.spawn(|| code(EVES));
            thread::sleep(MOMENT);
            let refused = code(BOBS);
            (long.join().unwrap(), refused)
        });
        if matches!(long, 200 | 401) && refused == 503 {
            assert_eq!((code(ADA_WRONG), code(ADAS)), (401, 200));
            return;
        }
    }
    panic!("no login is ever refused");
}

#[test]
fn files_of_users_are_read_and_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users");
    // The first line begins with the byte-order mark that editors of Windows write.
    fs::write(&file, format!("\u{feff}{ADA}\r\n\n# users\r\n")).unwrap();
    let users = Users::default().user(BOB).unwrap().file(&file).unwrap();
    let handler = BasicAuth::new(Hello::default(), users);
    let code = |who| respond(&handler, request("GET", who)).unwrap().status.code();
    assert_eq!((code(ADAS), code(BOBS), code(ADA_WRONG)), (200, 200, 401));
    // The password is another one: what was verified with the old one does not count.
    let (_, secret) = BOB.split_once(':').unwrap();
    fs::write(&file, format!("ada:{secret}\n")).unwrap();
    handler.reload().unwrap();
    assert_eq!((code(ADAS), code(BOBS), code(ADA_WRONG)), (401, 200, 200));
    for (text, why) in [
        ("ada:secret", "line 1"),
        (BOB, "named twice"),
        (&format!("{ADA}\n{ADA}"), "named twice"),
        ("ada", "USER:HASH is expected"),
        (":x", "a user has no name"),
    ] {
        fs::write(&file, text).unwrap();
        let said = handler.reload().unwrap_err().to_string();
        assert!(said.contains(why) && !said.contains(":secret"), "{said}");
        assert_eq!((code(BOBS), code(ADA_WRONG)), (200, 200), "{text}");
    }
    fs::remove_file(&file).unwrap();
    assert!(handler.reload().unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn a_program_is_told_the_verified_user_and_no_password() {
    let body = "printf 'Content-Type: text/plain\\n\\n'; env | grep -E 'AUTH|REMOTE_U'";
    let site = CgiSite::new(&[("who", body)]);
    let handler = BasicAuth::new(site.handler(), users());
    let request = "GET /cgi-bin/who HTTP/1.0\r\nProxy-Authorization: Basic x\r\nAuthorization: ";
    let response = respond(&handler, format!("{request}{ADAS}\r\n\r\n")).unwrap();
    let mut lines: Vec<String> = response.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["AUTH_TYPE=Basic", "REMOTE_USER=ada"]);
}
