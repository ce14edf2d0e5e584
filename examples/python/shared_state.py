"""Counts visits in a class attribute.

In Rust the count is a field. `+=` on an attribute may lose a count between threads; in Rust a plain
integer in a handler does not compile.

The Rust program is `examples/shared_state.rs`.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Counter(BaseHTTPRequestHandler):
    visits = 0

    def do_GET(self):
        Counter.visits += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"visit %d\n" % Counter.visits)

ThreadingHTTPServer(("localhost", 8000), Counter).serve_forever()
