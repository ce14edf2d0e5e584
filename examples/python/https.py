"""A page over HTTPS, with the classes of Python 3.14.

Before 3.14, `ssl.SSLContext.wrap_socket` does the same to `server.socket`. The handshake runs
inside `accept`, so one silent client stops all others. The certificate is read once; in Rust a
signal has it read again.

The Rust program is `examples/https.rs`.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPSServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"Nobody else can read this.\n")

port, certfile, keyfile = sys.argv[1:]
server = ThreadingHTTPSServer(("localhost", int(port)), Handler, certfile=certfile, keyfile=keyfile)
server.serve_forever()
