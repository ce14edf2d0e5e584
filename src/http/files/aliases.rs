//! Directories that are reached by other names than their own.

use std::ffi::OsStr;
use std::path::Path;

use super::SimpleHttpRequestHandler;
use super::hooks::FileHooks;
use super::no_file::NoFile;
use crate::http::exchange::Exchange;
use crate::os::name_bytes;

impl<K: FileHooks> SimpleHttpRequestHandler<K> {
    /// Tells whether what a request's target names is in one of these directories, by whichever
    /// name: `/CGI-BIN/x` is in `/cgi-bin` where a file system ignores the case of letters, and
    /// others ignore dots at the end of a name, or have short names beside the long ones.
    ///
    /// Names that differ in case alone count as the same, and so do directories that are the same
    /// for the system: those on the path, and those above what a link on the path leads to. The
    /// directory of all files is in none.
    pub(crate) fn is_below_any(
        &self,
        http: &Exchange<'_>,
        directories: &[&str],
    ) -> Result<bool, NoFile> {
        let path = self.translate_path(http, &http.path);
        let is_file = !name_bytes(&path).ends_with(b"/");
        let root = self.directory();
        let mut above: Vec<&Path> = path
            .ancestors()
            .skip(usize::from(is_file))
            .take_while(|it| *it != root && !it.as_os_str().is_empty())
            .collect();
        let Some(deepest) = above.first() else { return Ok(false) };
        let listed = directories.iter().map(|it| self.translate_path(http, it));
        let listed: Vec<_> = listed.filter(|it| it != root).collect();
        if listed.iter().any(|it| starts_alike(deepest, it)) {
            return Ok(true);
        }
        let mut known = Vec::new();
        for directory in &listed {
            known.extend(self.identity(directory)?);
        }
        // From above, so that nothing is looked up below a name that leads nowhere.
        while let Some(directory) = above.pop().filter(|_| !known.is_empty()) {
            match self.identity(directory)? {
                Some(identity) if known.contains(&identity) => return Ok(true),
                Some(identity) if is_link(directory) => {
                    if self.leads_below(directory, identity, &known)? {
                        return Ok(true);
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(false)
    }

    /// Tells whether one of these directories is above the one that a link leads to. Where that
    /// cannot be told, one may be.
    fn leads_below(
        &self,
        link: &Path,
        target: Identity,
        known: &[Identity],
    ) -> Result<bool, NoFile> {
        let root = self.identity(self.directory())?;
        let (mut path, mut last) = (link.to_owned(), Some(target));
        for _ in 0..MAX_DEPTH {
            if last == root {
                return Ok(false);
            }
            // The kernel goes up from the target, and not from the link.
            path.push("..");
            match self.identity(&path)? {
                Some(above) if known.contains(&above) => return Ok(true),
                // Above the directory of all that there is, there is that again.
                Some(above) if last == Some(above) => return Ok(false),
                Some(above) => last = Some(above),
                None => return Ok(true),
            }
        }
        Ok(true)
    }

    /// What tells a directory that may be reached from others.
    fn identity(&self, directory: &Path) -> Result<Option<Identity>, NoFile> {
        match self.tree.directory_identity(directory) {
            Ok(found) => Ok(found),
            Err(error) => match NoFile::because(&error) {
                NoFile::NotFound => Ok(None),
                // It may be there.
                why => Err(why),
            },
        }
    }
}

/// The device and the inode of a directory.
type Identity = (u64, u64);

/// Directories above the target of a link that are looked at.
const MAX_DEPTH: usize = 128;

fn is_link(path: &Path) -> bool {
    // Behind a slash at its end is what it leads to.
    path.components().as_path().is_symlink()
}

/// Tells whether a path begins with the names of another one, case aside.
fn starts_alike(path: &Path, start: &Path) -> bool {
    let mut names = path.components();
    start
        .components()
        .all(|name| names.next().is_some_and(|other| is_alike(other.as_os_str(), name.as_os_str())))
}

fn is_alike(one: &OsStr, other: &OsStr) -> bool {
    // Upper case first: some letters have several lower forms.
    let folded = |name: &OsStr| name.to_string_lossy().to_uppercase().to_lowercase();
    one == other || folded(one) == folded(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_whatever_the_case_of_their_letters() {
        for (path, start, expected) in [
            ("/srv/cgi-bin", "/srv/cgi-bin", true),
            ("/srv/CGI-Bin/sub", "/srv/cgi-bin", true),
            // KELVIN SIGN, LATIN SMALL LETTER LONG S.
            ("/srv/Wor\u{212a}\u{17f}", "/srv/works", true),
            ("/srv/\u{c4}/x", "/srv/\u{e4}", true),
            ("/srv/cgi-bin2", "/srv/cgi-bin", false),
            ("/srv", "/srv/cgi-bin", false),
            ("/srv/x/cgi-bin", "/srv/cgi-bin", false),
        ] {
            assert_eq!(starts_alike(path.as_ref(), start.as_ref()), expected, "{path} {start}");
        }
    }
}
