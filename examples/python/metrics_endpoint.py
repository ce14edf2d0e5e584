"""Counts its responses, for Prometheus.

`log_request` is called for every response, errors included, in both.

The Rust program is `examples/metrics_endpoint.rs`.
"""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

responses, lock = Counter(), threading.Lock()

class AppHandler(BaseHTTPRequestHandler):
    def log_request(self, code="-", size="-"):
        with lock:
            responses[int(code)] += 1
        super().log_request(code, size)

    def do_GET(self):
        if self.path == "/metrics":
            self.send_text("text/plain; version=0.0.4; charset=utf-8", metrics())
        elif self.path == "/":
            self.send_text("text/plain", "Hello, world!\n")
        else:
            self.send_error(404)

    def send_text(self, content_type, text):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.end_headers()
        self.wfile.write(text.encode())

def metrics():
    lines = [
        "# HELP http_responses_total Responses sent, by status.",
        "# TYPE http_responses_total counter",
    ]
    with lock:
        for code, count in sorted(responses.items()):
            lines.append(f'http_responses_total{{code="{code}"}} {count}')
    return "\n".join(lines) + "\n"

ThreadingHTTPServer(("localhost", 8000), AppHandler).serve_forever()
