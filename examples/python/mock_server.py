"""A server in a test: it gives prepared answers and records the requests.

The Rust program is `examples/mock_server.rs`.
"""

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

class MockHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append((self.command, self.path, body))
        code, answer = self.server.answers.pop(0)
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", len(answer))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

class MockServer(HTTPServer):
    def __init__(self, answers):
        super().__init__(("localhost", 0), MockHandler)
        self.answers, self.requests = answers, []
        threading.Thread(target=self.serve_forever).start()

mock = MockServer([(200, b"ready"), (201, b"made")])
url = f"http://localhost:{mock.server_port}"
# What is tested: it asks for the state, then sends its order.
assert urllib.request.urlopen(url + "/state").read() == b"ready"
assert urllib.request.urlopen(url + "/orders", b"tea").status == 201
mock.shutdown()
assert mock.requests == [("GET", "/state", b""), ("POST", "/orders", b"tea")]
print("2 requests, as expected")
