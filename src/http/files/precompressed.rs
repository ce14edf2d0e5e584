//! Files that stand compressed beside others.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::SimpleHttpRequestHandler;
use super::content::FileContent;
use super::hooks::FileHooks;
use super::mime;
use super::no_file::NoFile;
use super::tree::Tree;
use crate::http::exchange::Exchange;
use crate::http::message::accept_encoding::{AcceptEncoding, Coding};
use crate::http::message::headers::Headers;
use crate::os::name_bytes;

impl<K: FileHooks> SimpleHttpRequestHandler<K> {
    /// Opens what is to be sent of the file that the request's target names: that, or one that
    /// stands compressed beside it.
    pub(super) fn open_accepted(&self, http: &Exchange<'_>) -> Result<FileContent, NoFile> {
        if !self.tree.is_precompressed {
            return self.open(http);
        }
        let now = SystemTime::now();
        let (path, found) = self.find(http)?;
        let choice = choose(&self.tree, &path, &http.headers);
        if let Some((coding, neighbour, metadata)) = choice.neighbour
            && let Ok((source, modified, validators)) = self.content(&neighbour, metadata, now)
        {
            let file = FileContent::new(source, path, modified, validators);
            return Ok(file.chosen(Some(coding)));
        }
        let file = self.opened(path, found, now)?;
        Ok(if choice.is_negotiated { file.chosen(None) } else { file })
    }
}

/// What of a file and those beside it is sent.
#[derive(Debug, Default)]
struct Choice {
    /// One that stands beside it.
    neighbour: Option<(Coding, PathBuf, Metadata)>,
    /// There is one, so that others may be sent something else.
    is_negotiated: bool,
}

/// Chooses what a client accepts of a file and of those beside it.
///
/// Of those that are compressed, only that they are regular files is asked for, and that they may
/// be reached, as of any other. Which is newer is not: as with nginx's `gzip_static`, since copies
/// and checkouts give their files times in any order.
fn choose(tree: &Tree, path: &Path, headers: &Headers) -> Choice {
    if is_compressed(path) {
        return Choice::default();
    }
    let beside = |coding| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix(coding));
        let neighbour = PathBuf::from(name);
        let found = tree.metadata(&neighbour).ok().filter(Metadata::is_file);
        found.map(|found| (coding, neighbour, found))
    };
    let accepted: Vec<Coding> = AcceptEncoding::of(headers).order().collect();
    let neighbour = accepted.iter().copied().find_map(beside);
    let mut others = Coding::ALL.into_iter().filter(|coding| !accepted.contains(coding));
    let is_negotiated = neighbour.is_some() || others.any(|coding| beside(coding).is_some());
    Choice { neighbour, is_negotiated }
}

/// What stands at the end of a compressed file's name.
fn suffix(coding: Coding) -> &'static str {
    match coding {
        Coding::Brotli => ".br",
        Coding::Zstd => ".zst",
        Coding::Gzip => ".gz",
    }
}

/// Tells whether a name is that of a compressed file itself.
fn is_compressed(path: &Path) -> bool {
    without_suffix(name_bytes(path)).is_some() || mime::coding(path).is_some()
}

/// The name of the file in whose place one of this name is sent, if that is there.
///
/// Some file systems do not tell the case of letters apart.
pub(super) fn original(name: &OsStr) -> Option<&OsStr> {
    // No client gives a file a name that is not text.
    let name = name.to_str()?;
    let original = name.get(..without_suffix(name.as_bytes())?.len())?;
    let is_sent = !original.is_empty() && !is_compressed(Path::new(original));
    is_sent.then(|| OsStr::new(original))
}

/// A compressed file's name without what stands at its end.
fn without_suffix(name: &[u8]) -> Option<&[u8]> {
    Coding::ALL.into_iter().find_map(|coding| {
        let end = suffix(coding).as_bytes();
        let (start, last) = name.split_at_checked(name.len().checked_sub(end.len())?)?;
        last.eq_ignore_ascii_case(end).then_some(start)
    })
}
