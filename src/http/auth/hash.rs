//! A hash of a password, as `htpasswd -B` and `openssl passwd -6` write it.

use std::fmt;

use bcrypt::HashParts;
use sha_crypt::{PasswordVerifier, ShaCrypt};

/// A hash that is accepted, in its text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PasswordHash {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bcrypt,
    ShaCrypt,
}

impl PasswordHash {
    /// Reads a hash, or says what is wrong with it. The text is not in the answer: it may be a
    /// password.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let kind = if ["$2y$", "$2b$", "$2a$"].iter().any(|prefix| text.starts_with(prefix)) {
            let parts: HashParts = text.parse().map_err(|_| "is no whole bcrypt hash")?;
            if !(4..=MOST_COST).contains(&parts.get_cost()) {
                return Err("has a cost that is not from 4 to 17");
            }
            Kind::Bcrypt
        } else if let Some(rest) = text.strip_prefix("$5$") {
            check_sha_crypt(rest, 43)?;
            Kind::ShaCrypt
        } else if let Some(rest) = text.strip_prefix("$6$") {
            check_sha_crypt(rest, 86)?;
            Kind::ShaCrypt
        } else {
            return Err(match () {
                () if text.starts_with("$apr1$") || text.starts_with("$1$") => {
                    "is an MD5 hash, which is quickly guessed"
                }
                () if text.starts_with("{SHA}") => "is a SHA-1 hash, which is quickly guessed",
                () if text.starts_with("$2x$") => "is a bcrypt hash of a faulty kind",
                () if text.starts_with('$') => "is a hash of a kind that is not known here",
                // What is a password must not be tried as a hash of crypt(3), which has no mark.
                () => "is a password in plain text, or a hash that is quickly guessed",
            });
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// Tells whether this is the password's hash. Takes the time that the hash's cost says,
    /// whatever the answer.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        match self.kind {
            Kind::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            Kind::ShaCrypt => {
                ShaCrypt::default().verify_password(password, self.text.as_str()).is_ok()
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Without the hash, which does not belong into logs.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Checks what follows `$5$`: `[rounds=N$]SALT$HASH`.
fn check_sha_crypt(rest: &str, length: usize) -> Result<(), &'static str> {
    let fields = match rest.strip_prefix("rounds=").map(|rest| rest.split_once('$')) {
        None => rest,
        Some(Some((rounds, fields)))
            if rounds.parse().is_ok_and(|rounds| (1_000..=MOST_ROUNDS).contains(&rounds)) =>
        {
            fields
        }
        Some(_) => return Err("is a hash with rounds that are not from 1000 to 5000000"),
    };
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    match fields.split_once('$') {
        Some((salt, hash))
            if salt.len() <= 16
                && hash.len() == length
                && salt.bytes().chain(hash.bytes()).all(is_digit) =>
        {
            Ok(())
        }
        _ => Err("is no whole SHA-crypt hash"),
    }
}

/// Doubles the time with each step: 17 takes some seconds.
const MOST_COST: u32 = 17;

/// Some seconds, too.
const MOST_ROUNDS: u32 = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `secret`, as the programs named have written them.
    const HASHES: [&str; 4] = [
        // htpasswd -nbB -C 4
        "$2y$04$O8pJIkw5mkYa4CCue8PCNuoLVRn7geZk01PDZYq6dufIcuWk5nh8C",
        // openssl passwd -5
        "$5$l7fsDosxfn6THBXN$Mchr8htfdShTdcJWogmrzQlweD4oqmDSnjG.UCKyZL/",
        // openssl passwd -6
        "$6$HAO3ku24K4rWGNf5$pNtt4UsBfkL.Ey1mYlU9T0rWCWuJbFNs8GfHOWshMalHMJ7iXqqSaieXQi6lml2C7ll.J\
         gYci0bTqsvaytU5v0",
        // perl's crypt
        "$6$rounds=1000$abcdefgh$nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHNeLahp2EHPlAKmFFlrjEwSXGo2k\
         gY5hR2.peKEg2VGUqIJJu1",
    ];

    #[test]
    fn hashes_of_other_programs_are_verified() {
        for text in HASHES {
            let hash = PasswordHash::parse(text).expect(text);
            assert!(hash.is_of(b"secret"), "{text}");
            assert!(!format!("{hash:?}").contains('$'), "{hash:?}");
            for other in [&b"Secret"[..], b"", b"secret\0", b"secret "] {
                assert!(!hash.is_of(other), "{text}: {other:?}");
            }
        }
    }

    #[test]
    fn what_is_no_hash_to_rely_on_is_refused() {
        for (text, why) in [
            ("secret", "plain text"),
            ("", "plain text"),
            ("rl0jZDW1zRzbk", "plain text"),
            ("$apr1$JcUHZs1T$g6v8VaXmVQY2dRBxmD3Re0", "MD5"),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA-1"),
            ("$2x$04$HTPASSWD", "faulty"),
            ("$y$j9T$abc$def", "not known"),
            ("$2y$04$short", "whole bcrypt"),
            ("$2y$31$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "cost"),
            ("$2y$03$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "cost"),
            ("$5$salt", "whole SHA-crypt"),
            ("$6$salt$short", "whole SHA-crypt"),
            ("$6$rounds=1$salt$hash", "rounds"),
            ("$6$rounds=999999999$salt$hash", "rounds"),
            ("$6$rounds=5000", "rounds"),
        ] {
            let said = PasswordHash::parse(text).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
            assert!(text.len() < 6 || !said.contains(text), "{said}");
        }
    }
}
