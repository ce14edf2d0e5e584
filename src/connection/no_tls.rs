//! What stands in for TLS sessions where the crate is built without: a type without values.

use std::io::{self, IoSlice};
use std::time::Instant;

use super::stream_socket::StreamSocket;

#[derive(Debug)]
pub(crate) enum Session {}

impl Session {
    pub(super) fn delay_handshake(&self) {
        match *self {}
    }

    pub(super) fn is_delayed(&self) -> bool {
        match *self {}
    }

    pub(super) fn start_handshake(&self, _early: &[u8]) {
        match *self {}
    }

    pub(super) fn recv(&self, _: &StreamSocket, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn took_all(&self) -> bool {
        match *self {}
    }

    pub(super) fn shake_hands(&self, _: &StreamSocket, _awaits_bytes: bool) -> io::Result<bool> {
        match *self {}
    }

    pub(super) fn is_clear(&self) -> bool {
        match *self {}
    }

    pub(super) fn admit_clear_text(&self) {
        match *self {}
    }

    pub(super) fn is_clear_text_admitted(&self) -> bool {
        match *self {}
    }

    pub(super) fn is_shaking_hands(&self) -> bool {
        match *self {}
    }

    pub(super) fn busy_since(&self) -> Option<Instant> {
        match *self {}
    }

    pub(super) fn holds_unread(&self) -> bool {
        match *self {}
    }

    pub(super) fn peer_certificates(&self) -> Vec<Vec<u8>> {
        match *self {}
    }

    pub(super) fn encrypt(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn push(&self, _: &StreamSocket) -> io::Result<()> {
        match *self {}
    }

    pub(super) fn say_goodbye(&self, _: &StreamSocket) {
        match *self {}
    }
}

pub(crate) fn is_broken_tls(_: &io::Error) -> bool {
    false
}
