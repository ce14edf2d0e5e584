//! Writes the library's warnings to standard error.

use log::{LevelFilter, Log, Metadata, Record};

use crate::complain;

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            complain(record.args());
        }
    }

    fn flush(&self) {}
}

pub(crate) fn install() {
    if log::set_logger(&StandardError).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}
