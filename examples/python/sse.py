"""Server-sent events: what one client posts, all that listen receive at once.

Python starts any number of threads. In Rust the bound of the pool is raised. `end_headers` in Rust
holds the head back until the body begins, so a slow body needs `flush_headers`.

The Rust program is `examples/sse.rs`.
"""

import queue
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

listeners = set()

class EventHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        events = queue.Queue(100)  # what may wait for a listener that reads slowly
        listeners.add(events)
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-cache")
            self.end_headers()
            while events in listeners:
                self.wfile.write(next_event(events))
        finally:
            listeners.discard(events)

    def do_POST(self):
        message = self.rfile.read(int(self.headers["Content-Length"])).decode()
        for events in list(listeners):
            try:
                events.put_nowait(message)
            except queue.Full:
                listeners.discard(events)
        self.send_response(204)
        self.end_headers()

def next_event(events):
    try:
        lines = events.get(timeout=15).splitlines()
    except queue.Empty:
        return b": still here\n\n"
    return "".join(f"data: {line}\n" for line in lines).encode() + b"\n"

ThreadingHTTPServer(("localhost", 8000), EventHandler).serve_forever()
