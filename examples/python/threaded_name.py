"""A server with a thread for each connection, after PyMOTW.

Python starts a thread for each connection. The Rust server reuses threads that are free, so three
visits one after the other may all be answered by `Thread-1`.

The Rust program is `examples/threaded_name.rs`.
"""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        message = threading.current_thread().name
        self.wfile.write(message.encode())
        self.wfile.write(b"\n")

class ThreadedHTTPServer(ThreadingMixIn, HTTPServer):
    """Handles requests on separate threads."""

ThreadedHTTPServer(("localhost", 8080), Handler).serve_forever()
