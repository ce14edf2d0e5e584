//! From certificate files to what rustls serves with, or one line that says what is wrong.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, ServerConnection};

/// What is read anew when certificates are.
#[derive(Clone)]
pub(super) struct TlsOptions {
    pub(super) certfile: Pem,
    pub(super) keyfile: Option<Pem>,
    pub(super) password: Option<String>,
    pub(super) alpn_protocols: Vec<String>,
    pub(super) client_ca: Option<Pem>,
    pub(super) client_certificate_is_optional: bool,
    /// How files are read: at the start or anew.
    pub(super) read: fn(&Path) -> io::Result<Vec<u8>>,
}

/// Where certificates or a key are; in the PEM format, between `-----BEGIN` and `-----END` lines.
#[derive(Clone)]
#[non_exhaustive]
pub enum Pem {
    /// In this file, which [`TlsReloadHandle::reload`](super::TlsReloadHandle::reload) reads anew:
    /// a regular one of at most 1 MiB. When the server is made it may be a pipe, too, which has
    /// nothing more to give later.
    File(PathBuf),
    /// In this text.
    Text(String),
}

impl<P: Into<PathBuf>> From<P> for Pem {
    fn from(path: P) -> Self {
        Self::File(path.into())
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            // It may hold a key.
            Self::Text(_) => f.debug_tuple("Text").finish_non_exhaustive(),
        }
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All but the password.
        f.debug_struct("TlsOptions")
            .field("certfile", &self.certfile)
            .field("keyfile", &self.keyfile)
            .field("alpn_protocols", &self.alpn_protocols)
            .field("client_ca", &self.client_ca)
            .field("client_certificate_is_optional", &self.client_certificate_is_optional)
            .finish_non_exhaustive()
    }
}

pub(super) fn server_config(options: &TlsOptions) -> io::Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match &options.client_ca {
        Some(authorities) => {
            builder.with_client_cert_verifier(client_verifier(options, authorities, provider)?)
        }
        None => builder.with_no_client_auth(),
    };
    // Once, for the key as well: a pipe has nothing to read a second time.
    let text = options.certfile.read("certificate", options)?;
    let chain = certificates(&text, &options.certfile)?;
    let key = match &options.keyfile {
        Some(keyfile) => private_key(&keyfile.read("private key", options)?, keyfile, options)?,
        None => private_key(&text, &options.certfile, options)?,
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| explain(&error, options))?;
    config.alpn_protocols =
        options.alpn_protocols.iter().map(|name| name.clone().into_bytes()).collect();
    // One key for all processes that are forked from here.
    config.ticketer = ring::Ticketer::new().map_err(io::Error::other)?;
    // It reads no ticket that is longer than those it has made, and a child has not made any yet.
    config.ticketer.encrypt(&[0; LONGEST_TICKET]);
    let config = Arc::new(config);
    // What is wrong with it should show before a client connects.
    ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
    Ok(config)
}

fn client_verifier(
    options: &TlsOptions,
    authorities: &Pem,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> io::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&authorities.read("certificate", options)?, authorities)? {
        let unusable =
            |error| wrong(format!("{} cannot issue certificates: {error}", authorities.name()));
        roots.add(certificate).map_err(unusable)?;
    }
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if options.client_certificate_is_optional {
        verifier = verifier.allow_unauthenticated();
    }
    verifier.build().map_err(io::Error::other)
}

/// The certificates in the text of a file.
fn certificates(text: &str, pem: &Pem) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(wrong(format!("there is no certificate in {}", pem.name())))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(format!("{} is no certificate: {error}", pem.name()))),
    }
}

/// The private key in the text of a file.
fn private_key(text: &str, pem: &Pem, options: &TlsOptions) -> io::Result<PrivateKeyDer<'static>> {
    if let Some(encrypted) = section(text, "ENCRYPTED PRIVATE KEY") {
        return decrypt(encrypted, pem, options.password.as_deref());
    }
    if text.contains("\nProc-Type: 4,ENCRYPTED") {
        let name = pem.name();
        return Err(wrong(format!(
            "the private key in {name} is encrypted in a way that is no longer safe; convert it: \
             openssl pkcs8 -topk8 -in KEY -out NEW"
        )));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            wrong(format!("there is no private key in {}", pem.name()))
        }
        error => wrong(format!("{} is no private key: {error}", pem.name())),
    })
}

fn decrypt(text: &str, pem: &Pem, password: Option<&str>) -> io::Result<PrivateKeyDer<'static>> {
    let name = pem.name();
    let Some(password) = password else {
        return Err(wrong(format!(
            "the private key in {name} is encrypted, and there is no password"
        )));
    };
    // Some of it is unsafe today and some merely rare; what is wrong with the file itself looks the
    // same.
    let not_ours = |error: &dyn std::fmt::Display| {
        wrong(format!(
            "the private key in {name} cannot be decrypted: {error}; if openssl can, have it write \
             the key anew: openssl pkcs8 -topk8 -in KEY -out NEW"
        ))
    };
    let (_, document) =
        pkcs8::der::SecretDocument::from_pem(text).map_err(|error| not_ours(&error))?;
    let encrypted = pkcs8::EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|error| not_ours(&error))?;
    let decrypted = encrypted.decrypt(password).map_err(|error| match error {
        // With the wrong password the end of the text is wrong, or rarely all of it.
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed)
        | pkcs8::Error::Asn1(_) => {
            wrong(format!("the password for the private key in {name} is wrong"))
        }
        _ => not_ours(&error),
    })?;
    Ok(PrivatePkcs8KeyDer::from(decrypted.as_bytes().to_vec()).into())
}

/// The first section with this label, its first and last line included.
fn section<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let start = text.find(&begin)?;
    let length = text[start..].find(&end)? + end.len();
    Some(&text[start..start + length])
}

fn explain(error: &rustls::Error, options: &TlsOptions) -> io::Error {
    let certificate = options.certfile.name();
    let key = options.keyfile.as_ref().unwrap_or(&options.certfile).name();
    wrong(match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            format!("the private key in {key} does not belong to the certificate in {certificate}")
        }
        // The key's, of which rustls tells no more. What is served is that of `ring`.
        rustls::Error::General(_) => format!(
            "the private key in {key} is of no kind that can be served: RSA of 2048 to 4096 bits, \
             ECDSA of P-256 or P-384, or Ed25519; make another key and certificate"
        ),
        error => format!(
            "cannot serve with the certificate in {certificate} and the key in {key}: {error}"
        ),
    })
}

/// Bytes of a session, a client's certificates included, that are put into a ticket and read again.
const LONGEST_TICKET: usize = 16 * 1024;

fn wrong(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl Pem {
    fn read(&self, what: &str, options: &TlsOptions) -> io::Result<Cow<'_, str>> {
        let path = match self {
            Self::Text(text) => return Ok(Cow::Borrowed(text)),
            Self::File(path) => path,
        };
        let unreadable = |error: io::Error| {
            let message = format!("cannot read the {what} '{}': {error}", path.display());
            io::Error::new(error.kind(), message)
        };
        let bytes = (options.read)(path).map_err(unreadable)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned().into())
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => format!("'{}'", path.display()),
            Self::Text(_) => "the text given".to_owned(),
        }
    }
}
