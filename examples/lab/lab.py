"""Python's servers in the lab: the handler of `serve.rs`, in Python.

Started by the lab with the name of a class.
"""

import os
import resource
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from socketserver import ForkingMixIn
from urllib.parse import parse_qs, urlsplit


class ForkingHTTPServer(ForkingMixIn, HTTPServer):
    pass


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class Lab(BaseHTTPRequestHandler):
    visits = 0
    leaked = []

    def do_GET(self):
        if "X-Lab" not in self.headers:
            return self.send_error(403)
        query = parse_qs(urlsplit(self.path).query)
        thread = threading.current_thread().name.split(" ")[0]
        if thread == "MainThread":
            thread = "main"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("X-Worker", f"{os.getpid()} {thread}")
        self.send_header("X-Began", str(now()))
        if "count" in query:
            Lab.visits += 1
            self.send_header("X-Note", f"visit {Lab.visits}")
        self.end_headers()
        if "sleep" in query:
            time.sleep(int(query["sleep"][0]) / 1000)
        if "spin" in query:
            end = time.thread_time() + int(query["spin"][0]) / 1000
            while time.thread_time() < end:
                pass
        if "leak" in query:
            size = int(query["leak"][0]) << 20
            if sum(map(len, Lab.leaked)) + size <= 1024 << 20:
                Lab.leaked.append(b"x" * size)
        if "panic" in query:
            raise RuntimeError("a client asked for it")
        if "abort" in query:
            os.abort()
        if "big" in query:
            for _ in range(256):
                self.wfile.write(b"." * (64 << 10))
        self.wfile.write(f"\nended {now()}\n".encode())

    do_POST = do_GET

    def log_message(self, *arguments):
        pass


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
server = globals()[sys.argv[1]](("127.0.0.1", 0), Lab)
print(f"127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
