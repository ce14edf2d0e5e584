//! Content as gzip (RFC 1952), as it is written.

use std::io;

use flate2::{FlushCompress, Status};

use super::encoders::{Buffers, Encoder};
use crate::http::exchange::{ContentCoder, Out};

/// Compresses one content.
#[derive(Debug)]
pub(super) struct Gzip {
    encoder: Encoder,
}

impl Gzip {
    pub(super) fn new(encoder: Encoder) -> Self {
        Self { encoder }
    }

    fn run(&mut self, content: &[u8], flush: FlushCompress, out: Out<'_>) -> io::Result<()> {
        match self.encoder.buffers() {
            Some(buffers) => buffers.run(content, flush, out),
            None => Ok(()),
        }
    }
}

impl Buffers {
    fn run(&mut self, mut content: &[u8], flush: FlushCompress, out: Out<'_>) -> io::Result<()> {
        loop {
            let before = self.compress.total_in();
            let status = self.compress.compress_vec(content, &mut self.out, flush);
            let status = status.map_err(io::Error::other)?;
            let taken = self.compress.total_in() - before;
            content = &content[usize::try_from(taken).unwrap_or(content.len())..];
            let is_full = self.out.len() == self.out.capacity();
            if is_full {
                out(&self.out)?;
                self.out.clear();
            }
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => content.is_empty() && !is_full,
            };
            if is_done {
                return Ok(());
            }
        }
    }

    fn hand_out(&mut self, out: Out<'_>) -> io::Result<()> {
        if !self.out.is_empty() {
            out(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }
}

impl ContentCoder for Gzip {
    fn write(&mut self, content: &[u8], out: Out<'_>) -> io::Result<()> {
        self.run(content, FlushCompress::None, out)
    }

    fn flush(&mut self, out: Out<'_>) -> io::Result<()> {
        self.run(&[], FlushCompress::Sync, out)?;
        self.encoder.buffers().map_or(Ok(()), |buffers| buffers.hand_out(out))
    }

    fn finish(&mut self, out: Out<'_>) -> io::Result<()> {
        self.run(&[], FlushCompress::Finish, out)?;
        self.encoder.buffers().map_or(Ok(()), |buffers| buffers.hand_out(out))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::http::compression::encoders::Encoders;

    fn decoded(gzip: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(gzip).read_to_end(&mut content).expect("a whole gzip");
        content
    }

    proptest! {
        // Each takes long without optimisation.
        #![proptest_config(ProptestConfig {
            cases: 24,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        /// Twice, with the same encoder.
        #[test]
        fn what_is_compressed_in_pieces_is_the_same_again(
            pieces in prop::collection::vec((any::<u8>(), 0..60_000_usize, any::<bool>()), 0..8),
            level in 1..=9_u32,
        ) {
            let encoders = Arc::new(Encoders::new(level, 1));
            for _ in 0..2 {
                let mut gzip = Gzip::new(encoders.take().expect("the only one"));
                let (mut content, mut sent, mut longest) = (Vec::new(), Vec::new(), 0);
                let mut out = |piece: &[u8]| {
                    assert!(!piece.is_empty());
                    longest = longest.max(piece.len());
                    sent.extend_from_slice(piece);
                    Ok(())
                };
                let mut state = 1_u32;
                for &(seed, length, flushes) in &pieces {
                    let piece: Vec<u8> = (0..length).map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(seed.into());
                        // Of the half of them little can be made.
                        if seed & 1 == 0 { (state >> 24) as u8 } else { seed }
                    }).collect();
                    gzip.write(&piece, &mut out).expect("taken");
                    content.extend_from_slice(&piece);
                    if flushes {
                        gzip.flush(&mut out).expect("flushed");
                        gzip.flush(&mut out).expect("flushed again");
                    }
                }
                gzip.finish(&mut out).expect("finished");
                prop_assert_eq!(decoded(&sent), content);
                prop_assert!(longest <= 32 * 1024);
            }
        }
    }

    #[test]
    fn what_is_flushed_can_be_decoded_although_more_is_to_come() {
        let encoders = Arc::new(Encoders::new(5, 1));
        let mut gzip = Gzip::new(encoders.take().expect("the only one"));
        let mut sent = Vec::new();
        for text in ["one", "two"] {
            let mut out = |piece: &[u8]| {
                sent.extend_from_slice(piece);
                Ok(())
            };
            gzip.write(text.as_bytes(), &mut out).expect("taken");
            gzip.flush(&mut out).expect("flushed");
            let mut read = vec![0; 3];
            let mut decoder = flate2::read::GzDecoder::new(&sent[..]);
            if text == "two" {
                decoder.read_exact(&mut read).expect("what came before");
            }
            decoder.read_exact(&mut read).expect("what was flushed");
            assert_eq!(read, text.as_bytes());
        }
    }
}
