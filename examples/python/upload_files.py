"""Takes files by PUT and by forms, which appear in the directory when they are complete.

The module `cgi` is gone since Python 3.13; this program runs up to 3.12. `FieldStorage` has stored
the whole form before it is asked for the first file; the Rust program writes a file while it
arrives. A PUT with `Content-Range` is refused (RFC 9110 section 14.5); in Rust `save_as` does that.

The Rust program is `examples/upload_files.rs`.
"""

import cgi, os, shutil, tempfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

class UploadHandler(SimpleHTTPRequestHandler):
    def save_as(self, path, source):
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
            shutil.copyfileobj(source, file)
        os.replace(file.name, path)

    def do_PUT(self):
        if self.path == "*":
            return self.send_error(400)
        path = self.translate_path(self.path)
        below = os.path.relpath(path, self.directory)
        if path.endswith("/") or os.path.isdir(path) or below.startswith(".") or "/." in below:
            return self.send_error(403, "Not a name for a file")
        parent, root = map(os.path.realpath, (os.path.dirname(path), self.directory))
        if not os.path.isdir(parent) or os.path.commonpath([parent, root]) != root:
            return self.send_error(409, "No such directory")
        if "Content-Range" in self.headers:
            return self.send_error(400, "A part of a file is not the whole")
        if "Content-Length" not in self.headers:
            return self.send_error(411)
        existed = os.path.lexists(path)
        with tempfile.TemporaryFile() as body:
            body.write(self.rfile.read(int(self.headers["Content-Length"])))
            body.seek(0)
            self.save_as(path, body)
        self.send_response(204 if existed else 201)
        self.end_headers()

    def do_POST(self):
        environ = {"REQUEST_METHOD": "POST"}
        form = cgi.FieldStorage(fp=self.rfile, headers=self.headers, environ=environ)
        for part in form.list:
            name = os.path.basename(part.filename or "")
            if name:
                self.save_as(os.path.join(self.directory, name), part.file)
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

ThreadingHTTPServer(("", 8000), UploadHandler).serve_forever()
