#!/usr/bin/env python3
"""Clients that take their responses slowly, or not at all, and what others have meanwhile.

    cargo build --release
    python3 benches/pace_responses.py [ROW..]

Rows: unread, unread-tls (200 clients that read nothing of 64 MiB, beside a good one), slow,
slow-tls (1,000 downloads at 8 KiB a second beside 16 busy connections), shrunk, drained (SIGTERM
while 50 wait), killed (`kill -9` of a process of `PreFork`). Prints a line for each, with what it
has found.
Downloads need some 2,500 descriptors in this process, and as many in the server.
"""
import hashlib, os, re, resource, select, signal, socket, ssl, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
SERVER = os.path.join(TARGET, "release", "socketserver")
UNREAD, SLOW, BUSY = 200, 1000, 16


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The command, serving a directory of files."""

    def __init__(self, site, *options, tls=False):
        self.port, self.log = free_port(), tempfile.TemporaryFile()
        command = [SERVER, "-d", site, "-p", "HTTP/1.1", "-b", "127.0.0.1", "--stall", "30"]
        command += ["--tls-self-signed"] if tls else []
        self.process = subprocess.Popen(
            [*command, *options, str(self.port)], stdout=self.log, stderr=self.log)
        self.context = None
        if tls:
            self.context = ssl.create_default_context()
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        for _ in range(200):
            try:
                self.connect().close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit("the server does not answer")

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port), 10)
        return self.context.wrap_socket(client) if self.context else client

    def ask(self, path, small=False):
        client = socket.socket()
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.settimeout(10)
        client.connect(("127.0.0.1", self.port))
        client = self.context.wrap_socket(client) if self.context else client
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return client

    def status(self, field, process=None):
        with open(f"/proc/{process or self.process.pid}/status") as status:
            return int(re.search(rf"{field}:\s+(\d+)", status.read()).group(1))

    def lines(self, what):
        self.log.seek(0)
        return self.log.read().decode(errors="replace").count(what)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


def site():
    directory = tempfile.mkdtemp()
    for name, size in [("64m", 64 << 20), ("1m", 1 << 20), ("8m", 8 << 20), ("small", 4096)]:
        with open(os.path.join(directory, name), "wb") as file:
            file.write(os.urandom(size))
    return directory


def good(server, path="/small"):
    """Seconds until a small file has come on a new connection."""
    began, client = time.time(), server.ask(path)
    received = b""
    while b"\r\n\r\n" not in received or len(received.split(b"\r\n\r\n", 1)[1]) < 4096:
        received += client.recv(65536)
    return time.time() - began


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
    print(f"{UNREAD} clients that read nothing of 64 MiB{' (TLS)' if tls else ''}, Sequential: "
          f"a good one is served within {max(delays) * 1000:.1f} ms; {len(left)} closed after "
          f"{left[0]:.1f} to {left[-1]:.1f} s; {server.lines('gave up after')} lines; "
          f"{threads} thread(s), {memory:.1f} KiB each", flush=True)
    server.stop()


def busy_load(server, seconds):
    """Requests a second of kept connections, by wrk."""
    scheme = "https" if server.context else "http"
    out = subprocess.run(
        ["wrk", "-t1", f"-c{BUSY}", f"-d{seconds}s", f"{scheme}://127.0.0.1:{server.port}/small"],
        capture_output=True, text=True).stdout
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def slow(tls):
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    directory = site()
    server = Server(directory, "--concurrency", "sequential", "-q", tls=tls)
    wanted = hashlib.md5(open(os.path.join(directory, "1m"), "rb").read()).digest()
    alone = busy_load(server, 3)
    idle = server.status("VmRSS")
    pid = os.fork()
    if pid == 0:
        os._exit(take_slowly(server, wanted))
    time.sleep(12)
    memory = (server.status("VmRSS") - idle) / SLOW
    beside = busy_load(server, 5)
    _, status = os.waitpid(pid, 0)
    print(f"{SLOW} downloads of 1 MiB at 8 KiB/s{' (TLS)' if tls else ''}, Sequential, beside "
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
    """Clients that have read a byte of a response of 64 MiB."""
    clients = [server.ask("/64m") for _ in range(count)]
    for client in clients:
        client.recv(1)
    return clients


def rest(client):
    """Bytes of the response that come, with that one."""
    count = 1
    try:
        while data := client.recv(1 << 20):
            count += len(data)
            if count >= 64 << 20:
                break
    except OSError:
        pass
    return count


def drained():
    server = Server(site(), "--shutdown-timeout", "20")
    clients = begun(server, 50)
    server.process.send_signal(signal.SIGTERM)
    began = time.time()
    sizes = [rest(client) for client in clients[:25]]
    finished = time.time() - began
    code = server.process.wait(60)
    print(f"SIGTERM while 50 wait: 25 that go on are whole ({min(sizes) >= 64 << 20}) after "
          f"{finished:.1f} s; the others are cut after {time.time() - began:.1f} s; "
          f"status {code}", flush=True)


def shrunk():
    directory = site()
    server = Server(directory)
    clients = begun(server, 50)
    os.truncate(os.path.join(directory, "64m"), 32 << 20)
    sizes = [rest(client) for client in clients]
    told = server.lines("bytes of its Content-Length")
    print(f"a file that becomes shorter while 50 wait: {min(sizes)} to {max(sizes)} bytes of "
          f"33554432, and a head, come; {told} lines in the log", flush=True)
    server.stop()


def killed():
    server = Server(site(), "--processes", "2")
    clients = begun(server, 20)
    children = subprocess.run(
        ["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    time.sleep(0.5)
    whole = sum(rest(client) >= 64 << 20 for client in clients)
    ended = len(clients) - whole
    print(f"kill -9 of one of two processes while 20 wait: {whole} are whole, {ended} end early; "
          f"a good one then within {good(server) * 1000:.1f} ms", flush=True)
    server.stop()


ROWS = {
    "unread": lambda: unread(False), "unread-tls": lambda: unread(True),
    "slow": lambda: slow(False), "slow-tls": lambda: slow(True),
    "shrunk": shrunk, "drained": drained, "killed": killed,
}

for row in sys.argv[1:] or ROWS:
    ROWS[row]()
