"""Lines over a Unix socket, with the user who sent them.

This program replaces the socket file even if another server listens on it. The Rust program
replaces it only if no server does. Python unpacks `SO_PEERCRED` by hand, on Linux only.

The Rust program is `examples/unix_echo.rs`.
"""

import os, socket, struct, sys
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer

class EchoHandler(StreamRequestHandler):
    def handle(self):
        peer = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, gid = struct.unpack("3i", peer)
        while line := self.rfile.readline(65536):
            self.wfile.write(b"%d: " % uid + line)

path = sys.argv[1] if len(sys.argv) > 1 else "/tmp/echo.sock"
if os.path.exists(path):
    os.unlink(path)  # Also that of a server which still listens.
try:
    ThreadingUnixStreamServer(path, EchoHandler).serve_forever()
finally:
    os.unlink(path)
