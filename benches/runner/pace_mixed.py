"""Requests of four kinds on kept connections: quick ones, and each kind that waits."""
import os
import select
import time

from .pace_server import Server, site

CONNECTIONS = 64
COUNT = int(os.environ.get("PACE_REQUESTS", "1000000"))
HOST = "HTTP/1.1\r\nHost: x\r\n"
QUICK, BODY, HEAD, RESPONSE = range(4)


class Client:
    """A connection whose requests wait in turn for nothing, a body, a head, and room."""

    def __init__(self, server, number):
        self.socket = server.connect(small=True)
        self.socket.setblocking(False)
        self.kind, self.number = number % 4, number
        self.rest, self.left, self.received = b"", 0, b""

    def begin(self):
        """Sends a request, or its first half."""
        self.kind, self.received, self.left = (self.kind + 1) % 4, b"", None
        text = {
            QUICK: f"GET /small {HOST}\r\n",
            BODY: f"PUT /put-{self.number} {HOST}Content-Length: 1024\r\n\r\n" + "b" * 1024,
            HEAD: f"GET /small {HOST}X-Filler: {'x' * 40}\r\n\r\n",
            RESPONSE: f"GET /256k {HOST}\r\n",
        }[self.kind].encode()
        sent = {BODY: len(text) - 512, HEAD: 30}.get(self.kind, len(text))
        self.rest = text[sent:]
        self.socket.send(text[:sent])

    def go_on(self):
        """Sends the second half."""
        if self.rest:
            self.socket.send(self.rest)
            self.rest = b""

    def receive(self):
        """Takes what has come, at most 64 KiB; tells whether that was all."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed early")
        if self.left is None:
            self.received += data
            head, end, data = self.received.partition(b"\r\n\r\n")
            if not end:
                return False
            status = int(head.split(b" ", 2)[1])
            if status not in (200, 201, 204):
                raise ConnectionError(f"status {status}")
            length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")]
            self.left = int(length[0].split(b":")[1]) if length else 0
        self.left -= len(data)
        return self.left == 0


def mixed(options):
    server = Server(site(), "-q", "--upload=replace", *options)
    clients = [Client(server, number) for number in range(CONNECTIONS)]
    of_number = {client.socket.fileno(): client for client in clients}
    poll = select.epoll()
    for client in clients:
        poll.register(client.socket.fileno(), select.EPOLLIN)
        client.begin()
    done, lost, memory, began = 0, 0, [], time.time()
    marks = [COUNT // 10, COUNT // 2, COUNT]
    while done < COUNT and not lost:
        for number, _ in poll.poll(0.005):
            client = of_number[number]
            try:
                if client.receive():
                    done += 1
                    if done in marks:
                        memory.append(server.status("VmRSS"))
                    client.begin()
            except (OSError, ValueError) as error:
                print(f"lost: {error}")
                lost += 1
        for client in clients:
            client.go_on()
    seconds = time.time() - began
    print(f"{done} requests, a quarter each: quick, half a body first, half a head first, 256 KiB to "
          f"a small buffer; {' '.join(options)}: {lost} lost, memory "
          f"{', '.join(map(str, memory))} KiB after a tenth, half and all; {seconds:.0f} s",
          flush=True)
    server.stop()


ROWS = {
    "mixed": lambda: mixed(("--max-threads", "8")),
    "mixed-sequential": lambda: mixed(("--concurrency", "sequential")),
}
