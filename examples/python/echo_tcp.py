"""Lines over TCP, sent back in upper case.

The base class is the strategy. In Rust the strategy is a value.

The Rust program is `examples/echo_tcp.rs`.
"""

from socketserver import StreamRequestHandler, ForkingTCPServer, TCPServer, ThreadingTCPServer

class EchoHandler(StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline(65536):
            self.wfile.write(line.upper())

TCPServer(("localhost", 8080), EchoHandler).serve_forever()
