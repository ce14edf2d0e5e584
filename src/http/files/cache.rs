//! Small files kept in memory, each looked at again before it is used.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::etag::{Identity, MIN_AGE, Validators, is_old_enough};

/// The content of small files that have not changed since they were read.
///
/// Opening, reading and closing a small file takes longer than sending it. A name is still looked
/// up for each request, and the content used only if it is the same file of the same size and
/// times; so a change shows at once, as it would without a cache.
///
/// A change through a shared mapping need not set the times (mmap(2)): only the first one sets them
/// until the kernel has written the page back, which may be never in memory (tmpfs). So no content
/// is used for longer than [`LONGEST_USE`], and its tag is of the content itself, too.
#[derive(Debug)]
pub(super) struct SmallFiles {
    entries: Mutex<HashMap<PathBuf, Entry>>,
    /// How long ago a file must have changed to be kept.
    min_age: Duration,
}

impl Default for SmallFiles {
    fn default() -> Self {
        Self { entries: Mutex::default(), min_age: MIN_AGE }
    }
}

#[derive(Debug)]
struct Entry {
    identity: Identity,
    validators: Validators,
    /// A time before it was read.
    read: SystemTime,
    content: Arc<[u8]>,
}

impl SmallFiles {
    /// The content of the file with this name, of which this was just found out, and its
    /// validators. `now` is a time before that.
    pub(super) fn get(
        &self,
        path: &Path,
        metadata: &Metadata,
        now: SystemTime,
    ) -> Option<(Arc<[u8]>, Validators)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(path)?;
        // A clock that was set back is no reason to use it for longer.
        let is_recent = now.duration_since(entry.read).is_ok_and(|age| age < LONGEST_USE);
        let is_same = is_recent && entry.identity == Identity::of(metadata);
        is_same.then(|| (Arc::clone(&entry.content), entry.validators))
    }

    /// Reads an opened file and keeps it, if it is small and old enough. `now` is a time before it
    /// was looked at.
    ///
    /// A file that was changed just now may be changed again and keep its times.
    pub(super) fn keep(
        &self,
        path: &Path,
        file: &File,
        metadata: &Metadata,
        now: SystemTime,
    ) -> io::Result<Option<(Arc<[u8]>, Validators)>> {
        let (size, identity) = (metadata.len(), Identity::of(metadata));
        if !is_small(size) || !is_old_enough(&identity, self.min_age, now) {
            return Ok(None);
        }
        let mut content = Vec::with_capacity(size as usize + 1);
        Read::take(file, size + 1).read_to_end(&mut content)?;
        if content.len() as u64 != size || Identity::of(&file.metadata()?) != identity {
            return Ok(None);
        }
        let content: Arc<[u8]> = content.into();
        let validators = Validators::of_content(&identity, &content, now);
        let entry = Entry { identity, validators, read: now, content: Arc::clone(&content) };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_FILES && !entries.contains_key(path) {
            entries.clear();
        }
        entries.insert(path.to_path_buf(), entry);
        Ok(Some((content, validators)))
    }
}

/// Tells whether the content of a file of this size is in its tag.
pub(super) fn is_small(size: u64) -> bool {
    (1..=MAX_FILE_BYTES).contains(&size)
}

/// Bytes of the largest file that is kept.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// Time after which a content is read again although the file's times are the same.
const LONGEST_USE: Duration = Duration::from_secs(1);

/// Files that are kept: 4 MiB at the most.
const MAX_FILES: usize = 256;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_changed_file_is_not_taken_from_memory() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("page");
        let files = SmallFiles { min_age: Duration::ZERO, ..SmallFiles::default() };
        let look = |files: &SmallFiles| {
            let found = files.get(&path, &fs::metadata(&path).expect("a file"), SystemTime::now());
            found.map(|(content, _)| content)
        };
        let read = || {
            let file = File::open(&path).expect("a file");
            let metadata = file.metadata().expect("a file");
            let kept = files.keep(&path, &file, &metadata, SystemTime::now());
            kept.expect("readable").map(|(content, _)| content)
        };

        fs::write(&path, "one").expect("writable");
        assert_eq!(look(&files), None);
        assert_eq!(read().as_deref(), Some(&b"one"[..]));
        assert_eq!(look(&files).as_deref(), Some(&b"one"[..]));

        // Replaced by another file of the same size and time.
        let modified =
            fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
        let other = directory.path().join("other");
        fs::write(&other, "two").expect("writable");
        File::options()
            .write(true)
            .open(&other)
            .and_then(|file| file.set_modified(modified))
            .expect("a time that can be set");
        fs::rename(&other, &path).expect("renamed");
        assert_eq!(look(&files), None);
        assert_eq!(read().as_deref(), Some(&b"two"[..]));

        // Longer.
        fs::write(&path, "three").expect("writable");
        assert_eq!(look(&files), None);
    }

    #[test]
    fn a_content_is_used_for_a_second_at_the_most() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("page");
        fs::write(&path, "one").expect("writable");
        let files = SmallFiles { min_age: Duration::ZERO, ..SmallFiles::default() };
        let (file, metadata) = (File::open(&path), fs::metadata(&path).expect("a file"));
        let read = SystemTime::now();
        files.keep(&path, &file.expect("a file"), &metadata, read).expect("readable");
        let is_used = |time| files.get(&path, &metadata, time).is_some();
        assert!(is_used(read) && is_used(read + LONGEST_USE / 2));
        assert!(!is_used(read + LONGEST_USE));
        // The clock was set back.
        assert!(!is_used(read - Duration::from_millis(1)));
    }

    #[test]
    fn only_small_files_of_some_age_are_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("page");
        let keeps = |files: &SmallFiles, content: &[u8]| {
            fs::write(&path, content).expect("writable");
            let file = File::open(&path).expect("a file");
            let metadata = file.metadata().expect("a file");
            files.keep(&path, &file, &metadata, SystemTime::now()).expect("readable").is_some()
        };
        let files = SmallFiles { min_age: Duration::ZERO, ..SmallFiles::default() };
        assert!(keeps(&files, &[1; MAX_FILE_BYTES as usize]));
        assert!(!keeps(&files, &[1; MAX_FILE_BYTES as usize + 1]));
        assert!(!keeps(&files, b""));
        assert!(!keeps(&SmallFiles::default(), b"just written"));
    }
}
