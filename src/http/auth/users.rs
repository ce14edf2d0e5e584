//! Users and the hashes of their passwords.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::hash::PasswordHash;
use crate::os::{is_for_everybody, read_small_file, read_small_input};

/// Users by their names, with the hashes of their passwords.
///
/// Hashes are those of bcrypt (`htpasswd -nB USER`) and of SHA-256 and SHA-512 crypt
/// (`openssl passwd -6`, `htpasswd -n5 USER`). Others are refused, as they are guessed too quickly,
/// and so are passwords in plain text. bcrypt looks at the first 72 bytes of a password.
///
/// ```
/// use socketserver::http::Users;
///
/// let ada = "ada:$2y$04$O8pJIkw5mkYa4CCue8PCNuoLVRn7geZk01PDZYq6dufIcuWk5nh8C";
/// let users = Users::default().user(ada)?;
/// assert!(Users::default().user("ada:secret").is_err());
/// # let _ = users;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Users {
    /// Those that the program has given.
    given: Vec<(String, PasswordHash)>,
    /// These and those of the files, by name.
    all: Vec<(String, PasswordHash)>,
    files: Vec<PathBuf>,
}

impl Users {
    /// Adds a user: `NAME:HASH`.
    ///
    /// # Errors
    ///
    /// It is no name and hash, the hash is of a kind that is refused, or the user is there already.
    /// The text says what to do, and does not repeat what may be a password.
    pub fn user(mut self, line: &str) -> io::Result<Self> {
        let user = parse_line(line).map_err(invalid)?;
        self.given.push(user.clone());
        self.all.push(user);
        sort(&mut self.all)?;
        Ok(self)
    }

    /// Adds the users in a file as htpasswd writes it: a line for each, and lines that are empty or
    /// begin with `#`. A byte-order mark before the first is skipped, as some editors write one.
    ///
    /// [`BasicAuth`](super::BasicAuth) reads it again when the program hears of SIGHUP. A pipe, as
    /// `/dev/stdin` may be one, has nothing more to give then, and the old users stay.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is neither a regular one nor a pipe, is longer than 1 MiB, or has a
    /// line that [`user`](Self::user) refuses.
    pub fn file(mut self, path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        self.all.extend(users_in(&path, read_small_input(&path))?);
        self.files.push(path);
        sort(&mut self.all)?;
        Ok(self)
    }

    /// The files that everybody on this machine can read.
    pub fn files_for_everybody(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.iter().map(PathBuf::as_path);
        files.filter(|path| fs::metadata(path).is_ok_and(|file| is_for_everybody(&file)))
    }

    /// Tells whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The same users, those of the files as these are now.
    pub(super) fn read_again(&self) -> io::Result<Self> {
        let mut all = self.given.clone();
        for path in &self.files {
            all.extend(users_in(path, read_small_file(path))?);
        }
        sort(&mut all)?;
        Ok(Self { given: self.given.clone(), all, files: self.files.clone() })
    }

    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// The hash for a name, and whether it is that user's. For an unknown name it is another
    /// user's, always the same one for the same number, so that a client cannot tell by the time
    /// which names there are. `None` if there are no users.
    pub(super) fn hash_for(&self, name: &str, number: u64) -> Option<(&PasswordHash, bool)> {
        let found = self.all.binary_search_by(|(other, _)| other.as_str().cmp(name));
        let index = match found {
            Ok(index) => index,
            Err(_) => usize::try_from(number % self.all.len().max(1) as u64).unwrap_or(0),
        };
        self.all.get(index).map(|(_, hash)| (hash, found.is_ok()))
    }
}

/// The users of a file, of which this is the content.
fn users_in(path: &Path, content: io::Result<Vec<u8>>) -> io::Result<Vec<(String, PasswordHash)>> {
    let no_text = |_| io::Error::new(ErrorKind::InvalidInput, "it is no text in UTF-8");
    let text = content.and_then(|content| String::from_utf8(content).map_err(no_text));
    let text = text.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot read '{}': {error}", path.display()))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().zip(1..).map(|(line, number)| (line.trim_ascii(), number));
    let users = lines.filter(|(line, _)| !is_comment(line)).map(|(line, number)| {
        parse_line(line)
            .map_err(|what| invalid(format!("line {number} of '{}': {what}", path.display())))
    });
    users.collect()
}

/// Sorts users by name.
fn sort(users: &mut [(String, PasswordHash)]) -> io::Result<()> {
    users.sort_by(|(one, _), (other, _)| one.cmp(other));
    match users.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(invalid(format!("user '{}' is named twice", pair[0].0))),
        None => Ok(()),
    }
}

fn parse_line(line: &str) -> Result<(String, PasswordHash), String> {
    let (name, hash) = line.split_once(':').ok_or(
        "USER:HASH is expected; make such a line with: htpasswd -nB USER, or the hash with: \
         openssl passwd -6",
    )?;
    if name.is_empty() {
        return Err("a user has no name; USER:HASH is expected".to_owned());
    }
    if name.chars().any(char::is_control) {
        return Err("a user's name has a control character".to_owned());
    }
    match PasswordHash::parse(hash) {
        Ok(hash) => Ok((name.to_owned(), hash)),
        Err(why) => Err(format!(
            "what user '{name}' has {why}; make a hash with: htpasswd -nB USER, or: \
             openssl passwd -6"
        )),
    }
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn invalid(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
