//! What tests and their servers agree on.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socketserver::SIGNAL_WINDOW;

/// The longest that anything may take that does happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// How long something that must not happen is waited for.
pub(crate) const MOMENT: Duration = Duration::from_millis(50);

/// How long an operator waits before a second signal, which would be one with the first otherwise.
pub(crate) const PAUSE: Duration = Duration::from_millis(SIGNAL_WINDOW.as_millis() as u64 * 3 / 2);

/// A path for a socket that no other test has.
pub(crate) fn free_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(format!("socketserver-{process}-{number}.sock"))
}

/// So many that they would get the numbers of whatever the child has closed.
pub(crate) const FILES: usize = 24;
