"""A header on every response of a file server, errors included.

In Rust `super()` is the handler that is held in a field, and `base` names it.

The Rust program is `examples/cors_files.rs`.
"""

from http.server import HTTPServer, SimpleHTTPRequestHandler

class CORSRequestHandler(SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def do_OPTIONS(self):
        self.send_response(204)
        self.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.end_headers()

HTTPServer(("localhost", 8000), CORSRequestHandler).serve_forever()
