"""What a handler knows of a request and of its server: PyMOTW's `GetHandler`.

The Rust program is `examples/hello.rs`.
"""

from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlparse

class GetHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        parsed_path = urlparse(self.path)
        message = "\n".join([
            "CLIENT VALUES:",
            f"client_address={self.client_address} ({self.address_string()})",
            f"command={self.command}",
            f"path={self.path}",
            f"real path={parsed_path.path}",
            f"query={parsed_path.query}",
            f"request_version={self.request_version}",
            "",
            "SERVER VALUES:",
            f"server_version={self.server_version}",
            f"sys_version={self.sys_version}",
            f"protocol_version={self.protocol_version}",
            "",
        ])
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(message.encode())

HTTPServer(("localhost", 8080), GetHandler).serve_forever()
