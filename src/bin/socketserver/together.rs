//! Which options need another one.

use clap::ArgMatches;
use clap::parser::ValueSource;

/// Refuses options that would change nothing, as that one is not given to which they belong.
///
/// clap's own `requires` does not say which option it is about, and lets a conflict stand for what
/// is required, as a port does for the path of a Unix socket.
///
/// # Errors
///
/// The text is the line for the user.
pub(crate) fn check(given: &ArgMatches) -> Result<(), String> {
    let is_given = |name: &str| {
        let id = name.replace('-', "_");
        given.value_source(&id) == Some(ValueSource::CommandLine)
    };
    for (option, needed) in NEEDED {
        if is_given(option) && !needed.iter().any(|name| is_given(name)) {
            let needed: Vec<String> = needed.iter().map(|name| format!("--{name}")).collect();
            return Err(format!("--{option} works with {} only", needed.join(" or ")));
        }
    }
    Ok(())
}

/// Options, and those of which one is needed. Those of TLS have Python's words, and limits of
/// threads and children need a value: `Args` checks them.
const NEEDED: [(&str, &[&str]); 10] = [
    ("auth-in-clear-text", &["auth", "auth-file"]),
    ("cgi-chunked-limit", &["cgi"]),
    ("cgi-env", &["cgi"]),
    ("cgi-timeout", &["cgi"]),
    ("cgi-user", &["cgi"]),
    ("forwarded-header", &["trusted-proxies"]),
    ("proxy-protocol", &["trusted-proxies"]),
    ("unix-mode", &["unix"]),
    ("upload-limit", &["upload"]),
    ("upload-without-auth", &["upload"]),
];
