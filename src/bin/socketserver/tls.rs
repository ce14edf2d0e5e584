//! The certificate of the command: the user's, or one that is made at the start.

use std::io;

use nix::unistd::gethostname;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use socketserver::transport::{Pem, Tcp, Tls, TlsBind, Transport};

use crate::args::Args;

/// A listening socket, with or without TLS.
#[derive(Debug)]
pub(crate) enum Listening {
    Plain(Tcp),
    /// With what is printed after the banner, if anything.
    Secure(Tls, Option<String>),
}

/// Adds TLS to the socket if the command line asks for it.
///
/// # Errors
///
/// The text names the file that is wrong, and the reason.
pub(crate) fn secure(args: &Args, transport: Tcp) -> io::Result<Listening> {
    let (certfile, notice) = match &args.tls_cert {
        Some(path) => (path.into(), None),
        None if args.tls_self_signed => {
            let (pem, notice) = self_signed(args).map_err(io::Error::other)?;
            (Pem::Text(pem), Some(notice))
        }
        None => return Ok(Listening::Plain(transport)),
    };
    let mut place = TlsBind::new(transport, certfile);
    if let Some(keyfile) = &args.tls_key {
        place = place.keyfile(keyfile);
    }
    if let Some(password) = &args.tls_password {
        place = place.password(password);
    }
    if let Some(authorities) = &args.tls_client_ca {
        place = place.client_ca(authorities);
    }
    Ok(Listening::Secure(Tls::bind(place)?, notice))
}

/// A certificate for this machine with its key, and the line with its fingerprint.
fn self_signed(args: &Args) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(gethostname().ok().and_then(|name| name.into_string().ok()));
    names.extend(args.bind.clone());
    names.sort();
    names.dedup();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "socketserver --tls-self-signed");
    let certificate = params.self_signed(&key)?;
    let notice = format!("Certificate's SHA-256 fingerprint: {}\n", fingerprint(certificate.der()));
    Ok((certificate.pem() + &key.serialize_pem(), notice))
}

/// The fingerprint in the form of `openssl x509 -fingerprint -sha256` and of browsers.
fn fingerprint(der: &[u8]) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13();
    let digest = suite.map(|suite| suite.common.hash_provider.hash(der));
    let bytes = digest.iter().flat_map(|digest| digest.as_ref());
    bytes.map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
