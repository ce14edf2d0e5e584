//! The response as it goes out: head, framing and body.

mod coded;
mod leaving;
mod shortcomings;

pub(crate) use coded::ChooseCoder;
#[cfg(feature = "compression")]
pub(crate) use coded::{ContentCoder, Out};

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use crate::connection::Wfile;
use crate::http::message::misuse::{MisuseKind, misuse};
use crate::http::message::response_frame::{Asked, Declared, Framing};
use crate::http::message::status::Status;
use coded::Coded;

/// What the client receives as the response's body: `http.wfile`.
///
/// Not buffered: each write goes out at once, the first one together with the head. Without a
/// `Content-Length` the body is sent chunked to a client that speaks HTTP/1.1, and ended by closing
/// for others. What is written in answer to HEAD, or with a status that has no body, is dropped.
///
/// A write that completes the response, as its `Content-Length` says, need not wait for the client,
/// nor need what ends a response when its handler returns: up to 64 KiB in memory, and a
/// [file](Self::send_file) of any size, are left to the server, which sends them as the client
/// takes them. No thread waits meanwhile. Every other write returns when the kernel has taken all
/// of it. Nothing is left under [`Forking`](crate::Forking), whose children wait, and in
/// [`handle_request`](crate::Server::handle_request).
///
/// Where closing ends the body, a client can tell one that is not whole by nothing else: if the
/// handler fails, or the server or its process ends before, the connection is reset. A Unix socket
/// has no resets; over TLS no goodbye is said.
#[derive(Debug)]
pub struct ResponseBody {
    output: Wfile,
    stage: Stage,
    /// Header lines under construction, in storage lent by the connection.
    head: Vec<u8>,
    /// How much of it the handler wrote; our framing follows.
    unframed: usize,
    /// How the body ends; settled by `end_head`.
    framing: Framing,
    declared: Declared,
    /// `None` before the first one, and while another one takes its place.
    status: Option<Status>,
    asked: Asked,
    must_close: bool,
    written: u64,
    /// What codes the content, if anything does.
    coded: Option<Coded>,
    /// What completes the response may be left to be sent when the handler has returned.
    may_leave: bool,
    /// How writing failed: the client is gone, or takes too little.
    failure: Option<io::ErrorKind>,
}

/// How far the response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was said yet.
    Start,
    /// Between the status line and `end_headers`.
    Head,
    Body,
    /// Finished, or taken over.
    Done,
}

impl ResponseBody {
    pub(crate) fn new(output: Wfile, asked: Asked) -> Self {
        Self {
            head: output.lend(),
            output,
            stage: Stage::Start,
            unframed: 0,
            framing: Framing::None,
            declared: Declared::Nothing,
            status: None,
            asked,
            must_close: false,
            written: 0,
            coded: None,
            may_leave: false,
            failure: None,
        }
    }

    /// Limits a single wait for the client; see [`Wfile::set_timeout`].
    pub fn set_timeout(&mut self, limit: Option<Duration>) {
        self.output.set_timeout(limit);
    }

    /// Sends `count` bytes of `file` from `offset` on, through the kernel where it can; returns how
    /// many.
    ///
    /// Where they complete the response, this may return before the client has taken them; the file
    /// is sent from a descriptor of its own then, and is to stay as it is until
    /// [`finish`](crate::http::HttpRequestHandler::finish). The response ends early if it becomes
    /// shorter. Such files take an eighth of the descriptors that the process may have; beyond
    /// that, calls wait for their clients.
    ///
    /// # Errors
    ///
    /// As [`Wfile::send_file`], and as a [`write`](Write::write) of as many bytes.
    #[doc(alias = "copyfile")]
    pub fn send_file(&mut self, file: &File, offset: u64, count: u64) -> io::Result<u64> {
        let completes = matches!(self.framing, Framing::Length(left) if left == count);
        self.send_piece(file, offset, count, completes)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// The status line that was begun last.
    pub(crate) fn status(&self) -> Status {
        self.status.unwrap_or(Status::OK)
    }

    /// The status line of the response, if it was begun.
    pub(crate) fn begun_status(&self) -> Option<Status> {
        self.status
    }

    /// How many bytes of the body the kernel has taken so far, without framing.
    ///
    /// Not what is left to be sent. 0 where what is written is dropped, as in answer to HEAD. In
    /// [`finish`](crate::http::HttpRequestHandler::finish) it is the size of the whole body, or of
    /// what went out before it failed: the size that logs have, which Python's `log_request` never
    /// knows.
    pub fn sent(&self) -> u64 {
        if self.is_dropping() { 0 } else { self.written.saturating_sub(self.output.left()) }
    }

    /// Tells of a response whose head has ended whether its body is dropped.
    pub(crate) fn is_dropping(&self) -> bool {
        matches!(self.framing, Framing::None) && !self.asked.headless
    }

    /// Tells whether nothing has left yet, so that another response can take this one's place.
    pub(crate) fn is_recallable(&self) -> bool {
        match self.stage {
            Stage::Start | Stage::Head => true,
            Stage::Body => !self.asked.headless && self.written == 0 && self.output.is_holding(),
            Stage::Done => false,
        }
    }

    /// Forgets a response that has not left.
    pub(crate) fn recall(&mut self) {
        self.output.set_open_ended(false);
        if self.head.is_empty() {
            self.head = self.output.recall();
        }
        self.head.clear();
        self.declared = Declared::Nothing;
        self.framing = Framing::None;
        self.coded = None;
        self.must_close = false;
        self.status = None;
        self.stage = Stage::Start;
    }

    /// Tells whether the end of the connection must end the response.
    pub(crate) fn must_close(&self) -> bool {
        self.must_close
    }

    /// The head under construction, to append a status line or a header line to.
    pub(crate) fn head(&mut self) -> &mut Vec<u8> {
        &mut self.head
    }

    pub(crate) fn begin(&mut self, status: Status) {
        self.status = Some(status);
        self.stage = Stage::Head;
    }

    /// Leaves the whole response to what is written from now on, its head included.
    pub(crate) fn pass_through(&mut self) {
        self.framing = Framing::Raw;
        self.must_close = true;
        self.begin_body();
    }

    /// Tells whether the response opens a tunnel.
    pub(crate) fn is_tunnel(&self) -> bool {
        self.asked.is_tunnel(self.status())
    }

    /// Notes what a header line says of the body, and tells whether the line leaves.
    pub(crate) fn declare(&mut self, name: &str, value: &str) -> io::Result<bool> {
        let (asked, status) = (self.asked, self.status());
        self.declared.declare(name, value, asked, status)
    }

    /// Notes what a header line says of the body that takes the place of all others of its name.
    pub(crate) fn redeclare(&mut self, name: &str, value: &str) -> io::Result<bool> {
        let before = self.declared;
        self.declared.forget(name);
        self.declare(name, value).inspect_err(|_| self.declared = before)
    }

    /// Settles how the body ends, before the last lines of the head are written.
    pub(crate) fn frame(&mut self) {
        let (framing, must_close) = Framing::new(self.declared, self.asked, self.status());
        self.framing = framing;
        self.must_close |= must_close;
    }

    /// Ends the head, which leaves with the first bytes of the body; or, for an interim response,
    /// at once.
    pub(crate) fn end_head(&mut self) -> io::Result<()> {
        let status = self.status();
        if !self.asked.headless {
            self.unframed = self.head.len();
            if matches!(self.framing, Framing::Chunked) {
                self.head.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            self.head.extend_from_slice(b"\r\n");
            self.output.hold(std::mem::take(&mut self.head));
        }
        if status.is_interim() {
            let sent = self.output.flush();
            // The final response begins afresh.
            self.recall();
            return sent;
        }
        self.begin_body();
        Ok(())
    }

    fn begin_body(&mut self) {
        self.stage = Stage::Body;
        let ends_by_closing = match self.framing {
            // What goes through a tunnel is no response.
            Framing::Raw => self.must_close && !self.is_tunnel(),
            Framing::Own { is_sent, .. } => !is_sent,
            Framing::None => false,
            // The client was not told.
            Framing::Length(_) | Framing::Chunked => self.asked.headless,
        };
        self.output.set_open_ended(ends_by_closing);
    }

    /// Sends what is still held back and ends the body, unless that was done before.
    ///
    /// # Errors
    ///
    /// The client is gone. A body shorter than declared is [`shortfall`](Self::shortfall), and the
    /// connection must close then.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.stage, Stage::Done) == Stage::Done {
            return Ok(());
        }
        if self.is_coded() && !self.finish_coded()? {
            self.must_close = true;
            return self.flush_unwritten();
        }
        let sent = self.send_end();
        self.noted(sent)?;
        self.end_if_whole();
        Ok(())
    }

    fn send_end(&mut self) -> io::Result<()> {
        match self.framing {
            Framing::Chunked if self.written == 0 && self.output.is_holding() => {
                // Nothing was written, and the length of that is known.
                self.hold_with_length(0);
                self.write_last([])
            }
            Framing::Chunked => self.write_last([b"0\r\n\r\n"]),
            Framing::Length(_) | Framing::Own { .. } => {
                self.must_close |= !self.framing.is_whole();
                self.flush_unwritten()
            }
            // What was written was dropped.
            Framing::None => self.write_last([]),
            Framing::Raw => self.flush_unwritten(),
        }
    }

    /// Sends the head, unless a body took it along.
    fn flush_unwritten(&mut self) -> io::Result<()> {
        if self.written > 0 { Ok(()) } else { self.write_last([]) }
    }

    /// Checks that so many bytes may be written.
    fn admit(&mut self, count: u64) -> io::Result<()> {
        match (self.stage, &self.framing) {
            (Stage::Start, _) if !self.asked.headless => Err(misuse(
                MisuseKind::NoResponse,
                "wfile: write before send_response and end_headers",
            )),
            (Stage::Head, _) => {
                Err(misuse(MisuseKind::HeadNotEnded, "wfile: write before end_headers"))
            }
            (Stage::Done, _) => {
                Err(misuse(MisuseKind::ResponseEnded, "wfile: write after the response has ended"))
            }
            (_, &Framing::Length(left)) if count > left => {
                self.must_close = true;
                Err(too_long(count, left))
            }
            _ => Ok(()),
        }
    }

    fn wrote(&mut self, count: u64) {
        self.written += count;
        if let Framing::Length(left) = &mut self.framing {
            *left -= count;
        }
    }

    /// Notes that the client is gone where writing has failed.
    fn noted<T>(&mut self, written: io::Result<T>) -> io::Result<T> {
        written.inspect_err(|error| self.failure = Some(error.kind()))
    }

    fn send_counted(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.output.sent();
        let sent = self.send(bytes);
        // Of one that failed, what left; frames are not told apart there.
        let count = bytes.len() as u64;
        self.wrote(if sent.is_ok() { count } else { (self.output.sent() - before).min(count) });
        sent
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.may_leave_bytes(bytes.len() as u64) {
            let written = self.write_last([bytes]);
            return self.noted(written);
        }
        let Self { output, framing, failure, .. } = self;
        // Chunks that are malformed are a mistake of the handler, whose client is still there.
        let mut noted =
            |written: io::Result<()>| written.inspect_err(|error| *failure = Some(error.kind()));
        match framing {
            Framing::None if !self.asked.headless => Ok(()),
            Framing::Chunked => {
                let size = format!("{:x}\r\n", bytes.len());
                noted(output.write_pieces([size.as_bytes(), bytes, b"\r\n"]))
            }
            Framing::Own { chunks, is_sent: true } => {
                chunks.read(bytes, |_| Ok(()))?;
                noted(output.write_all(bytes))
            }
            Framing::Own { chunks, is_sent: false } => {
                chunks.read(bytes, |inside| noted(output.write_all(inside)))
            }
            Framing::None | Framing::Length(_) | Framing::Raw => noted(output.write_all(bytes)),
        }
    }
}

/// What a handler hears that writes more than it has said.
fn too_long(count: u64, left: u64) -> io::Error {
    let what = format!("wfile: {count} bytes, but {left} are left of Content-Length");
    misuse(MisuseKind::TooLong, what)
}

impl Write for ResponseBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.admit(bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.is_coded() {
            self.write_coded(bytes)?;
        } else {
            self.send_counted(bytes)?;
        }
        Ok(bytes.len())
    }

    /// Sends the head if that is still held back.
    fn flush(&mut self) -> io::Result<()> {
        match self.stage {
            // Nothing more is written, and what is left is sent as the client takes it.
            Stage::Body if self.has_left() && matches!(self.framing, Framing::Length(0)) => Ok(()),
            Stage::Body => {
                self.flush_coded()?;
                let flushed = self.output.flush();
                self.noted(flushed)
            }
            Stage::Start | Stage::Head | Stage::Done => Ok(()),
        }
    }
}

/// Files up to this size are read into memory and leave with their head in one call.
const SMALL_FILE: u64 = 32 * 1024;
