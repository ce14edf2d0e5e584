//! The files that the command reads its secrets from: none is sent to clients, or replaced by them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::auth::{ADA, BOB};
use crate::certificates::{Authority, Issued};
use crate::cli::{COMMAND, Serving, fails, tree};

#[track_caller]
fn refuses(served: &Path, files: &[&str], line: &str) {
    let served = served.to_str().unwrap();
    let said = fails(&[&["0", "-b", "127.0.0.1", "-d", served], files].concat(), 2);
    let end = ", as it is in the directory that is served; move it elsewhere, or serve another \
               directory with -d\n";
    assert_eq!(said, format!("socketserver: clients could {line}{end}"), "{files:?}");
}

#[track_caller]
fn serves(served: &Path, files: &[&str]) {
    let arguments = [&["0", "-b", "127.0.0.1", "-d", served.to_str().unwrap()], files].concat();
    let serving = Serving::spawn(Command::new(COMMAND).args(arguments)).unwrap();
    assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0), "{files:?}");
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn no_secret_is_in_the_directory_that_is_served() {
    let (inside, outside) = (tree(), tempfile::tempdir().unwrap());
    let (inside, outside) = (inside.path(), outside.path());
    let sub = &inside.join("sub");
    let issued = Authority::new().issue();
    let Issued { certificate, key } = &issued;
    let both = [inside, outside].map(|place| write(place, "both.pem", &issued.both()));
    let cert = [sub, outside].map(|place| write(place, "cert.pem", certificate));
    let keys = [sub, outside].map(|place| write(place, "key.pem", key));
    let users = [sub, outside].map(|place| write(place, ".users", ADA));
    let word = [inside, outside].map(|place| write(place, "word", "open\n"));

    let names = |option: &str, path: &str| format!("read '{path}', which {option} names");
    for (files, line) in [
        (&["--tls-cert", &both[0]][..], names("--tls-cert", &both[0])),
        (&["--tls-cert", &both[0], "--tls-key", &keys[1]], names("--tls-cert", &both[0])),
        (&["--tls-cert", &cert[0], "--tls-key", &keys[0]], names("--tls-key", &keys[0])),
        (
            &["--tls-cert", &both[1], "--tls-password-file", &word[0]],
            names("--tls-password-file", &word[0]),
        ),
        (&["--auth-file", &users[0]], names("--auth-file", &users[0])),
        // Whether or not it is hidden.
        (&["--auth-file", &users[0], "--hide-dot-files"], names("--auth-file", &users[0])),
    ] {
        refuses(inside, files, &line);
    }
    // Each of several counts.
    let other = write(outside, ".others", BOB);
    let several = ["--auth-file", &other, "--auth-file", &users[0]];
    refuses(inside, &several, &names("--auth-file", &users[0]));
    // One file is served as well.
    refuses(Path::new(&users[0]), &["--auth-file", &users[0]], &names("--auth-file", &users[0]));

    serves(inside, &["--tls-cert", &both[1], "--auth-file", &users[1]]);
    // That is for everybody.
    serves(inside, &["--tls-cert", &cert[0], "--tls-key", &keys[1], "--tls-client-ca", &cert[0]]);
    serves(&inside.join("a.txt"), &["--auth-file", &users[0]]);
}

#[test]
fn a_secret_is_found_in_every_spelling_of_its_path() {
    let place = tempfile::tempdir().unwrap();
    let (site, other) = (place.path().join("site"), place.path().join("other"));
    let sub = site.join("sub");
    for directory in [&sub, &other] {
        fs::create_dir_all(directory).unwrap();
    }
    write(&sub, "users", ADA);
    write(&other, "users", ADA);
    symlink("../other", site.join("to-other")).unwrap();
    symlink("../other/users", site.join("link")).unwrap();
    symlink("../site/link", other.join("to-link")).unwrap();
    symlink("../site/sub/users", other.join("to-users")).unwrap();
    symlink("site", place.path().join("alias")).unwrap();
    symlink("endless", other.join("endless")).unwrap();

    let aliases = [site.clone(), place.path().join("alias"), other.join("../alias/./sub/..")];
    for served in &aliases {
        for path in [
            "site/sub/users",
            "alias/sub/users",
            "site/../alias/./sub/users",
            "other/to-users",
            // Those have another name inside, by which they are served.
            "site/link",
            "site/to-other/users",
            "other/to-link",
        ] {
            let path = place.path().join(path).display().to_string();
            let line = format!("read '{path}', which --auth-file names");
            refuses(served, &["--auth-file", &path], &line);
        }
        for path in ["other/users", "site/../other/users", "site/sub/../../other/users"] {
            serves(served, &["--auth-file", place.path().join(path).to_str().unwrap()]);
        }
    }
    // A name that only begins alike.
    fs::rename(&other, place.path().join("site-2")).unwrap();
    let users = place.path().join("site-2/users");
    serves(&site, &["--auth-file", users.to_str().unwrap()]);
}

#[test]
fn what_says_who_may_enter_is_not_for_clients_to_replace() {
    let (inside, outside) = (tree(), tempfile::tempdir().unwrap());
    let authority = Authority::new();
    let Issued { certificate, key } = &authority.issue();
    let place = inside.path();
    let cert = [place, outside.path()].map(|place| write(place, "cert.pem", certificate));
    let key = write(outside.path(), "key.pem", key);
    let ca = write(place, "ca.pem", &authority.pem);
    let own = ["--tls-cert", &cert[1], "--tls-key", &key];
    let in_the_tree = ["--tls-cert", &cert[0], "--tls-key", &key];
    let clients = ["--tls-client-ca", &ca];
    let line = |option: &str, path: &str| format!("replace '{path}', which {option} names");

    let replaced = [&own[..], &clients, &["--upload=replace"]].concat();
    refuses(place, &replaced, &line("--tls-client-ca", &ca));
    let replaced = [&in_the_tree[..], &["--upload=replace"]].concat();
    refuses(place, &replaced, &line("--tls-cert", &cert[0]));
    // Without =replace they stay as they are.
    serves(place, &[&in_the_tree[..], &clients, &["--upload"]].concat());
}
