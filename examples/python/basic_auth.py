"""Files behind a name and a password.

Each `do_` method has to check the password. In Rust `handle_one_request` checks it before
any method.

The Rust program is `examples/basic_auth.rs`.
"""

import base64, binascii, hmac
from http.server import HTTPServer, SimpleHTTPRequestHandler

KEY = b"ada:lovelace"

class AuthHandler(SimpleHTTPRequestHandler):
    def knows(self):
        scheme, _, sent = self.headers.get("Authorization", "").partition(" ")
        try:
            sent = base64.b64decode(sent.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(sent, KEY)

    def guard(self, answer):
        if self.knows():
            return answer()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="Files"')
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"not authenticated\n")

    def do_GET(self):
        self.guard(super().do_GET)

    def do_HEAD(self):
        self.guard(super().do_HEAD)

HTTPServer(("localhost", 8000), AuthHandler).serve_forever()
