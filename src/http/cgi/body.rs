//! A request's body before its script starts: what of it is stored first, and where.

use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

use crate::http::exchange::Exchange;
use crate::http::exchange::HttpError;

/// What a script is to read.
#[derive(Debug)]
pub(super) enum Body {
    Nothing,
    /// The client's bytes as they arrive.
    Arriving,
    /// All of it, in memory.
    Memory(Vec<u8>),
    /// All of it, in a file without a name, and how long it is.
    Disk(File, u64),
}

impl Body {
    /// The body of a request: a chunked one is stored up to `limit` bytes, unless that is `None`.
    ///
    /// Only then is its length known, which programs go by (RFC 3875 §4.1.2): PHP and CGI.pm read
    /// nothing without it.
    ///
    /// # Errors
    ///
    /// An [`HttpError`] 413 where it is longer and 507 where the disk is full; what reading and
    /// storing report otherwise.
    pub(super) fn of(http: &mut Exchange<'_>, limit: Option<u64>) -> io::Result<Self> {
        if http.redirects() > 0 || http.rfile.is_ended() {
            return Ok(Self::Nothing);
        }
        match limit.filter(|_| http.rfile.length().is_none()) {
            Some(limit) => Self::store(http, limit),
            None => Ok(Self::Arriving),
        }
    }

    /// How long it is, where that was found out here.
    pub(super) fn stored_length(&self) -> Option<u64> {
        match self {
            Self::Nothing | Self::Arriving => None,
            Self::Memory(bytes) => Some(bytes.len() as u64),
            Self::Disk(_, length) => Some(*length),
        }
    }

    fn store(http: &mut Exchange<'_>, limit: u64) -> io::Result<Self> {
        let mut begun = Vec::new();
        http.rfile.within(limit, 0).take(IN_MEMORY + 1).read_to_end(&mut begun)?;
        if begun.len() as u64 <= IN_MEMORY {
            return Ok(Self::Memory(begun));
        }
        let mut file = stored(http, tempfile::tempfile())?;
        let mut length = begun.len() as u64;
        let written = file.write_all(&begun);
        stored(http, written)?;
        let mut buffer = begun;
        buffer.resize(BUFFER_SIZE, 0);
        loop {
            let count = http.rfile.within(limit, length).read(&mut buffer)?;
            if count == 0 {
                break;
            }
            length += count as u64;
            let written = file.write_all(&buffer[..count]);
            stored(http, written)?;
        }
        let rewound = file.rewind();
        stored(http, rewound)?;
        Ok(Self::Disk(file, length))
    }
}

/// What came of storing, as the client is to be told.
fn stored<T>(http: &Exchange<'_>, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| {
        let place = env::temp_dir();
        let what = format!(
            "the body of a request cannot be stored in '{}' (TMPDIR): {error}",
            place.display()
        );
        match HttpError::no_room("body", &error) {
            Some(answer) => {
                http.log_error(format_args!("{what}"));
                answer.into()
            }
            None => io::Error::other(what),
        }
    })
}

/// Bytes that are kept in memory.
const IN_MEMORY: u64 = 64 * 1024;

/// Bytes that go to the disk at once.
const BUFFER_SIZE: usize = 64 * 1024;
