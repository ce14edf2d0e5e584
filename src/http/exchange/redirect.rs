//! A request that is answered as one for another path of this server.

use std::io;

use super::Exchange;

impl Exchange<'_> {
    /// Has the outermost handler answer as if the client had asked for this path, by HEAD or by GET
    /// (RFC 3875 §6.2.2).
    pub(crate) fn answer_as(&mut self, path: String) -> io::Result<()> {
        self.redirects += 1;
        self.path = path;
        let handler = self.handler();
        if self.command == "HEAD" {
            return handler.do_head(self);
        }
        self.command = "GET".to_owned();
        handler.do_get(self)
    }

    /// How often that was done.
    pub(crate) fn redirects(&self) -> u32 {
        self.redirects
    }
}
