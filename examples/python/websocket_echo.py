"""A WebSocket that sends everything back.

The handshake checks `Origin` (RFC 6455 section 4.2.1), because a browser lets any page open a
WebSocket to any server. Python goes on in the handler; in Rust a thread of its own takes the
connection over, and the crate `tungstenite` reads the frames. This program reads frames without
fragments, of at most 65,535 bytes.

The Rust program is `examples/websocket_echo.rs`.
"""

import base64, binascii, hashlib, struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class EchoHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600

    def only(self, name):
        values = self.headers.get_all(name, [])
        return values[0] if len(values) == 1 else ""

    def has_token(self, name, token):
        items = ",".join(self.headers.get_all(name, [])).lower().split(",")
        return token in map(str.strip, items)

    def key(self):
        key = self.only("Sec-WebSocket-Key")
        try:
            is_key = len(base64.b64decode(key, validate=True)) == 16
        except binascii.Error:
            is_key = False
        is_asked = (self.request_version == "HTTP/1.1" and self.only("Host")
                    and self.has_token("Connection", "upgrade")
                    and self.has_token("Upgrade", "websocket"))
        has_body = ("Transfer-Encoding" in self.headers
                    or set(self.headers.get_all("Content-Length", [])) - {"0"})
        return key if is_key and is_asked and not has_body else None

    def do_GET(self):
        key = self.key()
        if key is None:
            return self.send_error(400, "Not a WebSocket's handshake")
        if self.only("Sec-WebSocket-Version") != "13":
            self.send_response(426)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Version", "13")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        origin, host = self.only("Origin").lower(), self.only("Host").lower()
        if "Origin" in self.headers and (not host or origin != "http://" + host):
            return self.send_error(403, "A page of another server")
        secret = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(secret.encode()).digest())
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        self.end_headers()
        self.close_connection = True
        while self.echo():
            pass

    def echo(self):
        first, length = self.rfile.read(2)
        length &= 127
        if length == 126:
            length, = struct.unpack("!H", self.rfile.read(2))
        mask = self.rfile.read(4)
        data = self.rfile.read(length)
        data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
        if first == 0x89:
            first = 0x8A  # a ping is answered with a pong
        head = bytes([first, min(length, 126)])
        if length > 125:
            head += struct.pack("!H", length)
        self.wfile.write(head + data)
        return first != 0x88

ThreadingHTTPServer(("localhost", 8000), EchoHandler).serve_forever()
