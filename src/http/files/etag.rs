//! What identifies the content of a file, and what of it a client is given to ask for it again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) use crate::os::FileIdentity as Identity;

/// Tells whether the next change will give the file another identity. That is so if the last
/// change was so long ago that the clock of the file system shows another time by now, and if
/// the file has a time of the kernel, which it has not in an image of a file system.
pub(super) fn is_old_enough(identity: &Identity, min_age: Duration, now: SystemTime) -> bool {
    identity.changed.0 >= FIRST_SECOND && has_passed(identity.changed.0, min_age, now)
}

/// What a client is given to tell one content of a file from another one (RFC 9110 §8.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    /// A strong one, where the file's identity stands for its content.
    pub(crate) etag: Option<EntityTag>,
    /// The second of the last change, where that tells one content from another one.
    pub(crate) last_modified: Option<i64>,
    /// The second after which the file was certainly not changed where it is.
    pub(crate) changed: i64,
}

impl Validators {
    /// Those of a file. `now` is a time before it was looked at.
    pub(super) fn of(identity: &Identity, now: SystemTime) -> Self {
        let ((modified, _), (changed, _)) = (identity.modified, identity.changed);
        let is_telling = modified >= FIRST_SECOND && has_passed(modified, MIN_AGE, now);
        Self {
            etag: is_old_enough(identity, MIN_AGE, now).then(|| EntityTag::of(identity)),
            last_modified: is_telling.then_some(modified),
            changed: modified.max(changed),
        }
    }

    /// Those of a file whose content is known: that is in the tag, too, as a change through a
    /// shared mapping need not change the identity.
    pub(super) fn of_content(identity: &Identity, content: &[u8], now: SystemTime) -> Self {
        let others = Self::of(identity, now);
        let etag = others.etag.map(|_| EntityTag::of_file(identity, Some(content)));
        Self { etag, ..others }
    }

    /// Those of a file that is about to be replaced, with its content where that is in its tag. It
    /// has one whatever its age: a client has one of [`of`](Self::of), after which no change has
    /// left the file's identity as it was, or that of an upload, which sets a time of its own.
    pub(super) fn to_be_changed(
        identity: &Identity,
        content: Option<&[u8]>,
        now: SystemTime,
    ) -> Self {
        Self { etag: Some(EntityTag::of_file(identity, content)), ..Self::of(identity, now) }
    }
}

/// A strong entity tag, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag([u8; 18]);

impl EntityTag {
    /// A digest, as the numbers themselves would tell of the file system.
    pub(super) fn of_file(identity: &Identity, content: Option<&[u8]>) -> Self {
        match content {
            Some(content) => Self::of(&(identity, content)),
            None => Self::of(identity),
        }
    }

    fn of(identity: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        identity.hash(&mut hasher);
        Self::new(hasher.finish())
    }

    pub(crate) fn new(digest: u64) -> Self {
        let mut text = [b'"'; 18];
        for (place, byte) in text[1..17].iter_mut().enumerate() {
            *byte = b"0123456789abcdef"[(digest >> (60 - 4 * place)) as usize & 15];
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Tells whether this second was over so long ago.
fn has_passed(second: i64, min_age: Duration, now: SystemTime) -> bool {
    let second = Duration::from_secs(u64::try_from(second).unwrap_or_default());
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    second.checked_add(min_age).is_some_and(|old_enough| old_enough <= now)
}

/// Time after which a new change has another time than the last one. The clocks of file systems
/// advance in shorter steps.
pub(super) const MIN_AGE: Duration = Duration::from_secs(3);

/// The first second of 1990, before the first server of HTTP. Earlier times were set by a program
/// that gives them to all files, whatever their content: 1970 (Nix, OSTree), 1980 (zip), 1985
/// (npm).
const FIRST_SECOND: i64 = 631_152_000;

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGED: i64 = 1_700_000_000;

    fn identity(modified: i64, changed: i64) -> Identity {
        Identity {
            device: 1,
            inode: 2,
            size: 3,
            modified: (modified, 678),
            changed: (changed, 901),
        }
    }

    fn after(seconds: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs((CHANGED + seconds) as u64)
    }

    #[test]
    fn a_tag_is_of_all_that_identifies_a_file() {
        let tag = |identity: Identity| Validators::of(&identity, after(9)).etag.expect("a tag");
        let all = [
            identity(5, CHANGED),
            identity(6, CHANGED),
            identity(5, CHANGED - 1),
            Identity { device: 9, ..identity(5, CHANGED) },
            Identity { inode: 9, ..identity(5, CHANGED) },
            Identity { size: 9, ..identity(5, CHANGED) },
            Identity { modified: (5, 9), ..identity(5, CHANGED) },
            Identity { changed: (CHANGED, 9), ..identity(5, CHANGED) },
        ];
        let tags = all.map(tag);
        for (place, one) in tags.iter().enumerate() {
            assert!(tags[place + 1..].iter().all(|other| other != one), "{place}");
            let text = one.as_str().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let is_hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(text.is_some_and(|text| text.len() == 16 && is_hexadecimal(text)));
        }
        assert_eq!(tag(identity(5, CHANGED)), tags[0]);
        let of_content = |content: &[u8]| {
            Validators::of_content(&identity(5, CHANGED), content, after(9)).etag.expect("a tag")
        };
        assert_eq!(of_content(b"one"), of_content(b"one"));
        assert_ne!(of_content(b"one"), of_content(b"two"));
        assert_eq!(EntityTag::new(0x0123_4567_89ab_cdef).as_str(), "\"0123456789abcdef\"");
    }

    #[test]
    fn there_is_no_tag_before_the_next_change_would_have_another() {
        for (seconds, has_tag) in [(-5, false), (0, false), (2, false), (3, true), (99, true)] {
            let found = Validators::of(&identity(CHANGED - 99, CHANGED), after(seconds));
            assert_eq!(found.etag.is_some(), has_tag, "{seconds}");
        }
        // An image of a file system has no times of a kernel.
        for changed in [-1, 0, 1, 315_532_800, 499_162_500] {
            assert_eq!(Validators::of(&identity(changed, changed), after(9)).etag, None);
        }
    }

    #[test]
    fn a_date_is_given_where_it_tells_contents_apart() {
        let date = |modified, seconds| {
            Validators::of(&identity(modified, CHANGED), after(seconds)).last_modified
        };
        assert_eq!(date(CHANGED - 99, 0), Some(CHANGED - 99));
        for modified in [i64::MIN, -1, 0, 1, 315_532_800, 499_162_500, CHANGED + 99, i64::MAX] {
            assert_eq!(date(modified, 9), None, "{modified}");
        }
        // Within its second, and before the clock has surely gone on.
        assert_eq!(date(CHANGED, 0), None);
        assert_eq!(date(CHANGED, 2), None);
        assert_eq!(date(CHANGED, 3), Some(CHANGED));
    }
}
