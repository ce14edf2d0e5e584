//! The command's options for users and passwords.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::auth::{ADA, ADA_WRONG, ADAS, BOB, BOBS, EVES};
use crate::certificates::{Authority, PemFiles, TlsClient, client_config};
use crate::cli::{COMMAND, STRATEGIES, Serving, children_of, eventually, fails, pid, text};
use crate::cli_asked::{WAYS, ask};

/// A file of users, of which the command writes nothing.
struct UserFile {
    _directory: TempDir,
    path: PathBuf,
}

impl UserFile {
    fn new(content: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        let file = Self { _directory: directory, path };
        file.write(content);
        file
    }

    /// Puts another file in its place, as editors do.
    fn write(&self, content: &str) {
        let new = self.path.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, &self.path).unwrap();
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

#[track_caller]
fn code(serving: &Serving, line: &str, authorization: &str) -> String {
    let request = format!("{line} HTTP/1.0\r\nAuthorization: {authorization}\r\n\r\n");
    text(&serving.ask_bytes(&request))[9..12].to_owned()
}

#[test]
fn passwords_are_asked_for_under_every_strategy() {
    let users = UserFile::new(BOB);
    for arguments in [
        &["--concurrency", "sequential"][..],
        &["--concurrency", "threading"],
        &["--concurrency", "forking"],
        &["--processes", "2"],
        &["--processes", "2", "--concurrency", "forking"],
        &["-p", "HTTP/1.1", "--cgi"],
    ] {
        let mine = ["-b", "127.0.0.1", "--auth", ADA, "--auth-file", users.name()];
        let serving = Serving::start(&[&mine, arguments].concat());
        assert!(serving.get("/a.txt").starts_with("HTTP/1."), "{arguments:?}");
        for (who, expected) in
            [("", "401"), (ADA_WRONG, "401"), (EVES, "401"), (ADAS, "200"), (BOBS, "200")]
        {
            for path in ["/a.txt", "/", "/sub"] {
                let expected = if path == "/sub" && expected == "200" { "301" } else { expected };
                assert_eq!(code(&serving, &format!("GET {path}"), who), expected, "{who}");
            }
        }
        // Nothing is told of what there is, nor of which methods there are.
        assert_eq!(code(&serving, "GET /missing", ""), "401");
        assert_eq!(code(&serving, "POST /a.txt", ""), "401");
        assert_eq!(code(&serving, "BREW /a.txt", ""), "401");
        assert_eq!(code(&serving, "GET /missing", ADAS), "404");
        let ended = serving.stop(Signal::SIGTERM);
        // Python's line has no user.
        assert!(ended.stderr.contains("127.0.0.1 - - ["), "{}", ended.stderr);
        assert!(!ended.stderr.contains("lovelace"), "{}", ended.stderr);
    }
}

#[test]
fn a_hangup_reads_the_users_again() {
    for arguments in [
        &["--concurrency", "sequential"][..],
        &["--concurrency", "threading"],
        &["--concurrency", "forking"],
        &["--processes", "2"],
    ] {
        let users = UserFile::new(ADA);
        let mine = ["-b", "127.0.0.1", "--auth-file", users.name()];
        let serving = Serving::start(&[&mine, arguments].concat());
        assert_eq!(code(&serving, "GET /a.txt", ADAS), "200");
        assert_eq!(code(&serving, "GET /a.txt", BOBS), "401");
        users.write(BOB);
        serving.signal(Signal::SIGHUP);
        eventually(|| code(&serving, "GET /a.txt", BOBS) == "200");
        // The processes of before may still end.
        eventually(|| code(&serving, "GET /a.txt", ADAS) == "401");
        users.write("bob:secret");
        serving.signal(Signal::SIGHUP);
        let ended = {
            eventually(|| code(&serving, "GET /a.txt", BOBS) == "200");
            serving.stop(Signal::SIGTERM)
        };
        assert_eq!(ended.status, Some(0), "{arguments:?}");
        assert!(ended.stderr.contains("the old users stay: line 1 of"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("bob:secret"), "{}", ended.stderr);
    }
}

#[test]
fn users_may_come_through_a_pipe() {
    let is_known = |serving: &Serving, who: &str| {
        let request = format!("GET /a.txt HTTP/1.0\r\nAuthorization: {who}\r\n\r\n");
        ask(serving, &request).starts_with("HTTP/1.0 200 ")
    };
    let knows_them = |serving: &Serving| {
        let [ada, bob, eve] = [ADAS, BOBS, EVES].map(|who| is_known(serving, who));
        ada && bob && !eve
    };
    for way in WAYS {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("users");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let writer = {
            let pipe = pipe.clone();
            // It waits until the server reads.
            thread::spawn(move || fs::write(pipe, format!("{ADA}\n{BOB}\n")).unwrap())
        };
        let words = ["-b", "127.0.0.1", "--auth-file", pipe.to_str().unwrap()];
        let serving = Serving::start(&[&words, way].concat());
        writer.join().unwrap();
        assert!(knows_them(&serving), "{way:?}");
        serving.signal(Signal::SIGHUP);
        // The signal comes before what is asked for after it.
        for _ in 0..3 {
            assert!(knows_them(&serving), "{way:?}");
        }
        let said = serving.stop(Signal::SIGTERM).stderr;
        assert!(said.contains("the old users stay: cannot read '"), "{way:?}: {said}");
    }
}

/// A child that was forked before the signal serves a connection that is kept.
#[test]
fn a_hangup_counts_for_connections_that_are_open() {
    use std::io::Write;
    for strategy in ["threading", "forking"] {
        let users = UserFile::new(ADA);
        let arguments = ["-b", "127.0.0.1", "-p", "HTTP/1.1", "--concurrency", strategy];
        let serving = Serving::start(&[&arguments[..], &["--auth-file", users.name()]].concat());
        let request = format!("GET /a.txt HTTP/1.1\r\nHost: h\r\nAuthorization: {ADAS}\r\n\r\n");
        let mut client = serving.connect();
        client.write_all(request.as_bytes()).unwrap();
        crate::cli::read_until(&mut client, b"hello\n");
        users.write(BOB);
        serving.signal(Signal::SIGHUP);
        eventually(|| code(&serving, "GET /a.txt", BOBS) == "200");
        client.write_all(request.as_bytes()).unwrap();
        let reply = text(&crate::cli::read_to_end(&mut client));
        assert!(reply.starts_with("HTTP/1.1 401 "), "{strategy}: {reply}");
    }
}

#[test]
fn balancers_need_no_password_and_metrics_do() {
    let numbers = ["-b", "127.0.0.1", "--auth", ADA, "--metrics", "/numbers", "--healthz", "/well"];
    let serving = Serving::start(&numbers);
    assert_eq!(code(&serving, "GET /well", ""), "200");
    assert_eq!(code(&serving, "HEAD /well", ""), "200");
    assert_eq!(code(&serving, "POST /well", ""), "401");
    assert_eq!(code(&serving, "GET /numbers", ""), "401");
    assert_eq!(code(&serving, "GET /numbers", ADAS), "200");
}

#[test]
fn passwords_in_clear_text_stay_on_this_machine() {
    let refusal = "passwords would cross the network in clear text";
    for arguments in [&["0"][..], &["0", "-b", "0.0.0.0"], &["0", "--bind", "0.0.0.0", "--cgi"]] {
        let said = fails(&[arguments, &["--auth", ADA]].concat(), 2);
        assert!(said.contains(refusal), "{arguments:?}: {said}");
    }
    let told = ["-b", "0.0.0.0", "--auth", ADA, "--auth-in-clear-text"];
    assert_eq!(code(&Serving::start(&told), "GET /a.txt", ADAS), "200");
    let local = ["-b", "localhost", "--auth", ADA];
    Serving::start(&local);
    let (files, authority) = (PemFiles::new(), Authority::new());
    let cert = files.write("cert.pem", &authority.issue().both()).display().to_string();
    for strategy in STRATEGIES {
        let secure = ["--tls-cert", &cert, "--auth", ADA, "--concurrency", strategy];
        let serving = Serving::start(&secure);
        let config = std::sync::Arc::new(client_config(&authority));
        for (who, code) in [(ADAS, "200"), (EVES, "401")] {
            let mut client = TlsClient::connect(([127, 0, 0, 1], serving.port).into(), &config);
            client.send(format!("GET /a.txt HTTP/1.0\r\nAuthorization: {who}\r\n\r\n"));
            assert_eq!(&client.read_to_end()[9..12], code, "{strategy}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s").display().to_string();
    let mut command = Command::new(COMMAND);
    command.args(["--unix", &socket, "--auth", ADA]).stdout(Stdio::piped());
    let mut serving = Serving::read_banner(command.stderr(Stdio::piped()).spawn().unwrap());
    assert!(serving.banner.starts_with("Serving HTTP on unix:"));
    serving.child.kill().unwrap();
}

#[test]
fn what_is_no_user_with_a_hash_is_one_line_without_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty").display().to_string();
    fs::write(&empty, "# nobody\n").unwrap();
    let missing = directory.path().join("missing").display().to_string();
    let folder = directory.path().display().to_string();
    let (twice, again) = (UserFile::new(ADA), UserFile::new(ADA));
    for (arguments, why) in [
        (&["--auth", "ada:lovelace"][..], "make a hash with: htpasswd -nB USER"),
        (&["--auth", "lovelace"], "USER:HASH is expected"),
        (&["--auth", ":lovelace"], "--auth: a user has no name; USER:HASH is expected; see"),
        (&["--auth", "a\tb:lovelace"], "--auth: a user's name has a control character; see"),
        (&["--auth", "ada:$apr1$JcUHZs1T$lovelace"], "is an MD5 hash"),
        (&["--auth", "ada:{SHA}lovelace"], "is a SHA-1 hash"),
        (&["--auth", ADA, "--auth", ADA], "user 'ada' is named twice"),
        (&["--auth", ADA, "--auth-file", twice.name()], "user 'ada' is named twice"),
        (&["--auth-file", twice.name(), "--auth-file", again.name()], "user 'ada' is named twice"),
        (&["--auth-file", &empty], "there is no user in it"),
        (&["--auth-file", &missing], "cannot read"),
        (&["--auth-file", &folder], "it is neither a regular file nor a pipe"),
        (&["--auth-file", "/dev/null"], "it is neither a regular file nor a pipe"),
        // Standard input is that in these tests.
        (&["--auth-file", "/dev/stdin"], "it is neither a regular file nor a pipe"),
        (&["--auth-in-clear-text"], "works with --auth or --auth-file only"),
    ] {
        let said = fails(arguments, 2);
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert!(!said.contains("lovelace"), "{said}");
    }
}

#[test]
fn the_users_of_all_files_may_enter() {
    let (first, second) = (UserFile::new(ADA), UserFile::new(&format!("\u{feff}{BOB}\r\n")));
    let files = ["--auth-file", first.name(), "--auth-file", second.name()];
    let serving = Serving::start(&[&["-b", "127.0.0.1"], &files[..]].concat());
    for (user, expected) in [(ADAS, "200"), (BOBS, "200"), (ADA_WRONG, "401")] {
        assert_eq!(code(&serving, "GET /", user), expected);
    }
}

#[test]
fn a_file_of_hashes_that_everybody_can_read_is_told_of() {
    let users = UserFile::new(ADA);
    for (mode, is_told) in [(0o644, true), (0o640, false)] {
        fs::set_permissions(&users.path, fs::Permissions::from_mode(mode)).unwrap();
        let serving = Serving::start(&["-b", "127.0.0.1", "--auth-file", users.name()]);
        let said = serving.stop(Signal::SIGTERM).stderr;
        assert_eq!(said.contains("every user of this machine can read"), is_told, "{said}");
    }
}

/// Processes that the supervisor has replaced are counted in what is verified at once.
#[test]
fn passwords_are_verified_once_for_all_processes() {
    // Some hundred milliseconds each, without optimization.
    let slow = "ada:$2y$09$erMMqLq5ZB05s1VqFqkjVu3HfA6vGpIDY33Dhh.QE.VFOWDO9sabW";
    for arguments in [&["--concurrency", "forking"][..], &["--processes", "2"]] {
        let serving = Serving::start(&[&["-b", "127.0.0.1", "--auth", slow], arguments].concat());
        if arguments[0] == "--processes" {
            eventually(|| children_of(pid(&serving.child)).len() == 2);
        }
        let began = std::time::Instant::now();
        assert_eq!(code(&serving, "GET /a.txt", ADA_WRONG), "401");
        let once = began.elapsed();
        assert_eq!(code(&serving, "GET /a.txt", ADAS), "200");
        let began = std::time::Instant::now();
        for _ in 0..10 {
            assert_eq!(code(&serving, "GET /a.txt", ADAS), "200");
        }
        let ten = began.elapsed();
        assert!(ten < once * 5, "{arguments:?}: {ten:?} for ten, {once:?} for one");
    }
}
