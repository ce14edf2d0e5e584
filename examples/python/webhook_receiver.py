"""Receives webhooks as GitHub sends them, and checks the signature.

The body is read once, as bytes, because the signature is one of bytes. A missing `Content-Length`
is a traceback here. In Rust a body that is too long is answered 413.

The Rust program is `examples/webhook_receiver.rs`.
"""

import hashlib, hmac
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = b"It's a Secret to Everybody"

class WebhookHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        claimed = self.headers["X-Hub-Signature-256"] or ""
        if not hmac.compare_digest("sha256=" + signature, claimed):
            return self.send_error(403, "Wrong signature")
        print(self.headers["X-GitHub-Event"], body.decode())
        self.send_response(204)
        self.end_headers()

HTTPServer(("localhost", 8000), WebhookHandler).serve_forever()
