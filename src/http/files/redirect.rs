//! The redirect to a directory whose name in the target does not end with a slash.

use std::io;

use super::path;
use crate::http::exchange::Exchange;

/// Sends the client to the same place with a slash at its end, which its relative links need.
pub(super) fn redirect_to_directory(http: &mut Exchange<'_>) -> io::Result<()> {
    // A relative reference begins where the client is, which is not where a script or a handler has
    // sent the request on to.
    let is_there = http.redirects() == 0
        && path::last_name(http.requested_target().path()) == path::last_name(http.target().path());
    let location = if is_there {
        path::directory_reference(&http.path)
    } else {
        http.url_prefix().to_owned() + &path::directory_location(&http.path)
    };
    http.send_response(301)?;
    http.send_header("Location", location)?;
    http.send_header("Content-Length", 0)?;
    http.end_headers()
}
