//! What is agreed on in handshakes: protocols, sessions, certificates.

use std::io::{BufRead, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind};
use socketserver::transport::{Pem, Tls, TlsBind, Transport};
use socketserver::{Connection, NotTls, Overload, Sequential, ThreadPool, ThreadingHttpsServer};

use crate::certificates::{
    Authority, CERTIFICATE_OF_ENCRYPTED_KEY, ENCRYPTED_KEY, KEYS_ENCRYPTED_OTHERWISE, PemFiles,
    TlsClient, client_config, client_config_with,
};
use crate::cgi_site::CgiSite;
use crate::support::{Gate, Notes, Running, read_line, testing};
use crate::tls::{Secure, bind};
use crate::web::{answer, answering, get};

#[test]
fn a_protocol_other_than_http_may_tell_clear_text_apart() {
    let told = Notes::new();
    let notes = told.clone();
    let handler = testing(move |mut connection: Connection| {
        let error = read_line(&mut connection).unwrap_err();
        let not_tls: &NotTls = error.get_ref().unwrap().downcast_ref().unwrap();
        notes.add(not_tls.received().to_vec());
        connection.wfile.write_all(b"speak TLS\n")
    });
    let server = Secure::start::<ThreadPool, _>(handler);
    assert_eq!(server.connect_plainly().ask("hello"), "speak TLS");
    assert_eq!(told.next(), b"hello\n");
}

#[test]
fn a_protocol_is_agreed_on_or_the_client_is_refused() {
    let server = Secure::start::<ThreadPool, _>(answering(|http| answer(http, "hello")));
    for (offered, agreed) in [
        (&[][..], Some(None)),
        (&["http/1.1"][..], Some(Some("http/1.1"))),
        (&["h2", "http/1.1"][..], Some(Some("http/1.1"))),
        // As `curl --http1.0`.
        (&["http/1.0"][..], Some(Some("http/1.0"))),
        (&["http/1.0", "http/1.1"][..], Some(Some("http/1.1"))),
        (&["h2"][..], None),
    ] {
        let mut config = ClientConfig::clone(&server.config);
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        match (TlsClient::try_connect(server.address(), &Arc::new(config)), agreed) {
            (Ok(mut client), Some(agreed)) => {
                assert_eq!(client.session().alpn_protocol(), agreed.map(str::as_bytes));
            }
            (Err(error), None) => {
                assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
            }
            (Ok(_), None) => panic!("{offered:?} was accepted"),
            (Err(error), _) => panic!("{offered:?}: {error}"),
        }
    }
}

#[test]
fn a_client_that_comes_back_resumes_its_session() {
    let server = Secure::start::<ThreadPool, _>(answering(|http| answer(http, "hello")));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut client = server.connect();
        client.send(get("/"));
        client.reply();
        assert_eq!(client.session().handshake_kind(), Some(kind));
    }
}

#[test]
fn clients_show_certificates_where_they_must() {
    let (servers, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let shows = || {
        answering(|http| {
            let shown = http.peer_certificates();
            answer(http, shown.first().map_or(&b"nobody"[..], |certificate| certificate))
        })
    };
    let (known, unknown) = (clients.issue(), strangers.issue());
    for is_optional in [false, true] {
        let tls = servers
            .issue()
            .tls()
            .client_ca(Pem::Text(clients.pem.clone()))
            .client_certificate_is_optional(is_optional);
        let running = Running::start(bind(tls, shows(), ThreadPool::default()));
        let ask = |own| {
            let config = Arc::new(client_config_with(&servers, own));
            let mut client = TlsClient::try_connect(running.address, &config).ok()?;
            // With TLS 1.3 a client hears of a refusal after its handshake only.
            client.reader.get_mut().write_all(get("/").as_bytes()).ok()?;
            client.reader.fill_buf().ok()?;
            Some(client.reply().1)
        };
        assert_eq!(ask(Some(&known)).unwrap(), known.der().as_ref());
        assert_eq!(ask(Some(&unknown)), None);
        assert_eq!(ask(None), is_optional.then(|| b"nobody".to_vec()));
    }
}

#[test]
fn certificates_are_read_anew_and_connections_go_on() {
    let files = PemFiles::new();
    let (before, after) = (Authority::new(), Authority::new());
    let cert = files.write("cert.pem", &before.issue().both());
    let handler = answering(|http| answer(http, "hello"));
    let server = ThreadingHttpsServer::bind(TlsBind::new("127.0.0.1:0", cert), handler).unwrap();
    let reload = server.reload_handle();
    let running = Running::start(server);
    let trusts = |authority| Arc::new(client_config(authority));
    let mut old = TlsClient::connect(running.address, &trusts(&before));

    files.write("cert.pem", "nothing of use");
    let error = reload.reload().unwrap_err();
    assert!(error.to_string().starts_with("there is no "), "{error}");
    drop(TlsClient::connect(running.address, &trusts(&before)));

    files.write("cert.pem", &after.issue().both());
    reload.reload().unwrap();
    drop(TlsClient::connect(running.address, &trusts(&after)));
    assert!(TlsClient::try_connect(running.address, &trusts(&before)).is_err());
    old.send(get("/"));
    assert_eq!(old.reply().1, b"hello");
}

#[test]
fn a_file_that_is_wrong_is_named_in_one_line() {
    let files = PemFiles::new();
    let (authority, text) = (Authority::new(), |text: &str| Pem::Text(text.to_owned()));
    let (one, other) = (authority.issue(), authority.issue());
    let cert = Pem::File(files.write("cert.pem", &one.certificate));
    let key = |name: &str, text: &str| Pem::File(files.write(name, text));
    let with = |certfile: Pem| TlsBind::new("127.0.0.1:0", certfile);
    let plain = || with(cert.clone());
    let locked =
        || with(text(CERTIFICATE_OF_ENCRYPTED_KEY)).keyfile(key("encrypted.pem", ENCRYPTED_KEY));
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
                  AAAA\n-----END RSA PRIVATE KEY-----\n";
    for (tls, message) in [
        (
            with(files.path("none.pem").into()),
            "cannot read the certificate 'DIR/none.pem': No such file or directory (os error 2)",
        ),
        (
            plain().keyfile(files.path("none.pem")),
            "cannot read the private key 'DIR/none.pem': No such file or directory (os error 2)",
        ),
        (plain(), "there is no private key in 'DIR/cert.pem'"),
        (
            with(text("")).keyfile(key("key.pem", &one.key)),
            "there is no certificate in the text given",
        ),
        (
            plain().keyfile(key("other.pem", &other.key)),
            "the private key in 'DIR/other.pem' does not belong to the certificate in 'DIR/cert.pem'",
        ),
        (
            plain().keyfile(key("legacy.pem", legacy)),
            "the private key in 'DIR/legacy.pem' is encrypted in a way that is no longer safe; convert it: openssl pkcs8 -topk8 -in KEY -out NEW",
        ),
        (locked(), "the private key in 'DIR/encrypted.pem' is encrypted, and there is no password"),
        (
            locked().password("wrong"),
            "the password for the private key in 'DIR/encrypted.pem' is wrong",
        ),
    ] {
        let error = Tls::bind(tls).unwrap_err().to_string();
        let directory = files.path("").display().to_string();
        assert_eq!(error.replace(directory.trim_end_matches('/'), "DIR"), message);
    }
    // What openssl reads and we do not: ways to encrypt of old, and lines of another length.
    let rewrapped = ENCRYPTED_KEY.replace("MIHs", "MIHs\n");
    for text in KEYS_ENCRYPTED_OTHERWISE.into_iter().chain([&*rewrapped]) {
        let tls = locked().password("secret").keyfile(key("key.pem", text));
        let error = Tls::bind(tls).unwrap_err().to_string();
        let path = files.path("key.pem");
        let begin = format!("the private key in '{}' cannot be decrypted: ", path.display());
        let end =
            "; if openssl can, have it write the key anew: openssl pkcs8 -topk8 -in KEY -out NEW";
        assert!(error.starts_with(&begin) && error.ends_with(end), "{error}");
    }
    let debugged = format!("{:?}", locked().password("hush"));
    assert!(!debugged.contains("hush") && !debugged.contains("BEGIN"), "{debugged}");
    Tls::bind(locked().password("secret")).unwrap();
    Tls::bind(plain().password("not needed").keyfile(key("key.pem", &one.key))).unwrap();
}

#[test]
fn a_client_too_many_is_closed_without_a_handshake() {
    let authority = Authority::new();
    let handler = answering(|http| answer(http, "hello"));
    let mut server = bind(authority.issue().tls(), handler, ThreadPool::default());
    (server.max_connections, server.overload) = (1, Overload::Refuse);
    let running = Running::start(server);
    let config = Arc::new(client_config(&authority));
    let mut first = TlsClient::connect(running.address, &config);
    running.connect().sees_the_end();
    first.send(get("/"));
    assert_eq!(first.reply().1, b"hello");
}

#[test]
fn a_request_that_came_before_the_end_is_served() {
    let gate = Gate::new();
    let enter = gate.clone();
    let server = Secure::start::<Sequential, _>(answering(move |http| {
        if http.path == "/wait" {
            enter.pass();
        }
        answer(http, "hello")
    }));
    let (mut idle, mut busy) = (server.connect(), server.connect());
    for client in [&mut idle, &mut busy] {
        client.send(get("/"));
        client.reply();
    }
    busy.send(get("/wait"));
    idle.send(get("/"));
    server.running.handle.shutdown();
    gate.let_through(1);
    assert_eq!(busy.reply().1, b"hello");
    assert_eq!(idle.reply().1, b"hello");
    assert_eq!(server.running.wait().report.cut, 0);
}

#[test]
fn the_programs_that_people_have_are_served() {
    let (authority, files) = (Authority::new(), PemFiles::new());
    let trusted = files.write("ca.pem", &authority.pem).display().to_string();
    let handler = answering(|http| answer(http, "hello"));
    let running = Running::start(bind(authority.issue().tls(), handler, ThreadPool::default()));
    let port = running.address.port();
    let python = format!(
        "import ssl, socket\n\
         context = ssl.create_default_context(cafile={trusted:?})\n\
         for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:\n    \
             context.minimum_version = context.maximum_version = version\n    \
             raw = socket.create_connection(('127.0.0.1', {port}), 5)\n    \
             s = context.wrap_socket(raw, server_hostname='localhost', suppress_ragged_eofs=False)\n    \
             s.sendall(b'GET / HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n')\n    \
             got = b''.join(iter(lambda: s.recv(9999), b''))\n    \
             assert got.endswith(b'hello'), got\n\
         print('hello')"
    );
    let to = format!("localhost:{port}:127.0.0.1");
    let url = format!("https://localhost:{port}/");
    let place = running.address.to_string();
    for (program, arguments, input) in [
        ("curl", vec!["-sS", "-m", "5", "--cacert", &trusted, "--resolve", &to, &url], ""),
        (
            "curl",
            vec![
                "-sS",
                "-m",
                "5",
                "--tls-max",
                "1.2",
                "--cacert",
                &trusted,
                "--resolve",
                &to,
                &url,
            ],
            "",
        ),
        (
            "openssl",
            vec![
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-CAfile",
                &trusted,
                "-connect",
                &place,
            ],
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        ),
        ("python3", vec!["-c", &python], ""),
    ] {
        let child = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            println!("skipped: there is no {program}");
            continue;
        };
        // It stays open, or s_client would leave at once.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(said.trim_end().ends_with("hello"), "{program}: {said}\n{errors}");
        drop(stdin);
    }
}

#[test]
fn a_script_is_told_that_its_client_speaks_tls() {
    let site = CgiSite::new(&[("https", "echo Content-Type: text/plain; echo; echo \"[$HTTPS]\"")]);
    let server = Secure::start::<ThreadPool, _>(site.handler());
    let mut client = server.connect();
    client.send("GET /cgi-bin/https HTTP/1.0\r\n\r\n");
    let reply = client.read_to_end();
    assert!(reply.ends_with("\r\n\r\n[on]\n"), "{reply}");
    let server = Running::start(crate::support::bind::<ThreadPool, _>(site.handler()));
    let mut client = server.connect();
    client.send("GET /cgi-bin/https HTTP/1.0\r\n\r\n");
    assert!(client.read_to_end().ends_with("\r\n\r\n[]\n"));
}
