"""At most four requests at once; further clients are answered 503.

`process_request` runs for each client that is accepted. In Rust the bound is `max_connections`;
beyond it `Overload::Refuse` calls `handle_overload`, which answers 503 unless it is overridden.

The Rust program is `examples/bounded_pool.rs`.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class BoundedServer(ThreadingHTTPServer):
    places = threading.Semaphore(4)

    def process_request(self, request, client_address):
        if self.places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            request.sendall(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n")
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"%d bytes\n" % len(body))

BoundedServer(("localhost", 8000), Handler).serve_forever()
