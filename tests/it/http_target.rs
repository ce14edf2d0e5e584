//! What a request is for: the path, the query and the host that count, in whatever form they come.

use socketserver::http::Metrics;

use crate::cgi_site::CgiSite;
use crate::web::{Browser, Site, answer, answering, ask, get, serve, talk};

/// A server that tells what it takes a request's target for.
fn telling() -> crate::support::Running {
    serve(answering(|http| {
        let target = http.target();
        let host = target.host().zip(target.port());
        let headers: Vec<_> = http.headers.get_all("Host").collect();
        let text =
            format!("{} {:?} {host:?} {headers:?}", target.path(), target.query().unwrap_or("-"));
        answer(http, text)
    }))
}

#[test]
fn the_host_of_an_absolute_target_beats_the_host_field() {
    let server = telling();
    for (request, told) in [
        ("GET /a?b HTTP/1.1\r\nHost: x", "/a \"b\" Some((\"x\", 80)) [\"x\"]"),
        ("GET http://y/a?b HTTP/1.1\r\nHost: x", "/a \"b\" Some((\"y\", 80)) [\"y\"]"),
        ("GET HTTP://y:8080/a HTTP/1.1\r\nhost: x:90", "/a \"-\" Some((\"y\", 8080)) [\"y:8080\"]"),
        ("GET https://y HTTP/1.1\r\nHost: x", "/ \"-\" Some((\"y\", 443)) [\"y\"]"),
        ("GET https://[::1]:?b HTTP/1.1\r\nHost:", "/ \"b\" Some((\"[::1]\", 443)) [\"[::1]:\"]"),
        // Python's clients leave a user in what they ask a proxy for.
        ("GET http://a:b@y:8/ HTTP/1.1\r\nHost: x", "/ \"-\" Some((\"y\", 8)) [\"y:8\"]"),
        ("GET http://a@b@y/ HTTP/1.1\r\nHost: x", "/ \"-\" Some((\"y\", 80)) [\"y\"]"),
        // Without a field there is none to beat.
        ("GET http://y:1/a HTTP/1.0", "/a \"-\" Some((\"y\", 1)) [\"y:1\"]"),
        ("GET /a HTTP/1.0", "/a \"-\" None []"),
        ("GET /a HTTP/1.1\r\nHost:", "/a \"-\" None [\"\"]"),
        // A host in a query is none of the target's.
        ("GET /a?u=http://y/ HTTP/1.1\r\nHost: x", "/a \"u=http://y/\" Some((\"x\", 80)) [\"x\"]"),
        ("GET ftp://y/a HTTP/1.1\r\nHost: x", "ftp://y/a \"-\" Some((\"x\", 80)) [\"x\"]"),
        ("OPTIONS * HTTP/1.1\r\nHost: x", "* \"-\" Some((\"x\", 80)) [\"x\"]"),
        ("OPTIONS http://y HTTP/1.1\r\nHost: x", "/ \"-\" Some((\"y\", 80)) [\"y\"]"),
        ("POST http://y//a HTTP/1.1\r\nHost: x", "/a \"-\" Some((\"y\", 80)) [\"y\"]"),
    ] {
        assert_eq!(ask(&server, format!("{request}\r\n\r\n")).text(), told, "{request:?}");
    }
}

#[test]
fn the_host_of_a_tunnel_beats_the_host_field() {
    let server = serve(answering(|http| {
        let hosts = format!("{:?} {:?}", http.target().host(), http.headers.get("Host"));
        http.send_response(403)?;
        http.send_header("X-Host", hosts)
    }));
    let reply = ask(&server, "CONNECT y:443 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(reply.header("X-Host"), Some("Some(\"y\") Some(\"y:443\")"));
}

#[test]
fn a_target_with_a_wrong_host_is_refused() {
    let server = telling();
    for target in [
        "http://",
        "http:///a",
        "http://:80/a",
        "http://y:99999/",
        "http://y:b/",
        "http://[::1/",
        "http://user@/",
        "http://user@:80/",
        "http://@/",
        "http://y@z:a/",
        "http://<y>/",
        "http://y,z/",
        "https://\\y/a",
    ] {
        for (version, host) in [("1.1", "Host: x\r\n"), ("1.0", "")] {
            let mut browser = Browser::connect(&server);
            let reply = browser.ask(format!("GET {target} HTTP/{version}\r\n{host}\r\n"));
            assert_eq!(reply.status(), 400, "{target}");
            assert_eq!(reply.header("Connection"), Some("close"), "{target}");
            browser.sees_the_end();
        }
    }
}

#[test]
fn an_asterisk_leads_to_no_path() {
    let site = Site::new();
    let server = serve(Metrics::new(site.handler()).metrics("/metrics"));
    for target in
        ["*/../metrics", "*/../%6detrics/.", "*/../a.txt", "*/", "**", "*a", "*?q", "*#f", "*%2f"]
    {
        for method in ["GET", "POST", "OPTIONS"] {
            for (version, host) in [("1.1", "Host: x\r\n"), ("1.0", "")] {
                let mut browser = Browser::connect(&server);
                let head = format!("{method} {target} HTTP/{version}\r\n{host}\r\n");
                let reply = browser.ask(head);
                assert_eq!(reply.status(), 400, "{method} {target}");
                browser.sees_the_end();
            }
        }
        let old = talk(&server, format!("GET {target}\r\n"));
        assert!(!old.starts_with(b"# HELP") && !old.starts_with(b"hello"), "{target}");
    }
}

#[test]
fn a_script_is_told_the_host_that_counts() {
    let script = "printf 'Content-Type: text/plain\\n\\n'; \
        echo $HTTP_HOST $SERVER_NAME $SERVER_PORT $REQUEST_URI $SCRIPT_NAME $QUERY_STRING";
    let site = CgiSite::new(&[("host", script)]);
    let (server, _) = site.serve();
    let port = server.address.port();
    for (request, told) in [
        ("/cgi-bin/host?q HTTP/1.1\r\nHost: x:90", "x:90 x 90 /cgi-bin/host?q /cgi-bin/host q"),
        (
            "http://y:8080/cgi-bin/host?q HTTP/1.1\r\nHost: x",
            "y:8080 y 8080 /cgi-bin/host?q /cgi-bin/host q",
        ),
        ("HTTPS://y/cgi-bin/host HTTP/1.1\r\nHost: x", "y y 443 /cgi-bin/host /cgi-bin/host"),
        ("http://y/cgi-bin/host HTTP/1.0", "y y 80 /cgi-bin/host /cgi-bin/host"),
        // The server's own, where the client names none.
        ("/cgi-bin/host HTTP/1.0", &format!("127.0.0.1 {port} /cgi-bin/host /cgi-bin/host")),
        (
            "/cgi-bin/host HTTP/1.1\r\nHost:",
            &format!("127.0.0.1 {port} /cgi-bin/host /cgi-bin/host"),
        ),
    ] {
        let reply = ask(&server, format!("GET {request}\r\n\r\n"));
        assert_eq!(reply.text().trim_end(), told, "{request:?}");
    }
}

#[test]
fn files_and_redirects_understand_every_form() {
    let site = Site::new();
    let server = site.serve();
    for target in ["http://y/a.txt", "https://y:8443//a.txt?q#f", "HTTP://y/%61.txt"] {
        assert_eq!(ask(&server, get(target)).text(), "hello world\n", "{target}");
    }
    for (target, location) in
        [("http://y/sub?q", "sub/?q"), ("http://y//evil.example/..%2fsub", "..%2fsub/")]
    {
        let reply = ask(&server, get(target));
        assert_eq!((reply.status(), reply.header("Location")), (301, Some(location)), "{target}");
    }
    assert_eq!(ask(&server, get("http://y?q")).status(), 200);
}

#[test]
fn a_form_in_the_query_of_an_absolute_target_is_read() {
    let server = serve(answering(|http| {
        let form = socketserver::http::form::FieldStorage::read(http)?;
        let value = form.getfirst("a").unwrap_or_default().to_owned();
        answer(http, value)
    }));
    for target in ["/?a=b", "http://y/?a=b", "http://y?a=b", "/?a=b#f", "http://y/x?a=b#f?a=c"] {
        assert_eq!(ask(&server, get(target)).text(), "b", "{target}");
    }
}

#[test]
fn every_spelling_of_a_path_reaches_the_numbers() {
    let base = answering(|http| answer(http, "mine"));
    let server = serve(Metrics::new(base).healthz("/healthz").metrics("/sub/metrics"));
    for spelling in [
        "/healthz",
        "/healthz?x",
        "/healthz#f",
        "/%68ealthz",
        "//healthz",
        "/./healthz",
        "/a/../healthz",
        "http://h/healthz",
        "https://h:1/%68ealthz?x",
        "http://h//healthz",
    ] {
        assert_eq!(ask(&server, get(spelling)).text(), "ok\n", "{spelling}");
        let head = format!("HEAD {spelling} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(ask(&server, head).header("Content-Length"), Some("3"), "{spelling}");
    }
    // HTTP/0.9 has targets, too.
    assert!(talk(&server, "GET http://h/healthz\r\n").ends_with(b"ok\n"));
    assert!(ask(&server, get("/sub%2Fmetrics")).text().starts_with("# HELP"));
    for other in ["/healthz/", "/HEALTHZ", "/%2568ealthz", "/healthz;x", "*", "/sub/"] {
        assert_eq!(ask(&server, get(other)).text(), "mine", "{other}");
    }
}
