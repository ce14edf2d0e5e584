"""The UDP server of the documentation of `socketserver`.

In Rust a datagram is a value that knows the address to reply to, and control characters are
escaped before they are printed.

The Rust program is `examples/udp_echo.rs`.
"""

import socketserver

class MyUDPHandler(socketserver.BaseRequestHandler):
    def handle(self):
        data = self.request[0].strip()
        socket = self.request[1]
        print(f"{self.client_address[0]} wrote:")
        print(data.decode())
        socket.sendto(data.upper(), self.client_address)

socketserver.UDPServer(("localhost", 9999), MyUDPHandler).serve_forever()
