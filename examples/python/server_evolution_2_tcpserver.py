"""A server evolves, 2: a handler of a `TCPServer`.

Run it in `examples/server_evolution`. The accept loop is the library's.

The Rust program is `examples/server_evolution_2_tcpserver.rs`.
"""

from socketserver import BaseRequestHandler, TCPServer

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: %s\r\n\r\n"
text_content = HEAD % b"text/html" + open("index.html", "rb").read()
pic_content = HEAD % b"image/jpeg" + open("test.jpg", "rb").read()

class MyTCPHandler(BaseRequestHandler):
    def handle(self):
        request = self.request.recv(1024).decode()
        method, src = request.split(" ")[:2]
        if method == "GET":
            self.request.sendall(pic_content if src == "/test.jpg" else text_content)
        if method == "POST":
            value = request.split("=")[-1]
            self.request.sendall(text_content + b"<p>%s</p>\n" % value.encode())

TCPServer(("", 8000), MyTCPHandler).serve_forever()
