//! How many descriptors the command may have.

use std::iter::{once, successors};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Raises the limit of descriptors as far as the system allows. Returns the limit that the process
/// was started with, which CGI programs get.
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    // If all fail, the server has fewer connections.
    let _ = to_try(soft, hard).any(|limit| setrlimit(Resource::RLIMIT_NOFILE, limit, hard).is_ok());
    #[allow(clippy::useless_conversion, reason = "FreeBSD's limits are signed")]
    u64::try_from(soft).ok()
}

/// The limits to try, the largest first. Some systems refuse their own hard limit: macOS reports no
/// limit, and refuses more than `kern.maxfilesperproc`, which is at least `OPEN_MAX`.
fn to_try(soft: rlim_t, hard: rlim_t) -> impl Iterator<Item = rlim_t> {
    let halves = successors(Some(MAX_DESCRIPTORS), |limit| Some(limit / 2))
        .take_while(|&limit| limit > OPEN_MAX);
    let below = halves.chain([OPEN_MAX]).filter(move |&limit| limit < hard);
    once(hard).chain(below).filter(move |&limit| limit > soft)
}

/// Far more than the connections that such a process can serve.
const MAX_DESCRIPTORS: rlim_t = 1 << 20;

/// What macOS calls `OPEN_MAX`.
const OPEN_MAX: rlim_t = 10_240;

#[cfg(test)]
mod tests {
    use super::*;

    /// The resulting limit on a system that accepts limits up to `most`.
    fn raised(soft: rlim_t, hard: rlim_t, most: rlim_t) -> rlim_t {
        to_try(soft, hard).find(|&limit| limit <= most).unwrap_or(soft)
    }

    #[test]
    fn the_hard_limit_is_tried_first() {
        assert_eq!(raised(1_024, 1_048_576, rlim_t::MAX), 1_048_576);
        assert_eq!(raised(1_024, 4_096, rlim_t::MAX), 4_096);
        assert_eq!(raised(1_024, rlim_t::MAX, rlim_t::MAX), rlim_t::MAX);
        assert_eq!(to_try(4_096, 4_096).count(), 0);
    }

    #[test]
    fn a_hard_limit_that_is_refused_leaves_as_much_as_the_system_takes() {
        // Of macOS: 256, no limit, and kern.maxfilesperproc.
        assert_eq!(raised(256, rlim_t::MAX, 10_240), 10_240);
        assert_eq!(raised(256, rlim_t::MAX, 61_440), 32_768);
        assert_eq!(raised(256, rlim_t::MAX, 122_880), 65_536);
        assert_eq!(raised(256, rlim_t::MAX, 2_000_000), 1_048_576);
        // Nothing is lowered.
        assert_eq!(raised(20_000, rlim_t::MAX, 20_000), 20_000);
        assert_eq!(raised(256, rlim_t::MAX, 300), 256);
        assert!(to_try(256, 12_000).eq([12_000, 10_240]));
    }
}
