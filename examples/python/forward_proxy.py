"""A proxy for `http://` URLs, with tunnels for `https://`.

Only clients of this machine are served. Fields for the proxy, and those that `Connection` names,
are removed in both directions (RFC 9110 section 7.6.1). `do_CONNECT` is in `do_method` in Rust.
This tunnel loses what a client sends before the answer to CONNECT: `rfile` has read it already.

The Rust program is `examples/forward_proxy.rs`.
"""

import http.client, ipaddress, shutil, socket, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization",
              "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

class ProxyServer(ThreadingHTTPServer):
    def verify_request(self, request, client_address):
        return ipaddress.ip_address(client_address[0]).is_loopback

class ProxyHandler(BaseHTTPRequestHandler):
    def do_CONNECT(self):
        host, _, port = self.path.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            return self.send_error(400, "CONNECT without a port")
        upstream = self.connect(host.strip("[]"), int(port))
        if upstream is None:
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        with upstream:
            tunnel(self.connection, upstream)

    def do_GET(self):
        url = urlsplit(self.path)
        if url.scheme != "http" or url.hostname is None:
            return self.send_error(400, "Not a proxy's request")
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        upstream = self.connect(url.hostname, url.port or 80)
        if upstream is None:
            return
        with upstream:
            upstream.sendall(self.head(url, len(body)).encode("latin-1") + body)
            response = http.client.HTTPResponse(upstream, method=self.command)
            try:
                response.begin()
                lengths = response.headers.get_all("Content-Length", ["0"])
                if len(lengths) > 1 or not lengths[0].isdecimal():
                    raise http.client.HTTPException("No length")
            except (OSError, http.client.HTTPException) as error:
                return self.send_error(502, str(error))
            self.log_request(response.status)
            self.send_response_only(response.status)
            for name, value in end_to_end(response.headers):
                self.send_header(name, value)
            self.send_header("Via", f"{response.version / 10} proxy")
            self.end_headers()
            shutil.copyfileobj(response, self.wfile)

    def connect(self, host, port):
        if port < 1024 and port not in (80, 443):  # 25 would be for mail in this machine's name.
            return self.send_error(403, "Not to this port")
        try:
            upstream = socket.create_connection((host, port), timeout=10)
        except OSError as error:
            return self.send_error(502, str(error))
        upstream.settimeout(300)
        return upstream

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def head(self, url, length):
        mark = "?" if url.query else ""
        host = url.netloc.split("@")[-1]
        root = "*" if self.command == "OPTIONS" and not url.query else "/"
        path = url.path or root
        head = f"{self.command} {path}{mark}{url.query} HTTP/1.0\r\nHost: {host}\r\n"
        for name, value in end_to_end(self.headers):
            if name.lower() not in ("host", "content-length"):
                head += f"{name}: {value}\r\n"
        if length > 0 or "Content-Length" in self.headers:
            head += f"Content-Length: {length}\r\n"
        version = self.request_version.removeprefix("HTTP/")
        return head + f"Via: {version} proxy\r\nConnection: close\r\n\r\n"

def end_to_end(headers):
    named = ",".join(headers.get_all("Connection", [])).lower().split(",")
    dropped = HOP_BY_HOP.union(map(str.strip, named))
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]

def tunnel(client, upstream):
    """Carries bytes both ways until both ends have ended."""
    back = threading.Thread(target=pump, args=(upstream, client))
    back.start()
    pump(client, upstream)
    back.join()

def pump(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)

ProxyServer(("localhost", 8000), ProxyHandler).serve_forever()
