"""Sends every client to the same path on another server.

A target that does not begin with a slash, as `@evil.example`, is refused, because behind the other
server's name it would name a third one. 308 keeps the method, which clients may change to GET for
301.

The Rust program is `examples/redirect_server.rs`.
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

target = sys.argv[1] if sys.argv[1:] else "https://example.org"

class RedirectHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        if not url.path.startswith("/"):
            return self.send_error(400)
        mark = "?" if url.query else ""
        self.send_response(308)
        self.send_header("Location", target + url.path + mark + url.query)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

HTTPServer(("localhost", 8000), RedirectHandler).serve_forever()
