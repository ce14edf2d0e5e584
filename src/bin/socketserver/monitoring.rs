//! Options about pages of the server's own.

use std::sync::Arc;

use clap::Args;
use socketserver::http::{HttpRequestHandler, Metrics};

use crate::values::plain_path;

/// The options.
#[derive(Args, Debug)]
#[command(next_help_heading = "Logging and monitoring")]
pub(crate) struct Monitoring {
    /// answer this path with metrics in the format of Prometheus
    ///
    /// Of -H, what describes content and Cache-Control are not for this page, nor for --healthz.
    #[arg(long, value_name = "PATH", value_parser = plain_path)]
    metrics: Option<String>,

    /// answer this path with 200 until the server is being stopped
    #[arg(long, value_name = "PATH", value_parser = plain_path)]
    healthz: Option<String>,
}

impl Monitoring {
    /// Refuses one path for both: what needs no password would have the numbers.
    ///
    /// # Errors
    ///
    /// The text is the line for the user.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (&self.metrics, &self.healthz) {
            (Some(path), Some(other)) if path == other => {
                Err(format!("--metrics and --healthz have one path, {path}; choose another"))
            }
            _ => Ok(()),
        }
    }

    /// The path that says whether all is well.
    pub(crate) fn healthz(&self) -> Option<&str> {
        self.healthz.as_deref()
    }

    /// Counts the requests of a handler and answers a balancer, if that is asked for.
    pub(crate) fn count(&self, handler: &Arc<dyn HttpRequestHandler>) -> Option<Arc<Counted>> {
        if self.metrics.is_none() && self.healthz.is_none() {
            return None;
        }
        let mut counted = Metrics::new(Arc::clone(handler));
        if let Some(path) = &self.metrics {
            counted = counted.metrics(path);
        }
        if let Some(path) = &self.healthz {
            counted = counted.healthz(path);
        }
        Some(Arc::new(counted))
    }
}

/// A handler whose requests are counted.
pub(crate) type Counted = Metrics<Arc<dyn HttpRequestHandler>>;
