"""Clients that take their responses slowly, or not at all, and what others have meanwhile."""
import hashlib
import os
import resource
import select
import signal
import socket
import ssl
import subprocess
import time

from .pace_server import Server, busy_load, good, over_tls, site

UNREAD, SLOW, BUSY = 200, 1000, 16


def unread(tls):
    server = Server(site(), "--concurrency", "sequential", tls=tls)
    idle = server.status("VmRSS")
    clients, began = [], time.time()
    for _ in range(UNREAD):
        client = server.ask("/64m")
        client.recv(1)
        clients.append((client, time.time()))
    delays = [good(server) for _ in range(50)]
    memory = (server.status("VmRSS") - idle) / UNREAD
    threads = server.status("Threads")
    ends, poll = {}, select.poll()
    asked = {client.fileno(): at for client, at in clients}
    for number in asked:
        poll.register(number, 0)
    while asked and time.time() < began + 60:
        for number, _ in poll.poll(200):
            poll.unregister(number)
            ends[number] = time.time() - asked.pop(number)
        if int(time.time() * 5) % 10 == 0:
            delays.append(good(server))
    left = sorted(ends.values())
    print(f"{UNREAD} clients that read nothing of 64 MiB{over_tls(tls)}, Sequential: "
          f"a good one is served within {max(delays) * 1000:.1f} ms; {len(left)} closed after "
          f"{left[0]:.1f} to {left[-1]:.1f} s; {server.lines('gave up after')} lines; "
          f"{threads} thread(s), {memory:.1f} KiB each", flush=True)
    server.stop()


def slow(tls):
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    directory = site()
    server = Server(directory, "--concurrency", "sequential", "-q", tls=tls)
    wanted = hashlib.md5(open(os.path.join(directory, "1m"), "rb").read()).digest()
    alone = busy_load(server, BUSY, 3)
    idle = server.status("VmRSS")
    pid = os.fork()
    if pid == 0:
        os._exit(take_slowly(server, wanted))
    time.sleep(12)
    memory = (server.status("VmRSS") - idle) / SLOW
    beside = busy_load(server, BUSY, 5)
    _, status = os.waitpid(pid, 0)
    print(f"{SLOW} downloads of 1 MiB at 8 KiB/s{over_tls(tls)}, Sequential, beside "
          f"{BUSY} busy connections: {beside:.0f} of {alone:.0f} requests a second, "
          f"{beside / alone:.2f}; "
          f"{'all are whole' if status == 0 else 'SOME FAILED'}; {memory:.1f} KiB each; "
          f"{server.status('Threads')} thread(s)", flush=True)
    server.stop()


def take_slowly(server, wanted):
    began, clients = time.time(), []
    for _ in range(SLOW):
        client = server.ask("/1m", small=True)
        clients.append([client, hashlib.md5(), b"", 0])
    turn = 0
    while clients:
        turn += 1
        # A quick end, once the others have been measured.
        piece = 8192 if time.time() < began + 25 else 1 << 20
        for entry in list(clients):
            client, digest, head, count = entry
            try:
                data = client.recv(piece)
            except (socket.timeout, ssl.SSLWantReadError):
                continue
            if not data:
                return 1
            if count == 0 and b"\r\n\r\n" not in head:
                entry[2] = head = head + data
                if b"\r\n\r\n" not in head:
                    continue
                data = head.split(b"\r\n\r\n", 1)[1]
            digest.update(data)
            entry[3] = count = count + len(data)
            if count >= 1 << 20:
                if digest.digest() != wanted:
                    return 1
                clients.remove(entry)
        time.sleep(max(0, began + turn - time.time()) if piece == 8192 else 0)
    return 0


def begun(server, count):
    """Clients that have read the head of a response of 64 MiB."""
    clients = [server.ask("/64m") for _ in range(count)]
    for client in clients:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
    return clients


def rest(client, most=64 << 20):
    """Bytes of the body that come."""
    count = 0
    try:
        while count < most and (data := client.recv(1 << 20)):
            count += len(data)
    except OSError:
        pass
    return count


def sockets(process):
    """How many sockets a process has."""
    directory = f"/proc/{process}/fd"
    links = [os.readlink(os.path.join(directory, name)) for name in os.listdir(directory)]
    return sum(link.startswith("socket:") for link in links)


def drained():
    server = Server(site(), "--shutdown-timeout", "20")
    clients = begun(server, 50)
    server.process.send_signal(signal.SIGTERM)
    began = time.time()
    sizes = [rest(client) for client in clients[:25]]
    finished = time.time() - began
    code = server.process.wait(60)
    ended = time.time() - began
    others = [rest(client) for client in clients[25:]]
    print(f"SIGTERM while 50 wait: {sum(size == 64 << 20 for size in sizes)} of 25 that go on are "
          f"whole after {finished:.1f} s; {sum(size < 64 << 20 for size in others)} of the others "
          f"are cut after {ended:.1f} s; status {code}", flush=True)


def shrunk():
    directory = site()
    server = Server(directory)
    clients = begun(server, 50)
    os.truncate(os.path.join(directory, "64m"), 32 << 20)
    sizes = [rest(client) for client in clients]
    told = server.lines("bytes of its Content-Length")
    print(f"a file that becomes shorter while 50 wait: {min(sizes)} to {max(sizes)} bytes of "
          f"33554432 come; {told} lines in the log", flush=True)
    server.stop()


def grown():
    directory = site()
    server = Server(directory)
    clients = begun(server, 50)
    with open(os.path.join(directory, "64m"), "ab") as file:
        file.write(bytes(32 << 20))
    sizes = [rest(client) for client in clients]
    time.sleep(0.5)
    for client in clients:
        client.settimeout(0.01)
    sizes = [size + rest(client) for size, client in zip(sizes, clients)]
    print(f"a file that becomes longer while 50 wait: {min(sizes)} to {max(sizes)} bytes of "
          f"67108864 come", flush=True)
    server.stop()


def killed():
    server = Server(site(), "--processes", "2")
    before = {process: sockets(process) for process in server.children()}
    clients = begun(server, 20)
    served = {process: sockets(process) - count for process, count in before.items()}
    victim = max(served, key=served.get)
    os.kill(victim, signal.SIGKILL)
    time.sleep(0.5)
    whole = sum(rest(client) == 64 << 20 for client in clients)
    print(f"kill -9 of one of two processes while 20 wait, {served[victim]} of them for it: {whole} "
          f"are whole, {20 - whole} end early; a good one then within {good(server) * 1000:.1f} ms",
          flush=True)
    server.stop()


ROWS = {
    "unread": lambda: unread(False), "unread-tls": lambda: unread(True),
    "slow": lambda: slow(False), "slow-tls": lambda: slow(True),
    "shrunk": shrunk, "grown": grown, "drained": drained, "killed": killed,
}
