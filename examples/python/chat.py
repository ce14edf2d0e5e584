"""A chat: each client hears what the others write.

Each client has a queue, and a thread that writes what is in it. Otherwise one client that does not
read would block the thread of the client that writes. A client whose queue is full is dropped.

The Rust program is `examples/chat.rs`.
"""

import queue, threading
from socketserver import StreamRequestHandler, ThreadingTCPServer

LINE = 4096  # the longest line, in bytes
WAITING = 100  # lines that may wait for a client that reads slowly

class ChatHandler(StreamRequestHandler):
    timeout = 3600
    clients = {}
    lock = threading.Lock()

    def tell(self, line, but=None):
        with self.lock:
            for address in self.clients.keys() - {but}:
                try:
                    self.clients[address].put_nowait(line)
                except queue.Full:
                    del self.clients[address]

    def write_lines(self, lines):
        try:
            while self.clients.get(self.client_address) is lines:
                self.wfile.write(lines.get())
        except OSError:
            pass  # The handler's thread gets this error, too.

    def handle(self):
        me, lines = self.client_address, queue.Queue(WAITING)
        with self.lock:
            self.clients[me] = lines
        threading.Thread(target=self.write_lines, args=[lines], daemon=True).start()
        self.tell("{}:{} has come\n".format(*me).encode())
        try:
            while line := self.rfile.readline(LINE):
                if me not in self.clients or len(line) == LINE and not line.endswith(b"\n"):
                    break
                self.tell(line, but=me)
        finally:
            with self.lock:
                self.clients.pop(me, None)

ThreadingTCPServer(("localhost", 8080), ChatHandler).serve_forever()
