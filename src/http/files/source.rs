//! Where the bytes of a file are: in memory, or on the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use crate::http::exchange::ResponseBody;
use crate::os::read_at;

#[derive(Debug)]
pub(super) enum Source {
    Memory(Arc<[u8]>),
    File(File, u64),
}

impl Source {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(content) => content.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    /// Reads the beginning of a part.
    pub(super) fn read(&self, part: Range<u64>, target: &mut [u8]) -> io::Result<usize> {
        let left = part.end.saturating_sub(part.start);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(target.len());
        match self {
            Self::Memory(content) => (&content[part.start as usize..]).read(&mut target[..wanted]),
            Self::File(file, _) => read_at(file, &mut target[..wanted], part.start),
        }
    }

    /// Sends up to `count` bytes from `offset` on, and returns how many there were.
    pub(super) fn send(
        &self,
        wfile: &mut ResponseBody,
        offset: u64,
        count: u64,
    ) -> io::Result<u64> {
        match self {
            Self::Memory(content) => {
                let size = content.len() as u64;
                let start = offset.min(size);
                let end = start.saturating_add(count).min(size);
                wfile.write_all(&content[start as usize..end as usize])?;
                Ok(end - start)
            }
            Self::File(file, _) => wfile.send_part(file, offset, count),
        }
    }
}
