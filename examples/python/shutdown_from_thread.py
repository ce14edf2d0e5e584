"""Stops from another thread when Enter is pressed.

Python's `shutdown` waits until the loop has ended. In Rust joining the thread does.

The Rust program is `examples/shutdown_from_thread.rs`.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"still here\n")

server = ThreadingHTTPServer(("localhost", 8000), Handler)
thread = threading.Thread(target=server.serve_forever)
thread.start()
input()
server.shutdown()
thread.join()
server.server_close()
