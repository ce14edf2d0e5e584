//! The error of a strategy that may not fork.

use std::error::Error;
use std::fmt;
use std::io;

/// Why [`Forking`](super::Forking) or [`PreFork`](crate::PreFork) does not fork.
///
/// It is inside the [`io::Error`] that the strategy returns, which is of the kind `InvalidInput`.
///
/// ```
/// use std::{io, thread};
/// use socketserver::concurrency::ForkRefused;
/// use socketserver::{Connection, ForkingTcpServer, handler_fn};
///
/// let (sender, other_thread) = std::sync::mpsc::channel::<()>();
/// let other = thread::spawn(move || other_thread.recv());
/// let mut server = ForkingTcpServer::bind("127.0.0.1:0", handler_fn(|_: Connection| Ok(())))?;
/// # if cfg!(target_os = "linux") {
/// let error = server.serve_forever().unwrap_err();
/// assert!(matches!(ForkRefused::inside(&error), Some(ForkRefused::OtherThreads(_))));
/// # }
/// drop(sender);
/// # let _ = other.join();
/// # io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForkRefused {
    /// So many other threads run in the process; a lock that one of them holds would stay locked
    /// in the child.
    OtherThreads(usize),
    /// A child would keep what the server has open: the strategy's placement is not
    /// [`Placement::Detached`](super::Placement::Detached), or it forks in a method that takes
    /// `&self`.
    NotDetached,
}

impl ForkRefused {
    /// The refusal inside an error, if that is what it is.
    pub fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for ForkRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refusing to fork: ")?;
        match self {
            Self::OtherThreads(count) => write!(
                f,
                "{count} other threads run in this process, and a lock held by one would stay \
                 locked in the child; start none before, or set the strategy's allow_threads"
            ),
            Self::NotDetached => f.write_str(
                "the strategy's placement is not Placement::Detached, or it forks in a method \
                 that takes &self",
            ),
        }
    }
}

impl Error for ForkRefused {}

impl From<ForkRefused> for io::Error {
    fn from(refused: ForkRefused) -> Self {
        Self::new(io::ErrorKind::InvalidInput, refused)
    }
}
