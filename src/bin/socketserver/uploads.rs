//! Options about files that clients send.

use std::io;
use std::path::Path;

use clap::{Args, ValueEnum};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};
use socketserver::Address;
use socketserver::http::{SimpleHttpRequestHandler, Uploads};

use crate::complain;
use crate::values::size;

/// The options.
#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub(crate) struct Uploading {
    /// take files by PUT and forms; with =replace in the place of others
    ///
    /// A file is made below the directory, under a name of UTF-8 that does not begin with a dot, in
    /// a directory that is there, and through no symbolic link. No name in its path begins or ends
    /// with a blank; a form's file loses those around its name. It appears when it is complete. A
    /// form has up to 100,000 parts. Without =replace a file that is there stays, and the answer is
    /// 409; so it is with --compress for a new app.js.gz beside app.js. A new index.html is what
    /// its directory answers. --listing table has a form for it. With -p HTTP/1.1 curl -T need not
    /// wait a second for leave to send. On addresses that other machines reach, --auth or
    /// --auth-file is needed.
    #[arg(long, value_name = "replace", num_args = 0..=1, require_equals = true)]
    #[arg(value_enum, hide_possible_values = true, default_missing_value = "new")]
    upload: Option<Upload>,

    /// take uploads of up to this size; 0 is any [default: 1G]
    ///
    /// A number of bytes, or one with K, M, G or T for powers of 1024, such as 100M. A longer
    /// file or form is answered 413.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    upload_limit: Option<u64>,

    /// take files from other machines without a password, too
    ///
    /// Without it, --upload needs --auth or --auth-file, an address such as 127.0.0.1 or ::1, or a
    /// Unix socket.
    #[arg(long)]
    upload_without_auth: bool,
}

/// What may be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Upload {
    #[value(hide = true)]
    New,
    Replace,
}

impl Uploading {
    /// Tells whether files are taken.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.upload.is_some()
    }

    /// Tells whether clients may replace what is there.
    pub(crate) fn replaces(&self) -> bool {
        self.upload == Some(Upload::Replace)
    }

    /// Has the files of a directory taken, if that is asked for.
    pub(crate) fn take<K>(
        &self,
        files: SimpleHttpRequestHandler<K>,
    ) -> SimpleHttpRequestHandler<K> {
        let Some(upload) = self.upload else { return files };
        let mut uploads = Uploads::default().replace(upload == Upload::Replace);
        if let Some(bytes) = self.upload_limit {
            uploads = uploads.limit(if bytes == 0 { u64::MAX } else { bytes });
        }
        files.uploads(uploads)
    }

    /// Says so where no file can be made in the directory itself. It is served all the same, as it
    /// may have others in it, and its mode may change.
    pub(crate) fn warn(&self, directory: &Path) {
        let rights = AccessFlags::W_OK | AccessFlags::X_OK;
        let may = || faccessat(AT_FDCWD, directory, rights, AtFlags::AT_EACCESS);
        if self.upload.is_some()
            && let Err(reason) = may()
        {
            let name = directory.display();
            complain(&format_args!(
                "warning: no file can be uploaded into '{name}' itself: {}",
                reason.desc()
            ));
        }
    }

    /// Checks that not everybody on a network may upload. `near` says how this machine alone is
    /// served.
    ///
    /// # Errors
    ///
    /// The text says what to do.
    pub(crate) fn check_reach(
        &self,
        address: &Address,
        asks_for_password: bool,
        near: &str,
    ) -> io::Result<()> {
        let is_far = address.ip().is_some_and(|ip| !ip.to_canonical().is_loopback());
        if self.upload.is_some() && is_far && !asks_for_password && !self.upload_without_auth {
            return Err(crate::wrong_usage(&format!(
                "everybody on the network could upload files: ask for a password with --auth or \
                 --auth-file, or serve this machine only with {near}; if everybody may, add \
                 --upload-without-auth"
            )));
        }
        Ok(())
    }
}
