//! The user that programs run as: the look-up of a user's numbers, which is made until it succeeds
//! once.

use std::io;
use std::sync::OnceLock;

use nix::unistd::User;

/// A user's and its group's number, once they have been found.
#[derive(Debug, Default)]
pub(super) struct Identity(OnceLock<(u32, u32)>);

impl Identity {
    /// The numbers of the user of that name.
    ///
    /// # Errors
    ///
    /// There is no such user, or the look-up failed, as with no descriptor left for `/etc/passwd`.
    /// Neither is kept: the next call looks again.
    pub(super) fn of(&self, name: &str) -> io::Result<(u32, u32)> {
        self.found_by(name, || {
            let user = User::from_name(name)?;
            Ok(user.map(|user| (user.uid.as_raw(), user.gid.as_raw())))
        })
    }

    fn found_by(
        &self,
        name: &str,
        look_up: impl FnOnce() -> io::Result<Option<(u32, u32)>>,
    ) -> io::Result<(u32, u32)> {
        if let Some(numbers) = self.0.get() {
            return Ok(*numbers);
        }
        let numbers = look_up().map_err(|error| {
            let what = format!("the user {name} to run it as cannot be looked up: {error}");
            io::Error::new(error.kind(), what)
        })?;
        let no_user = || io::Error::other(format!("there is no user {name} to run it as"));
        let numbers = numbers.ok_or_else(no_user)?;
        Ok(*self.0.get_or_init(|| numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_that_fails_is_made_again_and_one_that_succeeds_is_not() {
        let identity = Identity::default();
        let exhausted = || Err(io::Error::from(nix::errno::Errno::EMFILE));
        let error = identity.found_by("u", exhausted).expect_err("no descriptor is left");
        assert!(error.to_string().contains("user u to run it as cannot be looked up"), "{error}");
        let error = identity.found_by("u", || Ok(None)).expect_err("it is not there yet");
        assert!(error.to_string().contains("there is no user u"), "{error}");
        assert_eq!(identity.found_by("u", || Ok(Some((7, 8)))).expect("it is there"), (7, 8));
        assert_eq!(identity.found_by("u", exhausted).expect("it was found before"), (7, 8));
    }
}
