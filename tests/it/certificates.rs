//! Certificates for the tests, and a client that speaks TLS.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socketserver::transport::{Pem, TlsBind};
use tempfile::TempDir;

/// The longest that anything may take that does happen.
const LIMIT: Duration = Duration::from_secs(5);

/// Who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for localhost, or for a client.
    pub(crate) fn issue(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem() }
    }
}

impl Issued {
    pub(crate) fn both(&self) -> String {
        self.certificate.clone() + &self.key
    }

    /// A server with this certificate, on a free port.
    pub(crate) fn tls(&self) -> TlsBind {
        TlsBind::new("127.0.0.1:0", Pem::Text(self.both()))
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// A directory of PEM files.
pub(crate) struct PemFiles {
    directory: TempDir,
}

impl PemFiles {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// What a client wants.
pub(crate) fn client_config(trusted: &Authority) -> ClientConfig {
    client_config_with(trusted, None)
}

pub(crate) fn client_config_with(trusted: &Authority, own: Option<&Issued>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![own.der()], key).unwrap()
        }
    }
}

/// A client's half of a session that is not connected to anything.
pub(crate) fn client_session(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::clone(config), name).unwrap()
}

/// The first bytes that a client sends.
pub(crate) fn client_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut bytes = Vec::new();
    client_session(config).write_tls(&mut bytes).unwrap();
    bytes
}

/// A client that speaks TLS, with time limits.
pub(crate) struct TlsClient {
    pub(crate) reader: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl TlsClient {
    /// Connects and shakes hands.
    pub(crate) fn try_connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Self> {
        Self::try_connect_behind(&[], address, config)
    }

    /// Connects, and sends something in clear text in front of its first words, in one piece with
    /// them.
    pub(crate) fn try_connect_behind(
        preface: &[u8],
        address: SocketAddr,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        let (mut session, mut first) = (client_session(config), preface.to_vec());
        session.write_tls(&mut first)?;
        (&stream).write_all(&first)?;
        Self::shake_hands(session, stream)
    }

    /// Goes on with a handshake that was begun.
    pub(crate) fn shake_hands(session: ClientConnection, stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { reader: BufReader::new(stream) })
    }

    #[track_caller]
    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self::try_connect(address, config).unwrap()
    }

    pub(crate) fn session(&mut self) -> &mut ClientConnection {
        &mut self.reader.get_mut().conn
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.reader.get_mut().sock
    }

    /// Sends bytes, each call a record of its own.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    #[track_caller]
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n"));
        self.read_line()
    }

    /// Reads a reply with a length: its status line and its body.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> (String, Vec<u8>) {
        let (status, mut length) = (self.read_line(), 0);
        loop {
            let line = self.read_line();
            match line.split_once(": ") {
                None => break,
                Some(("Content-Length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        (status, body)
    }

    /// Reads until the server says that it has ended; its mere end would be an error.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> String {
        self.try_read_to_end().unwrap()
    }

    #[track_caller]
    #[cfg(all(feature = "cli", feature = "compression"))]
    pub(crate) fn bytes_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    pub(crate) fn try_read_to_end(&mut self) -> io::Result<String> {
        let mut text = String::new();
        self.reader.read_to_string(&mut text).map(|_| text)
    }

    /// Ends the connection below the session, which is not told.
    pub(crate) fn finish_sending_without_a_word(&mut self) {
        self.socket().shutdown(Shutdown::Write).unwrap();
    }
}

/// A key and its certificate as `openssl pkcs8 -topk8` and `openssl req -x509` write them; the
/// password is "secret".
pub(crate) const ENCRYPTED_KEY: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjgJfVefU8rFgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAhnbGQiRmkqjTEZJSb5VLgEgZDC
nX8sUB4Ge3Gf1pVfuFX/pr4+hX0a18YGLRzxVj7To+A4/oE0ZcQhrbijonCSZd7c
r2l0TQMbOuuOXRchfplrBP9mJy2OWCLxuUhfsezaPMh+PSZ8Bs7ybprwHnRLPl+S
gKW2Uf377vdKFdZGUnD8XqyrUZfcv12uTSY0lMe8DpNvRv54Z8Gt2oqvrE+wOmg=
-----END ENCRYPTED PRIVATE KEY-----
";
/// Other keys as `openssl pkcs8 -topk8 -v1` writes them with PBE-MD5-DES and PBE-SHA1-3DES, and
/// with `-v2 des3`; the password is the same.
pub(crate) const KEYS_ENCRYPTED_OTHERWISE: [&str; 3] = [
    "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MFcwGwYJKoZIhvcNAQUDMA4ECOAZyuxQAtiRAgIIAAQ4nB8UbqI1zDYbrcO9cIx2
INwOzsm3ois3Co4PVY7yHXd5Yc77eWkudSLo5I72NAHcrrp25idhsh4=
-----END ENCRYPTED PRIVATE KEY-----
",
    "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MFgwHAYKKoZIhvcNAQwBAzAOBAgzoc1ckbcolAICCAAEON4C4gXbOsLNtUf4DOK3
k7l+XT1Mqla8xroQJPI+Pm6Khh5xxkvhSW/n+fwcrF4osehBop9cdVVi
-----END ENCRYPTED PRIVATE KEY-----
",
    "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGKME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAjGXkClIMzmaQICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIAdg2WiWk+o0EOBbLrtzT1aczERky
5CqSad1mS8olodTGgQ9e7mq1mZ6yMmMkgvGiJoZGubzIilnkc3lsB+Y181X7
-----END ENCRYPTED PRIVATE KEY-----
",
];
pub(crate) const CERTIFICATE_OF_ENCRYPTED_KEY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIURpDfvRcruUr7L+VEaCWD2kHkG4IwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMDIzMDgwM1oYDzIxMjYxMDI3
MjMwODAzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ9rCOcgmOSA5/SjnGdUzqE7m/ADcpRnQcOC3fHaZk0m2JtVD6d8la/
0iFCyRjkukHH8ANnFy2bLaXF+XXHvvHmo2kwZzAdBgNVHQ4EFgQUWgpgYpY0GM2V
xZeiLkUsNkmHvLswHwYDVR0jBBgwFoAUWgpgYpY0GM2VxZeiLkUsNkmHvLswDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIgTfC+OWielgoLoUV4JFZigMZ5OXXI/LlBtKhnYbcNrcYCIQC0tW39xX6T
LDMNGd2YJD262555wmacjcFo2UgrQak1gw==
-----END CERTIFICATE-----
";
