//! Targets: no path leads out of the root, and no location to another host.

use std::ffi::OsString;
use std::path::{Component, Path};

use super::text;
use crate::http::files::{directory_location, directory_reference, translate_path};
use crate::http::message::target::Parts;

/// Translates a target to a path, and to the location of a directory.
pub fn check(data: &[u8]) {
    let target = text(data);
    let root = Path::new("/root/of/files");
    let path = translate_path(root, &target);
    let below = path.strip_prefix(root).expect("every path is below the root");
    assert!(below.components().all(|one| matches!(one, Component::Normal(_))), "{below:?}");

    let location = directory_location(&target);
    assert!(location.starts_with('/') && !location.starts_with("//"), "{location}");
    assert_eq!(directory_location(&location), location);
    check_location(&location);
    if data.is_ascii() {
        assert_eq!(components(&location), components(&target), "{location}");
    }

    let reference = directory_reference(&target);
    assert!(!reference.starts_with('/'), "{reference}");
    let name = reference.split('/').next().unwrap_or_default();
    assert!(!name.contains([':', '?', '#']), "{reference}");
    check_location(&reference);
    if data.is_ascii() {
        // Where a client comes that resolves it (RFC 3986 §5.2.3).
        let path = Parts::of(&target).path;
        let base = path.rfind('/').map_or("", |slash| &path[..=slash]);
        assert_eq!(components(&[base, &reference].concat()), components(&target), "{reference}");
    }
}

/// No client takes it for more than its characters, and it ends as that of a directory does.
fn check_location(location: &str) {
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{location}");
    let end = location.find(['?', '#']).unwrap_or(location.len());
    assert!(location[..end].ends_with('/'), "{location}");
}

fn components(target: &str) -> Vec<OsString> {
    let path = translate_path(Path::new(""), target);
    path.components().map(|one| one.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn no_spelling_leads_to_another_host(
            target in r"(/|//|/\\|http://h|)([a.:?#\\/ \t@]|%2f|%5c|%2e|http:|é){0,12}",
        ) {
            super::check(target.as_bytes());
        }
    }
}
