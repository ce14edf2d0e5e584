//! What `-d` names: a directory, or one file.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use socketserver::http::{Defaults, FileHooks, SimpleHttpRequestHandler};

use crate::args::Args;
use crate::choices::Listings;
use crate::{secrets, wrong_usage};

/// A handler of what is to be served.
///
/// # Errors
///
/// It cannot be served. The text is the line for the user.
pub(crate) fn files(args: &Args) -> io::Result<SimpleHttpRequestHandler> {
    let files = match &args.directory {
        None => SimpleHttpRequestHandler::default(),
        Some(path) if fs::metadata(path).is_ok_and(|found| !found.is_dir()) => {
            check_file(path)?;
            check_options(args, path)?;
            secrets::check(args, path)?;
            return Ok(SimpleHttpRequestHandler::file(path));
        }
        Some(path) => SimpleHttpRequestHandler::new(path),
    };
    check_directory(args, files.directory())?;
    check_page(args, files.directory())?;
    secrets::check(args, files.directory())?;
    Ok(files)
}

/// Python starts without this check, and answers every request 404.
fn check_directory(args: &Args, directory: &Path) -> io::Result<()> {
    // A current directory that was removed can be opened, and has no name any more.
    let named = fs::canonicalize(directory);
    named.and_then(|_| fs::read_dir(directory)).map(drop).map_err(|error| {
        let name = directory.display();
        io::Error::other(match error.kind() {
            io::ErrorKind::NotFound if args.directory.is_none() => {
                "the current directory does not exist any more; name another one with -d".to_owned()
            }
            io::ErrorKind::NotFound => {
                format!("'{name}' does not exist; name a directory or a file with -d")
            }
            io::ErrorKind::NotADirectory => {
                format!("'{name}' is below a file; name a directory or a file with -d")
            }
            io::ErrorKind::PermissionDenied => {
                format!("'{name}' cannot be read by this user; name another directory with -d")
            }
            _ => format!("cannot read the directory '{name}': {error}"),
        })
    })
}

/// Checks that there is a page for `--spa`.
fn check_page(args: &Args, directory: &Path) -> io::Result<()> {
    let pages = Defaults.index_pages();
    if !args.pages.spa || pages.iter().any(|page| directory.join(page).is_file()) {
        return Ok(());
    }
    let name = directory.display();
    Err(io::Error::other(format!("--spa needs an index.html, and there is none in '{name}'")))
}

fn check_file(path: &Path) -> io::Result<()> {
    let name = path.display();
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        let message =
            format!("'{name}' is neither a directory nor a regular file; name one with -d");
        return Err(io::Error::other(message));
    }
    File::open(path).map(drop).map_err(|error| {
        io::Error::other(match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("'{name}' cannot be read by this user; name another file with -d")
            }
            _ => format!("cannot read the file '{name}': {error}"),
        })
    })
}

/// Checks that nothing is asked for that one file does not have, or that would hide it.
fn check_options(args: &Args, path: &Path) -> io::Result<()> {
    let name = path.display();
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let is_hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
    let of_directories = [
        (args.pages.spa, "--spa"),
        (args.cgi, "--cgi"),
        (!matches!(args.pages.listing, Listings::Plain), "--listing"),
        (args.pages.uploading.is_asked_for(), "--upload"),
    ];
    if let Some((_, option)) = of_directories.iter().find(|(is_given, _)| *is_given) {
        return Err(wrong_usage(&format!("{option} needs a directory, and '{name}' is a file")));
    }
    let message = match () {
        () if args.hide_dot_files && is_hidden => {
            format!("--hide-dot-files would hide '{name}'; leave it out")
        }
        () if args.confine && is_link => {
            format!("with --confine, name the file that '{name}' leads to")
        }
        () => return Ok(()),
    };
    Err(wrong_usage(&message))
}
