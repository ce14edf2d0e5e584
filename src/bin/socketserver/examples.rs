//! The examples at the end of the help and in the manual page.

/// What each command does, and the command.
pub(crate) const EXAMPLES: [(&str, &str); 4] = [
    ("Serve the current directory on port 8000:", "socketserver"),
    (
        "Serve another directory, for clients on this machine only:",
        "socketserver 8080 -b 127.0.0.1 -d public",
    ),
    ("Try HTTPS, with a certificate that browsers warn of:", "socketserver 8443 --tls-self-signed"),
    (
        "Serve the public, by a process for each processor:",
        "socketserver 80 -p HTTP/1.1 -d /srv/www --confine --hide-dot-files --processes auto",
    ),
];

/// The examples as the end of the help.
pub(crate) fn examples() -> String {
    let lines = EXAMPLES.map(|(purpose, command)| format!("  {purpose}\n      {command}"));
    format!("Examples:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[test]
    fn every_example_is_understood() {
        for (_, command) in EXAMPLES {
            let read = Args::try_parse_from(command.split(' '));
            assert!(read.is_ok(), "{command}: {read:?}");
        }
    }
}
