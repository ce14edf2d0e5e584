//! Headers from the command line.

use std::ffi::OsString;
use std::iter;

use crate::token::is_token;
use crate::values::number;

/// A header that can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Header {
    /// Refuses what `send_header` would refuse for each response, and headers that frame the
    /// response or say which part it is, which the server sets itself.
    pub(crate) fn new(name: &str, value: &str) -> Result<Self, String> {
        if !is_token(name) {
            return Err(format!(
                "'{}' is not a header name; use -H NAME VALUE or -H 'NAME: VALUE'",
                name.escape_debug()
            ));
        }
        if FRAMING.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(format!("the header {name} is set by the server itself; leave it out"));
        }
        let plain = |character: char| match character {
            '\t' => true,
            character => !character.is_control() && character <= '\u{ff}',
        };
        if !value.chars().all(plain) {
            return Err(format!(
                "the value '{}' of the header {name} has a character that headers cannot have",
                value.escape_debug()
            ));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn is_of_content(&self) -> bool {
        OF_CONTENT.iter().any(|name| self.is_named(name))
    }

    /// Tells whether it stands beside those of other handlers: what one says that a response
    /// depends on stays true (RFC 9110 §12.5.5).
    pub(crate) fn is_added(&self) -> bool {
        self.is_named("Vary")
    }

    /// Tells whether a response with this status has the header. One that describes the content of
    /// a file is wrong for an error page.
    pub(crate) fn goes_with(&self, status: u16) -> bool {
        status >= 200 && (!self.is_of_content() || status < 300 || status == 304)
    }
}

/// The arguments with each header as two arguments, as Python 3.15 has it: curl's form,
/// `-H 'NAME: VALUE'`, becomes `-H NAME VALUE`. No name has a colon.
///
/// `-H NAME: VALUE` without quotes stays as it is, and is refused for its name: the header would be
/// empty, and the value the port.
pub(crate) fn in_two_words(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter().peekable();
    let mut split = Vec::new();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        if text == "--" {
            split.extend(iter::once(argument).chain(arguments));
            break;
        }
        let Some(attached) = attached_to_option(text) else {
            split.push(argument);
            continue;
        };
        let option = &text[..text.len() - attached.len()];
        let first = if attached.is_empty() { arguments.next() } else { Some(attached.into()) };
        split.push(option.trim_end_matches('=').into());
        let is_followed = arguments.peek().is_some_and(is_value);
        let pair = first.as_ref().and_then(|first| first.to_str()?.split_once(':'));
        match pair.filter(|(_, value)| !(value.is_empty() && is_followed)) {
            Some((name, value)) => split.extend([name, value.trim()].map(OsString::from)),
            // The next argument is the value, even if it begins with a dash.
            None => split.extend(first.into_iter().chain(arguments.next())),
        }
    }
    split
}

/// A header and its value if that is a number in an argument of its own, which may have been meant
/// as the port.
pub(crate) fn number_as_value(arguments: &[OsString]) -> Option<(String, String)> {
    arguments.windows(3).find_map(|words| {
        let [option, name, value] = [0, 1, 2].map(|word| words[word].to_str());
        let value = value.filter(|value| number::<u16>(value).is_some())?;
        let name = name.filter(|name| !name.contains(':'))?;
        attached_to_option(option?)?.is_empty().then(|| (name.to_owned(), value.to_owned()))
    })
}

/// Tells whether an argument is not an option: `-H NAME:` before an option is an empty header.
fn is_value(argument: &OsString) -> bool {
    !argument.to_string_lossy().starts_with('-')
}

/// What follows `-H`, `-qH` or `--header=` (which may be shortened) in the same argument. `None`
/// for other arguments.
fn attached_to_option(argument: &str) -> Option<&str> {
    let Some(long) = argument.strip_prefix("--") else {
        return argument.strip_prefix('-')?.trim_start_matches('q').strip_prefix('H');
    };
    let (name, attached) = long.split_once('=').unwrap_or((long, ""));
    // Fewer letters begin `--healthz`, too.
    ["head", "heade", "header"].contains(&name).then_some(attached)
}

/// Headers that describe the content of a response (RFC 9110 §8), or its place.
const OF_CONTENT: [&str; 8] = [
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Content-Type",
    "ETag",
    "Last-Modified",
    "Location",
];

/// Headers that say where a response ends, or which part of a file it is.
const FRAMING: [&str; 4] = ["Connection", "Content-Length", "Content-Range", "Transfer-Encoding"];
