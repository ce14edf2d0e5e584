//! Options whose value is one of a few words.

use std::fmt;

use clap::ValueEnum;
use socketserver::http::Listing;

/// Decides where requests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    Sequential,
    Threading,
    Forking,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OverloadPolicy {
    Shed,
    Wait,
    Refuse,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Protocol {
    #[value(name = "HTTP/1.0", alias = "1.0")]
    Http10,
    #[value(name = "HTTP/1.1", alias = "1.1")]
    Http11,
}

/// How the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    Python,
    Combined,
    Json,
}

/// How directories are listed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Listings {
    Plain,
    Table,
    Off,
}

impl From<Listings> for Listing {
    fn from(listings: Listings) -> Self {
        match listings {
            Listings::Plain => Self::Plain,
            Listings::Table => Self::Table,
            Listings::Off => Self::Off,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Forwarded {
    #[value(name = "Forwarded")]
    Forwarded,
    #[value(name = "X-Forwarded-For")]
    XForwardedFor,
}
