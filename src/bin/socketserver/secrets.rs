//! Keeps the files that the command reads its secrets from out of what is served.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{self, Component, Path, PathBuf};

use crate::args::Args;
use crate::wrong_usage;

/// Checks that no client can read a private key, a password or hashes, and that none can replace
/// what says who may enter.
///
/// # Errors
///
/// One could. The text names the file and says what to do.
pub(crate) fn check(args: &Args, served: &Path) -> io::Result<()> {
    let files = [
        ("--tls-cert", &args.tls_cert),
        ("--tls-key", &args.tls_key),
        ("--tls-password-file", &args.tls_password_file),
        ("--tls-client-ca", &args.tls_client_ca),
    ];
    let files = files.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?)));
    let of_users = args.access.auth_file.iter().map(|path| ("--auth-file", path.as_path()));
    let root = fs::canonicalize(served)?;
    for (option, path) in files.chain(of_users) {
        // Pipes are not served.
        if fs::metadata(path).is_ok_and(|file| file.is_file())
            && leads_into(&path::absolute(path)?, &root, MOST_LINKS)
            && let Some(what) = harm(args, option, path)
        {
            let name = path.display();
            return Err(wrong_usage(&format!(
                "clients could {what} '{name}', which {option} names, as it is in the directory \
                 that is served; move it elsewhere, or serve another directory with -d"
            )));
        }
    }
    Ok(())
}

/// What clients could do to a file that is served, and may not.
fn harm(args: &Args, option: &str, path: &Path) -> Option<&'static str> {
    let is_secret = match option {
        "--tls-client-ca" => false,
        "--tls-cert" => args.tls_key.is_none() || contains_key(path),
        _ => true,
    };
    // SIGHUP reads it again, as a client has left it.
    let is_replaced = args.pages.uploading.replaces();
    if is_secret { Some("read") } else { is_replaced.then_some("replace") }
}

/// Tells whether a path leads through a directory, by its names or by its symbolic links: what it
/// leads to has a name there.
fn leads_into(path: &Path, root: &Path, links_left: u32) -> bool {
    let mut components = path.components();
    let (mut here, mut is_inside) = (PathBuf::new(), false);
    while let Some(component) = components.next() {
        if component == Component::ParentDir {
            here.pop();
            is_inside = false;
        } else {
            here.push(component);
        }
        is_inside |= here.starts_with(root);
        if let Ok(target) = fs::read_link(&here) {
            here.pop();
            let rest = here.join(target).join(components.as_path());
            return is_inside || (links_left > 0 && leads_into(&rest, root, links_left - 1));
        }
    }
    is_inside
}

fn contains_key(path: &Path) -> bool {
    let mark = b"PRIVATE KEY-----";
    read(path).is_ok_and(|text| text.windows(mark.len()).any(|part| part == mark))
}

/// Reads a password, without the white space around it.
pub(crate) fn password(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read(path)?);
    let text = text.map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(text.trim().to_owned())
}

/// Reads all of a file that is not longer than secrets are; a device may have no end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LONGEST {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is longer than 1 MiB"));
    }
    Ok(content)
}

/// Bytes of a file with a secret. The library reads no longer ones either.
const LONGEST: u64 = 1 << 20;

/// As many as Linux follows.
const MOST_LINKS: u32 = 40;
