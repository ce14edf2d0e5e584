"""Waits for the one request that brings the code of a login, then ends.

`self.server.code` is a field of the handler in Rust.

The Rust program is `examples/oauth_callback.rs`.
"""

import secrets
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

state = secrets.token_hex(16)

class CallbackHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        if query.get("state") != [state] or "code" not in query:
            return self.send_error(400, "This is not the answer")
        self.server.code = query["code"][0]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"Thank you. You may close this window.\n")

server = HTTPServer(("localhost", 8000), CallbackHandler)
server.code = None
callback = f"http://localhost:{server.server_port}/callback"
query = urlencode({"client_id": "example", "redirect_uri": callback, "state": state})
print(f"Open https://login.example/authorize?{query}")
server.handle_request()
print(f"The code is {server.code}")
