//! What the command says of files that clients send, and which names it refuses.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use nix::unistd::geteuid;

use crate::cli::{Serving, read_to_end, text};
use crate::cli_asked::ask;
use crate::puts::{names, put};
use crate::upload_forms::form;

/// Takes files, and answers one request on a connection.
#[track_caller]
fn start(arguments: &[&str]) -> Serving {
    Serving::start(&[&["-b", "127.0.0.1", "--upload"], arguments].concat())
}

fn directory(serving: &Serving) -> &Path {
    serving.directory.as_ref().unwrap().path()
}

/// A form for the root with files of these names.
fn of_names(names: impl Iterator<Item = String>) -> String {
    let heads: Vec<String> = names.map(|name| format!("name=f; filename=\"{name}\"")).collect();
    let parts: Vec<_> = heads.iter().map(|head| (head.as_str(), "x")).collect();
    form("/", "Connection: close\r\n", &parts)
}

#[test]
fn a_form_takes_more_files_than_other_forms_have_parts() {
    let serving = start(&[]);
    let reply = ask(&serving, &of_names((0..1_200).map(|number| format!("p{number}"))));
    assert!(reply.starts_with("HTTP/1.0 303 "), "{reply}");
    assert_eq!(
        names(directory(&serving)).iter().filter(|name| name.starts_with('p')).count(),
        1_200
    );
    // Of many that are refused the first are named.
    let reply = ask(&serving, &of_names((1..1_202).map(|number| format!("p{number}"))));
    assert!(reply.starts_with("HTTP/1.0 409 "), "{reply}");
    assert!(reply.contains("p100: A file") && !reply.contains("p101: "), "{reply}");
    assert!(reply.contains("; and 1101 more; uploaded: 2, not: 1199."), "{reply}");
}

#[test]
fn a_form_that_ends_early_is_told_what_is_stored() {
    let serving = start(&[]);
    for (count, told) in [(1, "1 file was stored before"), (3, "3 files were stored before")] {
        let all = of_names((0..count).map(|number| format!("{count}-{number}")));
        let early = all.replace("--b--\r\n", "--b\r\n\r\n");
        let reply = ask(&serving, &early);
        assert!(reply.starts_with("HTTP/1.0 400 The multipart form ends early; "), "{reply}");
        assert!(reply.contains(told), "{reply}");
    }
    let nothing = of_names(["x".to_owned()].into_iter()).replace("\r\n--b--\r\n", "123456789");
    assert!(!ask(&serving, &nothing).contains("stored before"));
}

#[test]
fn names_with_blanks_around_them_are_no_names_for_files() {
    let serving = start(&["--listing", "table"]);
    let root = directory(&serving);
    for name in [" lead", ".h"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    symlink("sub", root.join("link")).unwrap();
    for target in ["/%20x", "/x%20", "/%C2%A0x", "/%20lead/x", "/.h/x"] {
        let reply = ask(&serving, &put(target, "Connection: close\r\n", "x"));
        assert!(reply.starts_with("HTTP/1.0 403 Not a name for a file"), "{target}: {reply}");
    }
    let blank = ("name=f; filename=\" a b \"", "x");
    assert!(ask(&serving, &form("/sub/", "", &[blank])).starts_with("HTTP/1.0 303 "));
    assert_eq!(names(&root.join("sub")).first().unwrap(), "a b");
    // Where no file can be made there is no form for one.
    for (target, has_form) in
        [("/", true), ("/sub/", true), ("/%20lead/", false), ("/.h/", false), ("/link/", false)]
    {
        let page = ask(&serving, &format!("GET {target} HTTP/1.0\r\n\r\n"));
        assert!(page.starts_with("HTTP/1.0 200 "), "{target}: {page}");
        assert_eq!(page.contains("<form"), has_form, "{target}");
        assert_eq!(page.contains("script-src"), has_form, "{target}");
    }
}

#[test]
fn a_forms_name_that_is_no_utf_8_is_refused() {
    let serving = start(&[]);
    let request = of_names(["a?b".to_owned()].into_iter()).into_bytes();
    let request: Vec<u8> =
        request.into_iter().map(|byte| if byte == b'?' { 0xe9 } else { byte }).collect();
    let mut client = serving.connect();
    client.write_all(&request).unwrap();
    let reply = text(&read_to_end(&mut client));
    assert!(reply.starts_with("HTTP/1.0 403 Not a name for a file"), "{reply}");
    assert!(names(directory(&serving)).iter().all(|name| !name.contains('\u{fffd}')));
}

#[test]
fn a_form_that_is_put_is_told_to_be_posted() {
    let serving = start(&[]);
    let request = form("/upload", "", &[("name=files; filename=a", "x")]);
    let reply = ask(&serving, &request.replacen("POST", "PUT", 1));
    assert!(reply.starts_with("HTTP/1.0 415 A form is for POST to a directory; "), "{reply}");
    assert!(!directory(&serving).join("upload").exists());
}

#[test]
fn a_form_does_not_lead_to_a_directory_that_is_not_listed() {
    let serving = start(&["--listing", "off"]);
    let reply = ask(&serving, &of_names(["x".to_owned()].into_iter()));
    assert!(reply.starts_with("HTTP/1.0 200 ") && !reply.contains("Location"), "{reply}");
    assert!(reply.contains("<p>1 file was uploaded.</p>"), "{reply}");
    // It has a page now.
    let reply = ask(&serving, &of_names(["index.html".to_owned()].into_iter()));
    assert!(reply.starts_with("HTTP/1.0 303 "), "{reply}");
}

#[test]
fn a_file_that_is_replaced_keeps_its_owner_where_that_may_be() {
    if !geteuid().is_root() {
        println!("skipped: only root may give files away");
        return;
    }
    let serving = Serving::start(&["-b", "127.0.0.1", "--upload=replace"]);
    let file = directory(&serving).join("a.txt");
    chown(&file, Some(65_534), Some(65_533)).unwrap();
    let reply = ask(&serving, &put("/a.txt", "Connection: close\r\n", "new"));
    assert!(reply.starts_with("HTTP/1.0 204 "), "{reply}");
    let found = fs::metadata(&file).unwrap();
    assert_eq!((found.uid(), found.gid(), found.len()), (65_534, 65_533, 3));
}
