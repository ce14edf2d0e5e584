//! The handlers that the command line puts around that of the files.

use std::sync::Arc;

use socketserver::http::{HttpRequestHandler, Metrics};
use socketserver::{Handler, ProxyProtocol};

use crate::args::Args;
use crate::handler::Files;

/// Adds the handlers that the command line asks for. They are chosen at run time: as types, each
/// combination and strategy would be compiled separately.
pub(crate) fn wrap(args: &Args, files: Files) -> Arc<dyn Handler> {
    let trusted = files.trusted_proxies.clone();
    let handler = if args.access.is_asked_for() {
        let handler = args.access.guard(Box::new(files), args.healthz.as_deref());
        count(args, handler)
    } else {
        // What is not asked for costs no call.
        count(args, files)
    };
    if args.proxy_protocol { Arc::new(ProxyProtocol::new(handler, trusted)) } else { handler }
}

/// Counts requests and answers a balancer, if that is asked for.
fn count(args: &Args, handler: impl HttpRequestHandler) -> Arc<dyn Handler> {
    if args.metrics.is_none() && args.healthz.is_none() {
        return Arc::new(handler);
    }
    let mut counted = Metrics::new(handler);
    if let Some(path) = &args.metrics {
        counted = counted.metrics(path);
    }
    if let Some(path) = &args.healthz {
        counted = counted.healthz(path);
    }
    Arc::new(counted)
}
