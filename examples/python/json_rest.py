"""Notes to create, read, change and delete, as JSON.

A body that is not JSON is a traceback and no answer here. In Rust the error is answered 400.
Notes beyond 1000 are refused with 507 in Rust, and have no limit here.

The Rust program is `examples/json_rest.rs`.
"""

import itertools, json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

notes, numbers = {}, itertools.count(1)

class RestHandler(BaseHTTPRequestHandler):
    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def send_json(self, code, value):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def do_GET(self):
        number = self.path.removeprefix("/notes/")
        if self.path == "/notes":
            self.send_json(200, notes)
        elif number in notes:
            self.send_json(200, notes[number])
        else:
            self.send_error(404)

    def do_POST(self):
        if self.path != "/notes":
            return self.send_error(404)
        note, number = self.body(), str(next(numbers))
        notes[number] = note
        self.send_json(201, {"number": number})

    def do_PUT(self):
        if "Content-Range" in self.headers:
            return self.send_error(400, "A part of a note is not the whole")
        number = self.path.removeprefix("/notes/")
        if number not in notes:
            return self.send_error(404)
        notes[number] = self.body()
        self.send_json(200, notes[number])

    def do_DELETE(self):
        if notes.pop(self.path.removeprefix("/notes/"), None) is None:
            return self.send_error(404)
        self.send_response(204)
        self.end_headers()

ThreadingHTTPServer(("localhost", 8000), RestHandler).serve_forever()
