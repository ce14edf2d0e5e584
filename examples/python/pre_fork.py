"""Several processes on one socket.

Python has nothing for this: the program binds, forks and serves in every process. It does not
replace a process that dies. `PreFork` in Rust does, and forwards signals.

The Rust program is `examples/pre_fork.rs`.
"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class WhoServes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        message = b"%d\n" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", len(message))
        self.end_headers()
        self.wfile.write(message)

server = ThreadingHTTPServer(("localhost", 8080), WhoServes)
for _ in range(3):
    if os.fork() == 0:
        break
server.serve_forever()
