//! The command over HTTPS: its options, its files, and what it says of them.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::process::{Child, Command};
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::certificates::{
    Authority, CERTIFICATE_OF_ENCRYPTED_KEY, ENCRYPTED_KEY, Issued, PemFiles, TlsClient,
    client_config, client_config_with, client_hello,
};
use crate::cli::{STRATEGIES, Serving, children_of, eventually, fails, free_port, pid};
use crate::proxies::{V1, v2};
use crate::support::{Client, side_by_side};

/// The command with a certificate in a file.
struct Https {
    serving: Serving,
    files: PemFiles,
    authority: Authority,
}

impl Https {
    #[track_caller]
    fn start(arguments: &[&str]) -> Self {
        let (files, authority) = (PemFiles::new(), Authority::new());
        let cert = files.write("cert.pem", &authority.issue().both()).display().to_string();
        let all = [&["-b", "127.0.0.1", "--tls-cert", &cert], arguments].concat();
        Self { serving: Serving::start(&all), files, authority }
    }

    #[track_caller]
    fn get(&self, path: &str) -> String {
        get(&self.serving, Arc::new(client_config(&self.authority)), path)
    }
}

#[track_caller]
fn get(serving: &Serving, config: Arc<ClientConfig>, path: &str) -> String {
    let mut client = TlsClient::connect(([127, 0, 0, 1], serving.port).into(), &config);
    client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
    client.read_to_end()
}

#[test]
fn every_strategy_serves_files_over_https() {
    for strategy in STRATEGIES {
        let https = Https::start(&["--concurrency", strategy]);
        assert_eq!(
            https.serving.masked_banner(),
            "Serving HTTPS on 127.0.0.1 port PORT (https://127.0.0.1:PORT/) ...\n"
        );
        assert!(https.get("/a.txt").ends_with("\r\n\r\nhello\n"), "{strategy}");
        let ended = https.serving.stop(Signal::SIGINT);
        assert_eq!(ended.status, Some(0), "{strategy}");
        assert!(ended.stderr.contains("\"GET /a.txt HTTP/1.0\" 200 -\n"), "{}", ended.stderr);
    }
}

#[test]
fn a_hangup_reads_the_certificate_anew() {
    for arguments in [&[][..], &["--processes", "2"], &["--concurrency", "forking"]] {
        let https = Https::start(arguments);
        https.get("/a.txt");
        let first = children_of(pid(&https.serving.child));

        let next = Authority::new();
        https.files.write("cert.pem", &next.issue().both());
        https.serving.signal(Signal::SIGHUP);
        let config = Arc::new(client_config(&next));
        let address = ([127, 0, 0, 1], https.serving.port).into();
        eventually(|| {
            let replaced = arguments.first() != Some(&"--processes") || {
                let now = children_of(pid(&https.serving.child));
                now.len() == 2 && now.iter().all(|child| !first.contains(child))
            };
            replaced && TlsClient::try_connect(address, &config).is_ok()
        });

        https.files.write("cert.pem", "");
        https.serving.signal(Signal::SIGHUP);
        assert!(get(&https.serving, config, "/a.txt").ends_with("hello\n"));
        let said = https.serving.stop(Signal::SIGTERM).stderr;
        let line = "socketserver: the old certificate stays in use: there is no certificate in '";
        assert_eq!(said.matches(line).count(), 1, "{said}");
    }
}

/// What stands where a file was: a pipe that nothing writes to, and a device without an end.
#[test]
fn a_hangup_reads_nothing_that_has_no_end() {
    let ways = [&[][..], &["--processes", "2"], &["--concurrency", "forking"]];
    let cases = ways.into_iter().flat_map(|way| ["cert", "key", "ca"].map(|file| (way, file)));
    side_by_side(cases, |(way, file)| {
        let (files, authority) = (PemFiles::new(), Authority::new());
        let issued = authority.issue();
        let path = |name: &str, text: &str| files.write(name, text).display().to_string();
        let (cert, key) = (path("cert", &issued.certificate), path("key", &issued.key));
        let ca = path("ca", &authority.pem);
        let own = ["-b", "127.0.0.1", "--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca"];
        let serving = Serving::start(&[&own[..], &[ca.as_str()], way].concat());
        let config = Arc::new(client_config_with(&authority, Some(&issued)));
        let serves = || get(&serving, Arc::clone(&config), "/a.txt").ends_with("hello\n");
        assert!(serves());
        for is_pipe in [true, false] {
            let path = files.path(file);
            fs::remove_file(&path).unwrap();
            if is_pipe {
                mkfifo(&path, Mode::S_IRWXU).unwrap();
            } else {
                symlink("/dev/zero", &path).unwrap();
            }
            serving.signal(Signal::SIGHUP);
            for _ in 0..3 {
                assert!(serves(), "{way:?} {file}");
            }
        }
        let ended = serving.stop(Signal::SIGTERM);
        assert_eq!(ended.status, Some(0), "{way:?} {file}");
        let line = "socketserver: the old certificate stays in use: cannot read the ";
        assert!(ended.stderr.contains(line), "{}", ended.stderr);
    });
}

/// The certificate comes by a pipe, as of a shell's `<(..)`, and the signal before it.
#[test]
fn a_hangup_that_comes_before_the_server_is_ready_does_not_end_it() {
    for way in [&[][..], &["--processes", "2"], &["--concurrency", "forking"]] {
        let (files, authority, port) = (PemFiles::new(), Authority::new(), free_port());
        let issued = authority.issue();
        let key = files.write("key", &issued.key).display().to_string();
        let pipe = files.path("cert");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let cert = pipe.display().to_string();
        let early = |child: &Child| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            eventually(|| TcpStream::connect(address).is_ok());
            kill(pid(child), Signal::SIGHUP).unwrap();
            // Opening it waits for its reader otherwise.
            let mut writer = File::options();
            writer.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
            eventually(|| {
                writer
                    .open(&pipe)
                    .is_ok_and(|mut opened| opened.write_all(issued.certificate.as_bytes()).is_ok())
            });
        };
        let arguments = ["-b", "127.0.0.1", "--tls-cert", &cert, "--tls-key", &key];
        let serving = Serving::start_with(port, &[&arguments, way].concat(), |_| {}, early);
        let config = Arc::new(client_config(&authority));
        assert!(get(&serving, config, "/a.txt").ends_with("hello\n"), "{way:?}");
        let ended = serving.stop(Signal::SIGTERM);
        assert_eq!(ended.status, Some(0), "{way:?}");
        // It is heard, and the pipe is not read again.
        assert!(ended.stderr.contains("it is no regular file"), "{way:?}: {}", ended.stderr);
    }
}

#[test]
fn a_hangup_that_comes_with_the_end_hides_neither() {
    let https = Https::start(&[]);
    https.files.write("cert.pem", "");
    for signal in [Signal::SIGSTOP, Signal::SIGHUP, Signal::SIGTERM] {
        https.serving.signal(signal);
    }
    let ended = https.serving.stop(Signal::SIGCONT);
    assert_eq!(ended.status, Some(0));
    let line = "socketserver: the old certificate stays in use: there is no certificate in '";
    assert!(ended.stderr.starts_with(line), "{}", ended.stderr);
}

#[test]
fn a_handshake_that_the_end_finds_has_not_taken_too_long() {
    let https = Https::start(&[]);
    let mut client = Client::connect(([127, 0, 0, 1], https.serving.port).into());
    client.send(&client_hello(&Arc::new(client_config(&https.authority)))[..10]);
    // Answered behind it.
    https.get("/a.txt");
    let said = https.serving.stop(Signal::SIGTERM).stderr;
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn options_that_need_a_certificate_say_so_as_in_python() {
    for (arguments, line) in [
        (&["--tls-key", "k"][..], "--tls-key requires --tls-cert to be set"),
        (&["--tls-password-file", "p"], "--tls-password-file requires --tls-cert to be set"),
        (
            &["--tls-client-ca", "c"],
            "--tls-client-ca requires --tls-cert or --tls-self-signed to be set",
        ),
        (
            &["--tls-cert", "c", "--tls-password-file", "/nowhere/p"],
            "Failed to read TLS password file: No such file or directory (os error 2): '/nowhere/p'",
        ),
        (
            &["--tls-cert", "c", "--tls-self-signed"],
            "the argument '--tls-cert <PATH>' cannot be used with '--tls-self-signed'",
        ),
    ] {
        let said = fails(arguments, 2);
        assert_eq!(said, format!("socketserver: {line}; see 'socketserver --help'\n"));
    }
}

#[test]
fn an_encrypted_key_is_read_with_the_password_of_a_file() {
    let files = PemFiles::new();
    let file = |name, text| files.write(name, text).display().to_string();
    let cert = file("cert.pem", CERTIFICATE_OF_ENCRYPTED_KEY);
    let key = file("key.pem", ENCRYPTED_KEY);
    let right = file("right", "\n  secret\n");
    let wrong = file("wrong", "Secret\n");
    let stranger = Authority::new().issue();
    let other = file("other.pem", &stranger.key);
    let base = ["-b", "127.0.0.1", "--tls-cert", &cert];
    for (arguments, line) in [
        (
            &["--tls-key", "/nowhere/k"][..],
            "cannot read the private key '/nowhere/k': No such file or directory (os error 2)"
                .to_owned(),
        ),
        (
            &["--tls-key", &key],
            format!("the private key in '{key}' is encrypted, and there is no password"),
        ),
        (
            &["--tls-key", &key, "--tls-password-file", &wrong],
            format!("the password for the private key in '{key}' is wrong"),
        ),
        (
            &["--tls-key", &other],
            format!("the private key in '{other}' does not belong to the certificate in '{cert}'"),
        ),
        (&[], format!("there is no private key in '{cert}'")),
    ] {
        let said = fails(&[&["0"], &base[..], arguments].concat(), 1);
        assert_eq!(said, format!("socketserver: {line}\n"));
    }
    let arguments = ["--tls-key", &key, "--tls-password-file", &right];
    let serving = Serving::start(&[&base[..], &arguments].concat());
    let reply = get(&serving, Arc::new(trusting_anybody()), "/a.txt");
    assert!(reply.ends_with("hello\n"), "{reply}");
}

#[test]
fn a_proxy_header_comes_before_tls_under_every_strategy() {
    for strategy in STRATEGIES {
        for processes in [&[][..], &["--processes", "2"]] {
            let base = ["--proxy-protocol", "--trusted-proxies", "127.0.0.1", "--concurrency"];
            let https = Https::start(&[&base[..], &[strategy], processes].concat());
            let address = ([127, 0, 0, 1], https.serving.port).into();
            let config = Arc::new(client_config(&https.authority));
            for header in [V1.as_bytes(), &v2()] {
                let mut client = TlsClient::try_connect_behind(header, address, &config).unwrap();
                client.send("GET /a.txt HTTP/1.0\r\n\r\n");
                assert!(client.read_to_end().ends_with("\r\n\r\nhello\n"), "{strategy}");
            }
            assert!(TlsClient::try_connect(address, &config).is_err(), "{strategy}");
            let said = https.serving.stop(Signal::SIGTERM).stderr;
            let lines: Vec<&str> = said.lines().collect();
            assert!(lines[..2].iter().all(|line| line.starts_with("192.0.2.7 - - [")), "{said}");
            assert!(lines[2].starts_with("socketserver: refused 127.0.0.1:"), "{said}");
            assert!(lines[2].ends_with(": it began without a PROXY header"), "{said}");
            assert_eq!(lines.len(), 3, "{said}");
        }
    }
}

#[test]
fn a_certificate_made_for_the_occasion_is_the_one_whose_fingerprint_is_printed() {
    let mut serving = Serving::start(&["-b", "127.0.0.1", "--tls-self-signed"]);
    let printed = serving.read_line();
    let address = ([127, 0, 0, 1], serving.port).into();
    let mut client = TlsClient::connect(address, &Arc::new(trusting_anybody()));
    let shown = client.session().peer_certificates().unwrap()[0].clone();
    let hash = TLS13_AES_128_GCM_SHA256.tls13().unwrap().common.hash_provider.hash(&shown);
    let bytes: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(printed, format!("Certificate's SHA-256 fingerprint: {}\n", bytes.join(":")));

    let files = PemFiles::new();
    let der = files.path("cert.der");
    std::fs::write(&der, &shown).unwrap();
    let path = der.display().to_string();
    let openssl = ["x509", "-inform", "der", "-in", &path, "-noout", "-fingerprint", "-sha256"];
    match Command::new("openssl").args(openssl).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.trim_end().ends_with(&bytes.join(":")), "{said}");
        }
        Err(_) => println!("skipped: there is no openssl"),
    }
}

#[test]
fn clients_need_a_certificate_where_the_command_says_so() {
    let (clients, files) = (Authority::new(), PemFiles::new());
    let ca = files.write("ca.pem", &clients.pem).display().to_string();
    let https = Https::start(&["--tls-client-ca", &ca]);
    let own: Issued = clients.issue();
    let config = client_config_with(&https.authority, Some(&own));
    assert!(get(&https.serving, Arc::new(config), "/a.txt").ends_with("hello\n"));
    let config = client_config(&https.authority);
    let address = ([127, 0, 0, 1], https.serving.port).into();
    let mut client = TlsClient::connect(address, &Arc::new(config));
    let refused = client.try_read_to_end().unwrap_err();
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
}

#[test]
fn what_goes_wrong_below_a_request_is_one_line_in_the_log() {
    let https = Https::start(&[]);
    let address = ([127, 0, 0, 1], https.serving.port).into();
    for bytes in [&b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"[..], b"GET / HTTP/1.0\r\n\r\n"] {
        let mut client = Client::connect(address);
        client.send(bytes);
        std::io::Read::read_to_end(&mut client.stream, &mut Vec::new()).unwrap();
    }
    // Also where it had gone well so far.
    let mut client = TlsClient::connect(address, &Arc::new(client_config(&https.authority)));
    client.send("GET");
    client.socket().write_all(b"\xff\xff\xff\xff\xff\xff").unwrap();
    assert!(client.try_read_to_end().is_err());
    // Those that only look whether the port is open are no news.
    drop(Client::connect(address));
    https.get("/a.txt");
    let said = https.serving.stop(Signal::SIGINT).stderr;
    // Where the end takes more than a second, a line says what it waits for.
    let is_news = |line: &&str| !line.contains("waiting up to");
    let lines: Vec<&str> = said.lines().filter(is_news).collect();
    assert!(lines[0].starts_with("socketserver: 127.0.0.1:"), "{said}");
    assert!(lines[0].contains(": TLS failed: "), "{said}");
    assert!(lines[1].ends_with("code 400, message Plain HTTP was sent to an HTTPS port"), "{said}");
    assert!(lines[2].ends_with("\"GET / HTTP/1.0\" 400 -"), "{said}");
    assert!(lines[3].contains(": TLS failed: "), "{said}");
    assert_eq!(lines.len(), 5, "{said}");
}

/// A client that looks at no certificate.
pub(crate) fn trusting_anybody() -> ClientConfig {
    let mut config = client_config(&Authority::new());
    config.dangerous().set_certificate_verifier(Arc::new(Trusting));
    config
}

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
}
