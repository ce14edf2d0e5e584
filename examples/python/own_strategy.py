"""A mix-in of one's own: a thread for each connection, as `socketserver.ThreadingMixIn`.

A mix-in overrides `process_request`; a Rust strategy implements it.

The Rust program is `examples/own_strategy.rs`.
"""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class ThreadingMixIn:
    threads = []

    def process_request_thread(self, request, client_address):
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def process_request(self, request, client_address):
        self.threads[:] = [thread for thread in self.threads if thread.is_alive()]
        arguments = (request, client_address)
        thread = threading.Thread(target=self.process_request_thread, args=arguments)
        self.threads.append(thread)
        thread.start()

    def server_close(self):
        super().server_close()
        for thread in self.threads:
            thread.join()

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(threading.current_thread().name.encode() + b"\n")

class Server(ThreadingMixIn, HTTPServer):
    pass

Server(("localhost", 8000), Handler).serve_forever()
