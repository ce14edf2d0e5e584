//! Files that are kept open until clients have taken what was left of them.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::thread;

use crate::os::{self, OpenFile};

/// A file that is kept open until its clients have taken it: one descriptor for all pieces of it
/// in this process, since each is read at an offset of its own.
#[derive(Debug)]
pub(super) struct HeldFile {
    file: File,
    /// Where it is counted.
    held: &'static AtomicUsize,
}

impl HeldFile {
    /// The file, held as long as this is; `None` where too many files are held, or none more can
    /// be.
    pub(super) fn of(file: &File) -> Option<Arc<Self>> {
        let identity = OpenFile::of(file).ok()?;
        let mut shared = look_up();
        if let Some(held) =
            shared.as_ref().and_then(|shared| shared.files.get(&identity)?.upgrade())
        {
            return Some(held);
        }
        let held = Arc::new(Self::new(file, &HELD, most_files())?);
        if let Some(shared) = &mut shared {
            shared.add(identity, &held);
        }
        Some(held)
    }

    /// Holds a file, unless `most` are held that are counted here, or none more can be.
    fn new(file: &File, held: &'static AtomicUsize, most: usize) -> Option<Self> {
        // Counted by one of these, whatever comes next.
        if held.fetch_add(1, Ordering::Relaxed) < most {
            let file = file.try_clone();
            if let Ok(file) = file {
                return Some(Self { file, held });
            }
        }
        held.fetch_sub(1, Ordering::Relaxed);
        None
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The files that are held, and some that were.
#[derive(Debug, Default)]
struct Shared {
    files: HashMap<OpenFile, Weak<HeldFile>>,
    /// Those that were held are removed when there are so many in all.
    full_at: usize,
}

impl Shared {
    fn add(&mut self, identity: OpenFile, held: &Arc<HeldFile>) {
        if self.files.len() >= self.full_at {
            self.files.retain(|_, held| held.strong_count() > 0);
            self.full_at = 2 * self.files.len() + 16;
        }
        self.files.insert(identity, Arc::downgrade(held));
    }
}

/// The table, unless it is in use for long: a forked child may find it locked for ever. Then the
/// file has a descriptor of its own.
fn look_up() -> Option<MutexGuard<'static, Shared>> {
    for _ in 0..TRIES {
        match SHARED.try_lock() {
            Ok(shared) => return Some(shared),
            Err(TryLockError::Poisoned(poisoned)) => {
                return Some(PoisonError::into_inner(poisoned));
            }
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
    None
}

/// How often the table is tried, which is in use for a microsecond.
const TRIES: u32 = 20;

static SHARED: LazyLock<Mutex<Shared>> = LazyLock::new(Mutex::default);

/// Files of this process that are held.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Half of what connections leave of the descriptors, so that slow downloads do not take from
/// others what opening a file needs.
fn most_files() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let limit = os::descriptor_limit().unwrap_or(1024);
        usize::try_from(limit / 8).unwrap_or(usize::MAX)
    })
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn pieces_of_one_file_share_a_descriptor() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, b"abc").expect("a file");
        let open = || File::open(&path).expect("it is there");
        let first = HeldFile::of(&open()).expect("there is room");
        assert!(Arc::ptr_eq(&first, &HeldFile::of(&open()).expect("there is room")));
        // What can be read by one descriptor need not be by another.
        let appends = File::options().append(true).open(&path).expect("it is there");
        let other = HeldFile::of(&appends).expect("there is room");
        assert!(!Arc::ptr_eq(&first, &other));
        // Another file has its place, or its content has changed.
        (&appends).write_all(b"d").expect("there is room");
        let changed = HeldFile::of(&open()).expect("there is room");
        assert!(!Arc::ptr_eq(&first, &changed));
        std::fs::write(directory.path().join("other"), b"abc").expect("a file");
        std::fs::rename(directory.path().join("other"), &path).expect("a place");
        let replaced = HeldFile::of(&open()).expect("there is room");
        assert!(!Arc::ptr_eq(&first, &replaced) && !Arc::ptr_eq(&changed, &replaced));
        // Held no longer than by its pieces.
        let held = Arc::downgrade(&replaced);
        drop(replaced);
        assert!(held.upgrade().is_none());
        assert!(HeldFile::of(&open()).is_some());
    }

    #[test]
    fn files_that_are_held_no_more_are_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut shared = Shared::default();
        for number in 0..200_i32 {
            let path = directory.path().join(number.to_string());
            std::fs::write(&path, b"abc").expect("a file");
            let file = File::open(&path).expect("it is there");
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let held = Arc::new(HeldFile::new(&file, &COUNT, 10).expect("there is room"));
            shared.add(OpenFile::of(&file).expect("it is open"), &held);
        }
        assert!(shared.files.len() < 20, "{}", shared.files.len());
    }

    #[test]
    fn no_more_than_some_files_are_held_at_a_time() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = || COUNT.load(Ordering::Relaxed);
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("a file");
        for _ in 0..2 {
            let held: Vec<_> = (0..4).filter_map(|_| HeldFile::new(&file, &COUNT, 3)).collect();
            assert_eq!((held.len(), count()), (3, 3));
            drop(held);
            assert_eq!(count(), 0);
        }
        let limit = os::descriptor_limit().expect("there is one");
        let most = most_files() as u64;
        assert!(most > 0 && most <= limit / 8, "{most} of {limit}");
    }
}
