"""The pictures of a camera as one response: a multipart stream, after picamera's web streaming.

Python's `send_header` and `end_headers` write the head of each part. In Rust they are for the
response's head, and an error after it; the head of a part is written into the body.

The Rust program is `examples/mjpeg.rs`.
"""

import pathlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class StreamingOutput:
    def __init__(self):
        self.frame = None
        self.condition = threading.Condition()

    def write(self, frame):
        with self.condition:
            self.frame = frame
            self.condition.notify_all()

    def next_frame(self):
        with self.condition:
            self.condition.wait()
            return self.frame

class StreamingHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Cache-Control", "no-cache, private")
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=FRAME")
        self.end_headers()
        while True:
            frame = output.next_frame()
            self.wfile.write(b"--FRAME\r\n")
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", len(frame))
            self.end_headers()
            self.wfile.write(frame)
            self.wfile.write(b"\r\n")

def record():
    picture = pathlib.Path(__file__).parent.parent / "server_evolution" / "test.jpg"
    while True:
        output.write(picture.read_bytes())
        time.sleep(0.1)

output = StreamingOutput()
threading.Thread(target=record, daemon=True).start()
ThreadingHTTPServer(("localhost", 8000), StreamingHandler).serve_forever()
