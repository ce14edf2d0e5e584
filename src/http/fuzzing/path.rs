//! Targets: no path leads out of the root, and no location to another host.

use std::path::{Component, Path};

use super::super::files::{directory_location, translate_path};
use super::text;

/// Translates a target to a path, and to the location of a directory.
pub fn check(data: &[u8]) {
    let target = text(data);
    let root = Path::new("/root/of/files");
    let path = translate_path(root, &target);
    let below = path.strip_prefix(root).expect("every path is below the root");
    assert!(below.components().all(|one| matches!(one, Component::Normal(_))), "{below:?}");

    let location = directory_location(&target);
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{location}");
    assert!(location.starts_with('/') && !location.starts_with("//"), "{location}");
    let end = location.find(['?', '#']).unwrap_or(location.len());
    assert!(location[..end].ends_with('/'), "{location}");
    assert_eq!(directory_location(&location), location);
    if data.is_ascii() && !target.contains('\\') {
        let there = translate_path(root, &location);
        assert_eq!(there.components().as_path(), path.components().as_path(), "{location}");
    }
}
