//! The pictures of docs/LESSON.md and docs/SOCKET_TO_POOL.md are what the lab draws today.
//!
//! `LAB_PICTURES=write cargo test --test it lab_pages::` draws them anew.

use std::env;
use std::fs;
use std::path::Path;

use crate::lab::{finish, has_python, lab, path};
use crate::shared::process::example_program;

#[test]
fn pictures_of_the_lesson_are_what_the_lab_draws() {
    assert_eq!(check("docs/LESSON.md"), 8);
}

#[test]
fn pictures_of_five_steps_are_what_the_lab_draws() {
    assert_eq!(check("docs/SOCKET_TO_POOL.md"), 5);
}

/// Runs the line below each picture of a page; returns how many there are.
fn check(page: &str) -> usize {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let mut count = 0;
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("![")) {
        count += 1;
        let (_, file) = line.trim_end_matches(')').rsplit_once('(').unwrap();
        let command = lines[number + 2].trim_matches('`');
        let arguments = command.strip_prefix("lab record ").expect(command);
        let name = file.strip_prefix("lesson/").expect(file);
        let arguments = arguments.strip_prefix(name).expect(command);
        check_picture(&root().join("docs").join(file), arguments);
    }
    count
}

/// Compares a picture with what the lab draws by these arguments.
fn check_picture(kept: &Path, arguments: &str) {
    if (arguments.contains("python:") || arguments.contains(".py")) && !has_python() {
        println!("skipped: there is no python3");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let drawn = place.path().join("drawn.svg");
    let mut command = lab(&["record", path(&drawn)]);
    // As a shell would, but that only the last argument is quoted; programs are where they are.
    let (words, quoted) = arguments.split_once('\'').unwrap_or((arguments, ""));
    command.args(words.split_whitespace());
    let built = example_program("lab").parent().unwrap().parent().unwrap().to_owned();
    let quoted =
        quoted.trim_end_matches('\'').replace("target/debug/", &format!("{}/", path(&built)));
    command.args((!quoted.is_empty()).then_some(quoted)).current_dir(root());
    finish(command, &[], 0);
    if env::var("LAB_PICTURES").is_ok_and(|what| what == "write") {
        fs::copy(&drawn, kept).unwrap();
    }
    let [kept_shape, drawn_shape] = [kept, &drawn].map(|file| {
        shape(&fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", path(file))))
    });
    assert!(drawn_shape.len() > 8, "{drawn_shape:?}");
    assert_eq!(drawn_shape, kept_shape, "{}", kept.display());
}

/// What a picture shows without its times and numbers: kinds of bars, and the texts beside them.
fn shape(picture: &str) -> Vec<String> {
    let mut shape = Vec::new();
    for part in picture.split('<') {
        let Some((kind, rest)) = part.split_once(" class='") else { continue };
        let Some((class, rest)) = rest.split_once('\'') else { continue };
        let text = rest.split_once('>').map_or("", |(_, text)| text.trim());
        match (kind, class) {
            ("rect", _) if class.starts_with("tail") => {}
            ("rect", _) => shape.push(class.split(' ').next().unwrap().to_owned()),
            ("text", "figures") => shape.push(text.split(" · ").next().unwrap().to_owned()),
            ("text", "who") if text.starts_with('✗') => shape.push("✗".to_owned()),
            // Which of the workers it is, is chance.
            ("text", "who" | "lane") => shape.push(without_numbers(text)),
            ("text", "title") => shape.push(text.to_owned()),
            _ => {}
        }
    }
    shape
}

/// Which of the workers it is, is chance; which visit it is, is not.
fn without_numbers(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        if word.starts_with("Thread-") {
            kept.push("Thread");
        } else if word.parse::<u32>().is_err() || kept.last() == Some(&"visit") {
            kept.push(word);
        }
    }
    kept.join(" ")
}

#[test]
fn a_shape_has_no_times_but_the_outcomes() {
    let picture = "<rect class='w w3' x='1.1%'><title>Thread-2: 5 ms</title></rect>\
                   <text class='who' x='2%'>visit 6 Thread-2</text><text class='time'>1 s</text>\
                   <text class='figures'>answered 5 of 6 · waited p50 1 ms</text>\
                   <text class='who'>✗ reset</text><text class='who'>visit 1 pid 17</text>";
    assert_eq!(shape(picture), ["w", "visit 6 Thread", "answered 5 of 6", "✗", "visit 1 pid"]);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
