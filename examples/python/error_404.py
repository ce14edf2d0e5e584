"""An error page, after PyMOTW.

The Rust program is `examples/error_404.rs`.
"""

from http.server import BaseHTTPRequestHandler, HTTPServer

class ErrorHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

HTTPServer(("localhost", 8080), ErrorHandler).serve_forever()
