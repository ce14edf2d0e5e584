"""Long polling: a request waits for a new message, 20 seconds at most.

`threading.Condition` is a `Mutex` and a `Condvar` in Rust. This program keeps every message, the
Rust program the last 1000.

The Rust program is `examples/long_poll.rs`.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

messages, arrived = [], threading.Condition()

class PollHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        since = int(query.get("since", ["0"])[0])
        with arrived:
            arrived.wait_for(lambda: len(messages) > since, timeout=20)
            news, count = messages[since:], len(messages)
        self.send_response(200 if news else 204)
        self.send_header("X-Next-Since", str(count))
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        for message in news:
            self.wfile.write(message + b"\n")

    def do_POST(self):
        message = self.rfile.read(int(self.headers["Content-Length"]))
        with arrived:
            messages.append(message)
            arrived.notify_all()
        self.send_response(204)
        self.end_headers()

ThreadingHTTPServer(("localhost", 8000), PollHandler).serve_forever()
