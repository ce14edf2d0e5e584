//! What a server does with each request.

use std::any::Any;
use std::io;
use std::sync::Arc;

use crate::address::Address;
use crate::connection::{Connection, Timeouts, is_broken_tls};
use crate::printable::shown;
use crate::signal::Signal;
use crate::stderr::write_to_stderr;

/// Answers requests: Python's request handler classes as one value.
///
/// A server calls, in this order:
///
/// 1. [`timeouts`](Self::timeouts), [`client_speaks_first`](Self::client_speaks_first) and
///    [`daemon_threads`](Self::daemon_threads), once, when it is made;
/// 2. [`verify_request`](Self::verify_request), on the serving thread, for each connection;
/// 3. [`receive`](Self::receive), there too, where it serves a single request or the strategy runs
///    requests where nothing comes back from, as [`Forking`](crate::Forking) does;
/// 4. [`handle`](Self::handle), wherever the concurrency strategy runs it;
/// 5. [`handle_error`](Self::handle_error), there too, if that failed or panicked;
/// 6. [`service_actions`](Self::service_actions), on the serving thread, after each turn of its
///    loop, and [`handle_timeout`](Self::handle_timeout) where `handle_request` waited in vain;
/// 7. [`handle_signal`](Self::handle_signal), there too, when a signal comes that the server
///    watches.
///
/// Python makes one handler object for each request and calls `setup`, `handle` and `finish` on it.
/// Here one value serves all requests, from several threads at once: what belongs to one request is
/// a local variable of `handle`, what they share is an atomic or stands behind a lock, and the
/// compiler insists.
///
/// ```compile_fail,E0277
/// use std::cell::Cell;
/// use socketserver::{Connection, Handler};
///
/// struct Counter(Cell<u32>); // not shared safely: use an atomic
///
/// impl Handler for Counter {
///     fn handle(&self, _: Connection) -> std::io::Result<()> {
///         Ok(self.0.set(self.0.get() + 1))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle requests",
    note = "implement `Handler` or `http::HttpRequestHandler`",
    note = "a closure of a `Connection` or a `Datagram` is a `Handler` by `handler_fn`; of an \
            `Exchange` no closure is: implement `do_get` of a type",
    note = "a handler behind a pointer is an `Arc<H>`, a `Box<dyn Handler>`, or for HTTP a \
            `Box<dyn HttpRequestHandler>` or `Arc<dyn HttpRequestHandler>`"
)]
pub trait Handler<R = Connection>: Send + Sync + 'static {
    /// Handles one request.
    ///
    /// Dropping the connection closes it, [`Connection::park`] keeps it for another call. May
    /// block; what that delays depends on the strategy.
    ///
    /// # Errors
    ///
    /// An error means that this connection is broken. It is closed, the error is reported to
    /// [`handle_error`](Self::handle_error), and the server goes on.
    #[doc(alias = "finish_request")]
    #[doc(alias = "setup")]
    fn handle(&self, request: R) -> io::Result<()>;

    /// Takes what has arrived of a request, without waiting, and returns the request when it can be
    /// handled. The default returns it as it is.
    ///
    /// A server under [`Forking`](crate::Forking) asks this on the serving thread before it forks,
    /// so that what a client merely has to send costs no child. So does
    /// [`Server::handle_request`](crate::Server::handle_request), which returns after one request,
    /// under every strategy. Others call [`handle`](Self::handle) at once.
    ///
    /// A handler that needs more gives the connection back until then
    /// ([`Connection::park_for_more`]) and returns `None`; or drops it, where nothing is to be
    /// handled. `handle` gets the connection as it is returned here, with what was read in its
    /// buffer. HTTP handlers receive heads and bodies
    /// ([`body_buffer_size`](crate::http::HttpRequestHandler::body_buffer_size)), and
    /// [`ProxyProtocol`](crate::ProxyProtocol) its header. Not asked about datagrams.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    fn receive(&self, request: R) -> io::Result<Option<R>> {
        Ok(Some(request))
    }

    /// Decides whether a request is handled at all; `false` closes it. The default accepts all.
    fn verify_request(&self, request: &R, client_address: &Address) -> bool {
        let _ = (request, client_address);
        true
    }

    /// Hears of a request that failed, and of a strategy that could not run one.
    ///
    /// A panic arrives as an error of the kind `Other` that quotes its message. The default
    /// prints a block to standard error, laid out as Python's. A client that went away costs one
    /// line in the debug log, and one that broke the rules of TLS is a warning.
    ///
    /// Where a handler fails with `UnexpectedEof`, and the client was found to have left without
    /// sending a byte, as port scans and health checks do, the error is of the kind
    /// `ConnectionAborted`: it went away. The handler's own error is its source.
    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        print_error(client_address, error);
    }

    /// Hears of a client beyond [`Server::max_connections`](crate::Server::max_connections), where
    /// the server is to refuse those ([`Overload::Refuse`](crate::Overload::Refuse)).
    ///
    /// Runs on the serving thread and must not wait for the client. The default closes the
    /// connection; HTTP handlers answer 503 with `Retry-After` first.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    fn handle_overload(&self, request: R) -> io::Result<()> {
        drop(request);
        Ok(())
    }

    /// Called when [`Server::handle_request`](crate::Server::handle_request) has waited for the
    /// server's `timeout`. The default does nothing.
    fn handle_timeout(&self) {}

    /// Called after each turn of the serving loop; see
    /// [`Server::poll_interval`](crate::Server::poll_interval) for how often. While a server that
    /// stops waits for running requests, each second at least. The default does nothing.
    ///
    /// A panic in here belongs to no request, and ends the server: it passes through
    /// [`serve_forever`](crate::Server::serve_forever), as an exception does in Python.
    fn service_actions(&self) {}

    /// Hears of a signal, on the serving thread; of one that shuts the server down before running
    /// requests are waited for: the place of Python's `except KeyboardInterrupt`.
    ///
    /// Only signals given to
    /// [`Server::shutdown_on_signals`](crate::Server::shutdown_on_signals) and
    /// [`Server::watch_signals`](crate::Server::watch_signals) arrive here. The default does
    /// nothing.
    #[doc(alias = "KeyboardInterrupt")]
    fn handle_signal(&self, signal: Signal) {
        let _ = signal;
    }

    /// How long a client may keep the server waiting.
    fn timeouts(&self) -> Timeouts {
        Timeouts::default()
    }

    /// Tells whether requests are left behind that still run when a program stops its server: what
    /// [`Server::daemon_threads`](crate::Server::daemon_threads) is at first, where requests run on
    /// threads. The default is `false`, as in Python's `ThreadingMixIn`. HTTP handlers answer
    /// `true`, as its `ThreadingHTTPServer` does.
    fn daemon_threads(&self) -> bool {
        false
    }

    /// Tells that a connection needs no handling before the client has sent something.
    ///
    /// With `true` a client that connects and stays silent holds no thread, not even under
    /// [`Sequential`](crate::Sequential). The default is `false`, as in Python: the handler is
    /// called at once and may greet. HTTP handlers answer `true`.
    fn client_speaks_first(&self) -> bool {
        false
    }
}

/// A handler behind a pointer is a handler.
macro_rules! forward_handler {
    () => {
        fn handle(&self, request: R) -> io::Result<()> {
            (**self).handle(request)
        }

        fn receive(&self, request: R) -> io::Result<Option<R>> {
            (**self).receive(request)
        }

        fn verify_request(&self, request: &R, client_address: &Address) -> bool {
            (**self).verify_request(request, client_address)
        }

        fn handle_error(&self, client_address: &Address, error: &io::Error) {
            (**self).handle_error(client_address, error);
        }

        fn handle_overload(&self, request: R) -> io::Result<()> {
            (**self).handle_overload(request)
        }

        fn handle_timeout(&self) {
            (**self).handle_timeout();
        }

        fn service_actions(&self) {
            (**self).service_actions();
        }

        fn handle_signal(&self, signal: Signal) {
            (**self).handle_signal(signal);
        }

        fn timeouts(&self) -> Timeouts {
            (**self).timeouts()
        }

        fn daemon_threads(&self) -> bool {
            (**self).daemon_threads()
        }

        fn client_speaks_first(&self) -> bool {
            (**self).client_speaks_first()
        }
    };
}

/// So that a handler can be shared, or chosen when the program runs: `Arc<dyn Handler>`.
impl<R, H: Handler<R> + ?Sized> Handler<R> for Arc<H> {
    forward_handler!();
}

/// So that a handler can be chosen when the program runs.
impl<R: 'static> Handler<R> for Box<dyn Handler<R>> {
    forward_handler!();
}

/// Makes a handler of a closure that takes a [`Connection`] or a
/// [`Datagram`](crate::Datagram). What answers HTTP is a type that implements
/// `HttpRequestHandler`.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use socketserver::{Connection, handler_fn};
///
/// let hello = handler_fn(|mut connection: Connection| connection.wfile.write_all(b"hello\n"));
/// # let _ = hello;
/// ```
pub fn handler_fn<R, F>(handle: F) -> HandlerFn<F>
where
    F: Fn(R) -> io::Result<()> + Send + Sync + 'static,
{
    HandlerFn { handle }
}

/// A closure that handles requests; see [`handler_fn`].
#[derive(Clone, Copy, Debug)]
pub struct HandlerFn<F> {
    handle: F,
}

impl<R, F> Handler<R> for HandlerFn<F>
where
    F: Fn(R) -> io::Result<()> + Send + Sync + 'static,
{
    fn handle(&self, request: R) -> io::Result<()> {
        (self.handle)(request)
    }
}

/// Reports a failed request in Python's layout, or quietly where the client just went away.
pub(crate) fn print_error(client_address: &Address, error: &io::Error) {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};

    if matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut
    ) {
        log::debug!("{client_address} went away: {error}");
        return;
    }
    if is_broken_tls(error) {
        log::warn!("{client_address}: TLS failed: {error}");
        return;
    }
    write_to_stderr(&report(client_address, error));
}

fn report(client_address: &Address, error: &io::Error) -> String {
    let rule = "-".repeat(40);
    // What a client sent may be in it. A program's lines stay lines.
    let error: Vec<String> = error.to_string().split('\n').map(shown).collect();
    let error = error.join("\n");
    format!(
        "{rule}\nException occurred during processing of request from {}\n{error}\n{rule}\n",
        client_address.repr()
    )
}

/// A panic as the error that handlers hear of.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> io::Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)");
    io::Error::other(format!("handler panicked: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_does_not_steer_the_terminal_that_shows_it() {
        let error = io::Error::other("no user 'a\u{9b}31m\x1b[2J\u{202e}'\nfound: none");
        assert_eq!(
            report(&Address::unix("/run/\u{9b}x"), &error),
            "----------------------------------------\n\
             Exception occurred during processing of request from '/run/\\x9bx'\n\
             no user 'a\\x9b31m\\x1b[2J\\u202e'\nfound: none\n\
             ----------------------------------------\n"
        );
    }
}
