"""A file of which clients ask for parts, as players of videos do (RFC 9110 section 14).

One range is answered 206, several ranges and wrong ones by the whole file, as the standard allows.
A range beyond the end is answered 416. With `If-Range` the whole file is sent.

The Rust program is `examples/ranges.rs`.
"""

import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = sys.argv[1] if len(sys.argv) > 1 else "Cargo.toml"

def find_range(value, size):
    """The first byte, and the one behind the last."""
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", value or "")
    if not match or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return max(size - int(last), 0), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size

class RangeHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        with open(PATH, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = None if "If-Range" in self.headers else find_range(self.headers["Range"], size)
            start, end = found or (0, size)
            if found and start >= end:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", 0)
                self.end_headers()
                return
            self.send_response(206 if found else 200)
            if found:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", end - start)
            self.end_headers()
            if self.command != "HEAD":
                file.seek(start)
                self.wfile.write(file.read(end - start))

    do_HEAD = do_GET

ThreadingHTTPServer(("localhost", 8000), RangeHandler).serve_forever()
