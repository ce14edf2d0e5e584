//! The handlers that the command line puts around that of the files.

use std::io;
use std::sync::Arc;

use socketserver::{Handler, ProxyProtocol};

use crate::args::Args;
use crate::handler::Files;

/// Adds the handlers that the command line asks for. They are chosen at run time: as types, each
/// combination and strategy would be compiled separately.
///
/// # Errors
///
/// A file for an error cannot be used any more.
pub(crate) fn wrap(args: &Args, files: Files) -> io::Result<Arc<dyn Handler>> {
    let trusted = files.trusted_proxies.clone();
    let has_own_log = args.running.has_own_log();
    let is_wrapped = has_own_log || args.access.is_asked_for() || args.pages.is_asked_for();
    let handler: Arc<dyn Handler> = if is_wrapped {
        // From the inside to the outside. What may be asked for without a password is checked by
        // the path below the prefix, as it is when it is answered; a preflight has no password.
        let handler = args.pages.compress(Box::new(files));
        let handler = args.pages.answer_errors(handler);
        let handler = args.access.guard(handler, args.monitoring.healthz());
        let handler = args.pages.below_prefix(handler)?;
        let handler = args.access.share(handler)?;
        Arc::new(if has_own_log { args.running.log(handler) } else { handler })
    } else {
        // What is not asked for costs no call.
        Arc::new(files)
    };
    Ok(if args.proxy_protocol { Arc::new(ProxyProtocol::new(handler, trusted)) } else { handler })
}
