"""A JSON API with a login, whose handlers update an object of the program.

Python passes the object in by a function that makes handler classes. In Rust the handler is a value
and holds it. The object grows with each new address here; in Rust one beyond 1000 is refused with
507.

The Rust program is `examples/login_api.rs`.
"""

import json, threading, traceback, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

class SubSystem:
    def __init__(self, http_server_port):
        self.north_server_info = {}
        make_handler = lambda *args: MyHTTPRequestHandler(self, *args)
        self.server = ThreadingHTTPServer(("localhost", http_server_port), make_handler)

    def start_http_server(self):
        self.server.serve_forever()

    def update_north_server_info(self, data):
        self.north_server_info[data.get("ip")] = data

class MyHTTPRequestHandler(BaseHTTPRequestHandler):
    def __init__(self, subsystem, *args):
        self.subsystem = subsystem
        super().__init__(*args)

    def send(self, code, content_type, body):
        self.send_response(code)
        self.send_header("Content-Type", content_type + "; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body.encode())

    def handle_login(self, login_req_data):
        try:
            self.subsystem.update_north_server_info(json.loads(login_req_data))
            code, response = 200, {"code": 0, "token": uuid.uuid4().hex, "description": "success"}
        except Exception:
            code, response = 500, {"code": 1, "token": "", "description": traceback.format_exc()}
        self.send(code, "application/json", json.dumps(response))

    def do_POST(self):
        post_data = self.rfile.read(int(self.headers["Content-Length"]))
        if urlparse(self.path).path == "/north/login":
            self.handle_login(post_data)
        else:
            self.send(404, "text/html", "<h1>404 Not Found</h1>\n")

for port in 8000, 8001:
    threading.Thread(target=SubSystem(port).start_http_server).start()
