//! The handler that the command serves with.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socketserver::http::{
    CgiHttpRequestHandler, Exchange, HttpRequestHandler, ProtocolVersion, Status,
};
use socketserver::transport::TlsReloadHandle;
use socketserver::{Signal, Timeouts, TrustedProxies};

use crate::complain;
use crate::header::Header;
use crate::interrupted::Interrupted;
use crate::monitoring::Counted;
use crate::port_file::PortFile;
use crate::service::Service;
use crate::types::Types;

/// Serves the files of a directory, and runs programs with `--cgi`, as the command line says.
pub(crate) struct Files {
    pub(crate) files: Arc<dyn HttpRequestHandler>,
    /// What it answers by itself, where that is asked for.
    pub(crate) counted: Option<Arc<Counted>>,
    pub(crate) protocol_version: ProtocolVersion,
    pub(crate) headers: Vec<Header>,
    /// Runs the programs among them. Their output describes its content itself.
    pub(crate) programs: Option<CgiHttpRequestHandler<Types>>,
    pub(crate) quiet: bool,
    /// How long a client is waited for inside a request; `None` is for ever.
    pub(crate) stall: Option<Duration>,
    /// Reads the certificate again on SIGHUP.
    pub(crate) certificate: Option<TlsReloadHandle>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) service: Arc<Service>,
    pub(crate) port_file: Option<Arc<PortFile>>,
    pub(crate) interrupted: Arc<Interrupted>,
}

impl HttpRequestHandler for Files {
    fn base(&self) -> &dyn HttpRequestHandler {
        &*self.files
    }

    fn protocol_version(&self) -> ProtocolVersion {
        self.protocol_version
    }

    fn timeouts(&self) -> Timeouts {
        self.files.timeouts().stall(self.stall)
    }

    fn trusted_proxies(&self) -> &TrustedProxies {
        &self.trusted_proxies
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let status = http.status().map_or(0, Status::code);
        let is_of_program = self.programs.as_ref().is_some_and(|cgi| cgi.is_cgi(http).is_some());
        // Prometheus goes by the type, and a cache must not say that all is well.
        let is_own = self.counted.as_ref().is_some_and(|pages| pages.answers(http));
        for (position, header) in self.headers.iter().enumerate() {
            let (name, value) = (&header.name, &header.value);
            let is_left = (is_of_program && header.is_of_content())
                || (is_own && (header.is_of_content() || header.is_named("Cache-Control")));
            if is_left || !header.goes_with(status) {
                continue;
            }
            // The first one replaces the server's own, but for those that every handler adds to.
            if header.is_added()
                || self.headers[..position].iter().any(|other| other.is_named(name))
            {
                http.send_header(name, value)?;
            } else {
                http.set_header(name, value)?;
            }
        }
        self.files.end_headers(http)
    }

    fn log_request(&self, http: &Exchange<'_>, code: Status, size: Option<u64>) {
        if !self.quiet {
            self.files.log_request(http, code, size);
        }
    }

    fn log_error(&self, http: &Exchange<'_>, message: std::fmt::Arguments<'_>) {
        if !self.quiet {
            self.files.log_error(http, message);
        }
    }

    fn service_actions(&self) {
        self.service.turn();
        self.interrupted.say_what_is_waited_for();
    }

    fn handle_signal(&self, signal: Signal) {
        self.service.hear(signal);
        if let Some(port_file) = &self.port_file
            && port_file.signals().contains(&signal)
        {
            port_file.end_by(signal);
        }
        if signal == Signal::INT {
            self.interrupted.say();
        }
        if signal == Signal::HUP
            && let Some(certificate) = &self.certificate
            && let Err(error) = certificate.reload()
        {
            complain(&format_args!("the old certificate stays in use: {error}"));
        }
    }
}
