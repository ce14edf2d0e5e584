//! The encoders of a process: how many there are at once, and those that wait for a response.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compress, Compression};

/// A bound, and encoders that were used before: to make one takes as long as to compress some
/// kilobytes.
#[derive(Debug)]
pub(super) struct Encoders {
    level: u32,
    most: usize,
    busy: AtomicUsize,
    idle: Mutex<Vec<Buffers>>,
}

/// What compressing needs.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) compress: Compress,
    /// What is compressed and was not handed out.
    pub(super) out: Vec<u8>,
}

/// An encoder in use. It counts until it is dropped.
#[derive(Debug)]
pub(super) struct Encoder {
    buffers: Option<Buffers>,
    home: Arc<Encoders>,
}

impl Encoders {
    pub(super) fn new(level: u32, most: usize) -> Self {
        Self { level, most, busy: AtomicUsize::new(0), idle: Mutex::default() }
    }

    pub(super) fn level(&self) -> u32 {
        self.level
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// An encoder, unless all are in use.
    pub(super) fn take(self: &Arc<Self>) -> Option<Encoder> {
        let more = |busy| (busy < self.most).then_some(busy + 1);
        self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffers = idle.unwrap_or_else(|| {
            let compress = Compress::new_gzip(Compression::new(self.level), WINDOW_BITS);
            Buffers { compress, out: Vec::with_capacity(OUT) }
        });
        Some(Encoder { buffers: Some(buffers), home: Arc::clone(self) })
    }
}

impl Encoder {
    pub(super) fn buffers(&mut self) -> Option<&mut Buffers> {
        self.buffers.as_mut()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        if let Some(mut buffers) = self.buffers.take() {
            let mut idle = self.home.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE {
                buffers.compress.reset();
                buffers.out.clear();
                idle.push(buffers);
            }
        }
        self.home.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// 32 KiB, the most that there is.
const WINDOW_BITS: u8 = 15;

/// Bytes that are handed out at once.
const OUT: usize = 32 * 1024;

/// Encoders that are kept for later.
const MAX_IDLE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_in_use_than_there_may_be() {
        let encoders = Arc::new(Encoders::new(1, 2));
        let (one, two) = (encoders.take(), encoders.take());
        assert!(one.is_some() && two.is_some() && encoders.take().is_none());
        drop(one);
        assert!(encoders.take().is_some());
        drop(two);
        let many: Vec<_> = (0..3).map(|_| encoders.take()).collect();
        assert_eq!(many.iter().flatten().count(), 2);
        assert!(Arc::new(Encoders::new(1, 0)).take().is_none());
    }
}
