//! What a script is told of its request (RFC 3875 §4.1).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::CgiHttpRequestHandler;
use super::hooks::CgiHooks;
use super::script::Script;
use crate::http::exchange::Exchange;
use crate::http::message::base64::decode_base64;
use crate::http::message::headers::Headers;
use crate::http::message::text::encode_latin1;
use crate::work;

/// A script's variables, each once.
#[derive(Debug, Default)]
struct Environment(BTreeMap<String, Vec<u8>>);

impl Environment {
    fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.insert(name.to_owned(), value.as_ref().to_vec());
    }

    /// Sets text that came with the request, whose characters are its bytes.
    fn set_text(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), bytes(text));
    }
}

/// The variables for a script.
pub(super) fn environment(
    cgi: &CgiHttpRequestHandler<impl CgiHooks>,
    http: &Exchange<'_>,
    script: &Script,
    stored_length: Option<u64>,
) -> impl Iterator<Item = (OsString, OsString)> {
    let mut all = Environment::default();
    describe_server(&mut all, cgi, http);
    describe_request(&mut all, http, script);
    describe_client(&mut all, http);
    describe_headers(&mut all, &http.headers, cgi.settings.pass_authorization);
    if let Some(user) = http.remote_user() {
        // Verified, whatever the client says.
        all.set("AUTH_TYPE", "Basic");
        all.set("REMOTE_USER", user);
    }
    if http.redirects() == 0 {
        describe_body(&mut all, &http.headers, stored_length);
    }
    let inherited =
        cgi.settings.inherited.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let inherited: Vec<_> = inherited.map(|(name, value)| (name.into(), value)).collect();
    let own = all.0.into_iter();
    let own = own.map(|(name, value)| (name.into(), OsStr::from_bytes(&value).to_owned()));
    let set = cgi.settings.environment.clone().into_iter();
    inherited.into_iter().chain(own).chain(set)
}

fn describe_server(
    all: &mut Environment,
    cgi: &CgiHttpRequestHandler<impl CgiHooks>,
    http: &Exchange<'_>,
) {
    all.set("GATEWAY_INTERFACE", "CGI/1.1");
    all.set("SERVER_SOFTWARE", http.version_string());
    let (name, port) = (http.server.server_name(), http.server.server_port());
    // An IPv6 address is in brackets, as in the URL of which it is a part.
    let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
    // Those of the URL that was asked for (RFC 3875 §3.3), as `HTTP_HOST` has them.
    let target = http.target();
    all.set_text("SERVER_NAME", target.host().unwrap_or(&name));
    all.set("SERVER_PORT", target.port().unwrap_or(port).to_string());
    all.set_text("SERVER_PROTOCOL", &http.request_version);
    // Nothing else tells a script the scheme of its own URL; absent where it is `http`.
    if http.rfile.is_secure() {
        all.set("HTTPS", "on");
    }
    let root = std::path::absolute(cgi.directory()).unwrap_or_else(|_| cgi.directory().into());
    // Without a slash at its end.
    let root: PathBuf = root.components().collect();
    all.set("DOCUMENT_ROOT", root.as_os_str().as_bytes());
}

fn describe_request(all: &mut Environment, http: &Exchange<'_>, script: &Script) {
    all.set_text("REQUEST_METHOD", &http.command);
    // As it was sent, also where a handler around this one has taken dots and slashes from it.
    let uri = match http.url_prefix() {
        prefix if prefix.is_empty() || http.redirects() > 0 => {
            prefix.to_owned() + &http.target().origin_form()
        }
        _ => http.requested_target().origin_form(),
    };
    all.set_text("REQUEST_URI", &uri);
    all.set("SCRIPT_NAME", [http.url_prefix().as_bytes(), script.name.as_ref()].concat());
    all.set("SCRIPT_FILENAME", script.file.as_os_str().as_bytes());
    all.set_text("QUERY_STRING", &script.query);
    if !script.path_info.is_empty() {
        all.set("PATH_INFO", &script.path_info);
        all.set("PATH_TRANSLATED", script.path_translated.as_os_str().as_bytes());
    }
    // PHP refuses to run without, where it was built to.
    all.set("REDIRECT_STATUS", "200");
}

fn describe_client(all: &mut Environment, http: &Exchange<'_>) {
    // A client over a Unix socket has no address, and the variable may be empty.
    let address = http.client_address.ip();
    let address = address.map_or_else(String::new, |address| address.to_string());
    all.set("REMOTE_HOST", &address);
    all.set("REMOTE_ADDR", address);
    // A proxy that names its client need not tell the port, which is 0 then.
    if let Some(port) = http.client_address.port().filter(|&port| port != 0) {
        all.set("REMOTE_PORT", port.to_string());
    }
}

fn describe_headers(all: &mut Environment, headers: &Headers, pass_authorization: bool) {
    for (name, value) in headers.iter() {
        let Some(variable) = variable(name) else { continue };
        if !pass_authorization && variable.ends_with("_AUTHORIZATION") {
            continue;
        }
        let separator: &[u8] = if variable == "HTTP_COOKIE" { b"; " } else { b", " };
        let value = bytes(value);
        match all.0.get_mut(&variable) {
            Some(values) => {
                values.extend_from_slice(separator);
                values.extend_from_slice(&value);
            }
            None => drop(all.0.insert(variable, value)),
        }
    }
    if pass_authorization {
        describe_user(all, headers.get("Authorization").unwrap_or_default());
    }
}

/// The variable for a header; `None` for a header without one.
///
/// `Proxy` has no variable, as programs take `HTTP_PROXY` for the proxy to use (httpoxy,
/// CVE-2016-5385). A name with an underscore would be taken for the one with a hyphen in its place.
/// The rest is of the connection, or has a variable of its own.
fn variable(header: &str) -> Option<String> {
    work::note(header.len());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let special = ["Proxy", "Content-Length", "Content-Type", "Transfer-Encoding"];
    if !header.bytes().all(is_plain) || special.iter().any(|it| it.eq_ignore_ascii_case(header)) {
        return None;
    }
    Some(["HTTP_", &header.to_ascii_uppercase().replace('-', "_")].concat())
}

fn describe_user(all: &mut Environment, authorization: &str) {
    let mut words = authorization.split_ascii_whitespace();
    let (Some(scheme), Some(credentials), None) = (words.next(), words.next(), words.next()) else {
        return;
    };
    all.set_text("AUTH_TYPE", scheme);
    if scheme.eq_ignore_ascii_case("basic")
        && let Some(decoded) = decode_base64(credentials)
        && let Some(colon) = decoded.iter().position(|&byte| byte == b':')
        && !decoded[..colon].contains(&0)
    {
        all.set("REMOTE_USER", &decoded[..colon]);
    }
}

fn describe_body(all: &mut Environment, headers: &Headers, stored_length: Option<u64>) {
    for (name, header) in [("CONTENT_TYPE", "Content-Type"), ("CONTENT_LENGTH", "Content-Length")] {
        if let Some(value) = headers.get(header) {
            all.set_text(name, value);
        }
    }
    if let Some(length) = stored_length {
        all.set("CONTENT_LENGTH", length.to_string());
    }
}

fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    if !encode_latin1(text, &mut bytes) {
        // A handler has put it there; a client's text is ISO 8859-1.
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_variables_but_for_some() {
        assert_eq!(variable("X-Custom-2").as_deref(), Some("HTTP_X_CUSTOM_2"));
        assert_eq!(variable("accept").as_deref(), Some("HTTP_ACCEPT"));
        for none in ["Proxy", "PROXY", "X_Custom", "X.Custom", "Content-Type", "content-length"] {
            assert_eq!(variable(none), None, "{none}");
        }
    }

    #[test]
    fn variables_cost_what_their_headers_are_long() {
        let describe = |headers: &Headers| {
            let mut all = Environment::default();
            describe_headers(&mut all, headers, true);
            describe_body(&mut all, headers, None);
        };
        let headers = |name: &str, value: &str, count: usize| {
            let mut headers = Headers::default();
            (0..count).for_each(|_| headers.push_text(name, value));
            headers
        };
        for unit in ["a", ",", "\u{e9}", " ", "=", "YTpi", "Basic "] {
            let value = |length| unit.chars().cycle().take(length).collect::<String>();
            for name in ["A", "Cookie"] {
                assert!(work::assert_linear(unit, 260_000, |length| {
                    describe(&headers(name, &value(length / 90), 90));
                }));
            }
            assert!(work::assert_linear(unit, 65_000, |length| {
                describe(&headers("Authorization", &format!("Basic {}", value(length)), 1));
            }));
            assert!(work::assert_linear(unit, 65_000, |length| {
                describe(&headers(&"A-".repeat(length / 2), "", 1));
            }));
        }
    }
}
