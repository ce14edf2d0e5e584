"""Lists the fields and the files of a form: PyMOTW's `PostHandler`.

The module `cgi` is gone since Python 3.13; this program runs up to 3.12.

The Rust program is `examples/post_form.rs`.
"""

import cgi
from http.server import BaseHTTPRequestHandler, HTTPServer

class PostHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        # Parse the form data posted
        form = cgi.FieldStorage(
            fp=self.rfile,
            headers=self.headers,
            environ={"REQUEST_METHOD": "POST", "CONTENT_TYPE": self.headers["Content-Type"]},
        )

        # Begin the response
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(f"Client: {self.client_address}\n".encode())
        self.wfile.write(f"Path: {self.path}\n".encode())
        self.wfile.write(b"Form data:\n")

        # Echo back information about what was posted in the form
        for field in form.keys():
            field_item = form[field]
            if field_item.filename:
                # The field contains an uploaded file
                file_len = len(field_item.file.read())
                self.wfile.write(f"\tUploaded {field} ({file_len} bytes)\n".encode())
            else:
                # Regular form value
                self.wfile.write(f"\t{field}={form[field].value}\n".encode())

HTTPServer(("localhost", 8080), PostHandler).serve_forever()
