"""Clients that send their requests slowly, or in part, and what others have meanwhile."""
import time

from .pace_server import Server, good, over_tls, site

SLOW, SIZE = 200, 1024
POOL = ("--max-threads", "2", "--upload")
CHILDREN = ("--concurrency", "forking", "--max-children", "3")


def received(client):
    """The status of a response that has come, or 0."""
    try:
        return int(client.recv(4096).split(b" ", 2)[1])
    except (OSError, IndexError):
        return 0


def begun(server, pieces):
    """Slow clients that have sent the first of the pieces that their number gives, and the rest."""
    clients = []
    for number in range(SLOW):
        first, rest = pieces(number)
        client = server.connect()
        client.sendall(first)
        clients.append((client, rest))
    return clients


def body(sent):
    def pieces(number):
        head = (f"PUT /put-{number} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Content-Length: {SIZE}\r\n\r\n")
        return head.encode() + bytes(sent), bytes(SIZE - sent)
    return pieces


def head(_):
    text = b"GET /small HTTP/1.1\r\nHost: x\r\n"
    return text[:10], text[10:] + b"X: " + b"x" * 40 + b"\r\nConnection: close\r\n\r\n"


def beside(server, clients, bytes_each):
    """How long good clients wait, and what the server has at most, while these send slowly."""
    delays, threads, children = [], 0, 0
    for turn in range(20):
        for client, rest in clients if bytes_each else []:
            client.sendall(rest[turn * bytes_each:(turn + 1) * bytes_each])
        threads = max(threads, server.status("Threads"))
        children = max(children, len(server.children()))
        delays.append(good(server))
        time.sleep(0.1)
    done = 0
    for client, rest in clients:
        client.sendall(rest[20 * bytes_each:])
    for client, _ in clients:
        done += received(client) in (200, 201)
    return max(delays), threads, children, done


def row(what, options, pieces, bytes_each, tls):
    server = Server(site(), "-q", *options, tls=tls)
    idle = server.status("VmRSS")
    good(server)
    clients = begun(server, pieces)
    memory = (server.status("VmRSS") - idle) / SLOW
    delay, threads, children, done = beside(server, clients, bytes_each)
    print(f"{SLOW} {what}{over_tls(tls)}, {' '.join(options[:4])}: a good one is served within "
          f"{delay * 1000:.1f} ms; {threads} threads and {children} children at most; {done} are "
          f"answered when they have sent the rest; {memory:.1f} KiB each", flush=True)
    server.stop()


def rows(name, what, options, pieces, bytes_each):
    return {
        name: lambda: row(what, options, pieces, bytes_each, False),
        f"{name}-tls": lambda: row(what, options, pieces, bytes_each, True),
    }


ROWS = {
    **rows("half-bodies", "half-sent bodies of 1 KiB", POOL, body(SIZE // 2), 0),
    **rows("slow-bodies", "dribbled bodies of 1 KiB", POOL, body(0), 1),
    **rows("slow-heads", "dribbled heads", CHILDREN, head, 1),
    **rows("forked-bodies", "dribbled bodies of 1 KiB", (*CHILDREN, "--upload"), body(0), 1),
}
