#!/usr/bin/env python3
"""Shows where the crate differs from CPython by intent: the same clients, both servers.

    cargo build --release --examples
    python3 tests/differences.py             all differences, as the table of docs/DIFFERENCES.md
    python3 tests/differences.py NAME..      only these
    python3 tests/differences.py --here ..   without CPython's side

CPython is the one that runs this script. Linux only; the count of system calls needs strace.
"""
import email.utils, os, random, re, resource, shutil, socket, statistics, struct, subprocess, sys
import tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
EXAMPLES = os.environ.get("EXAMPLES", os.path.join(TARGET, "release", "examples"))
HERE_ONLY = "--here" in sys.argv
LIMIT = 2.0  # seconds that a client waits before it says "nothing in 2 s"

HELLO = """
import http.server, sys
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"Hello, World!")
    def log_message(self, *args):
        pass
server = http.server.{server}(("127.0.0.1", 0), Hello)
print("http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
"""
FILES = """
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print("http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
"""
ECHO = """
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())
server = socketserver.{server}(("127.0.0.1", 0), Echo)
print("127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
"""
SHOUT = """
import socketserver
class Shout(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(self.request[0].upper(), self.client_address)
server = socketserver.UDPServer(("127.0.0.1", 0), Shout)
print("127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
"""
UNIX_ECHO = """
import socketserver, sys
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
server = socketserver.ThreadingUnixStreamServer(sys.argv[1], Echo)
print(sys.argv[1], flush=True)
server.serve_forever()
"""
STOP = """
import http.server, sys, threading
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
print("http://127.0.0.1:%d" % server.server_port, flush=True)
thread = threading.Thread(target=server.serve_forever)
thread.start()
sys.stdin.readline()
server.shutdown()
thread.join()
print("Stopped", flush=True)
"""


class ServerDidNotStart(Exception):
    pass


class Server:
    """A server process that prints its address first."""

    def __init__(self, command, **options):
        self.log = tempfile.TemporaryFile()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log}
        self.process = subprocess.Popen(command, **pipes, **options)
        line = self.process.stdout.readline().decode()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if not found and "/" not in line:
            raise ServerDidNotStart(f"{command[0]} did not start: {line!r}")
        self.port = int(found[1]) if found else None

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), LIMIT)

    def silent_clients(self, count):
        """Clients that connect, as far as the server's queue allows, and say nothing."""
        clients = [socket.socket() for _ in range(count)]
        for client in clients:
            client.settimeout(0.2)
            client.connect_ex(("127.0.0.1", self.port))
        return clients

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def python(program, *arguments, **names):
    for name, value in names.items():
        program = program.replace("{%s}" % name, value)
    return [sys.executable, "-c", program, *arguments]


def example(name, *arguments):
    return [os.path.join(EXAMPLES, name), *arguments]


def sides(theirs, ours):
    return [ours] if HERE_ONLY else [theirs, ours]


def send(server, data, ends=False):
    """Sends bytes and says in a few words what comes back."""
    with server.connect() as client:
        client.sendall(data)
        if ends:
            client.shutdown(socket.SHUT_WR)
        received, deadline, state = b"", time.monotonic() + LIMIT, "open"
        while time.monotonic() < deadline:
            client.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                part = client.recv(65536)
            except socket.timeout:
                break
            except ConnectionResetError:
                state = "reset"
                break
            if not part:
                state = "closed"
                break
            received += part
    codes = re.findall(rb"HTTP/1\.[01] (\d+)", received)
    location = re.search(rb"Location: (\S+)", received)
    if location:
        return f"`{codes[0].decode()}`, `Location: {location[1].decode()}`"
    bare = b"<title>Error response</title>" in received.rsplit(b"\r\n\r\n")[-1]
    answers = ["`%s`" % code.decode() for code in codes]
    if bare and (not codes or codes[-1] == b"200"):
        answers.append("an error page without a status line")
    if received:
        return ", then ".join(answers) or "the page"
    return {"open": "nothing in 2 s", "closed": "closed without an answer", "reset": "reset"}[state]


def with_files(data, **options):
    def both():
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "index.html"), "w") as page:
                page.write("<p>hello</p>\n")
            os.mkfifo(os.path.join(directory, "fifo"))
            os.mkdir(os.path.join(directory, "sub"))
            for command in sides(python(FILES, directory), example("server_evolution_3_files", "0", directory)):
                with Server(command) as server:
                    yield send(server, data, **options)
    return both


def with_hello(data):
    def both():
        for command in sides(python(HELLO, server="ThreadingHTTPServer"), example("bench_hello", "pool", "4", "0")):
            with Server(command) as server:
                yield send(server, data)
    return both


def connection_said(data):
    """What a response says of its connection."""
    def both():
        for command in sides(python(HELLO, server="ThreadingHTTPServer"), example("bench_hello", "pool", "4", "0")):
            with Server(command) as server, server.connect() as client:
                client.settimeout(LIMIT)
                client.sendall(data)
                said = re.search(rb"\r\n(Connection: \S+)", client.recv(65536).split(b"\r\n\r\n")[0])
                yield f"`{said[1].decode()}`" if said else "nothing is said"
    return both


def viewport():
    """What the page of a directory says of its width."""
    with tempfile.TemporaryDirectory() as directory:
        for command in sides(python(FILES, directory), example("server_evolution_3_files", "0", directory)):
            with Server(command) as server, server.connect() as client:
                client.settimeout(LIMIT)
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                said = re.search(rb'<meta name="viewport" content="([^"]*)">', client.makefile("rb").read())
                yield f"`{said[1].decode()}`" if said else "nothing: a phone shows it as it would on a desktop, in small print"


def last_logged(data):
    """What the log says of a request, behind the client's address and the time."""
    def both():
        with tempfile.TemporaryDirectory() as directory:
            for command in sides(python(FILES, directory), example("server_evolution_3_files", "0", directory)):
                with Server(command) as server:
                    send(server, data)
                    time.sleep(0.2)
                    server.log.seek(0)
                    yield "`%s`" % server.log.read().decode().splitlines()[-1].split("] ", 1)[1]
    return both


def silent_client():
    for command in sides(python(HELLO, server="HTTPServer"), example("bench_hello", "seq", "0")):
        with Server(command) as server, server.connect():
            yield send(server, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")


def idle_connections():
    for command in sides(python(HELLO, server="ThreadingHTTPServer"), example("bench_hello", "pool", "4", "0")):
        with Server(command) as server:
            clients = [server.connect() for _ in range(200)]
            for client in clients:
                client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                client.recv(65536)
            status = open(f"/proc/{server.process.pid}/status").read()
            yield re.search(r"Threads:\s*(\d+)", status)[1] + " threads"


def client_resets():
    for command in sides(python(HELLO, server="ThreadingHTTPServer"), example("bench_hello", "pool", "4", "0")):
        with Server(command) as server:
            client = server.connect()
            client.sendall(b"GET / HT")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            send(server, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            time.sleep(0.5)
            server.log.seek(0)
            yield "%d lines on standard error" % len(server.log.read().splitlines())


def out_of_descriptors():
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))

    def seconds(pid):
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    for command in sides(python(ECHO, server="ThreadingTCPServer"), example("echo_tcp", "0", "threading")):
        with Server(command, preexec_fn=limit) as server:
            clients = server.silent_clients(20)
            time.sleep(0.2)
            before = seconds(server.process.pid)
            time.sleep(2)
            used = seconds(server.process.pid) - before
            for client in clients:
                client.close()
            time.sleep(1.5)
            with server.connect() as client:
                client.sendall(b"alive\n")
                alive = client.recv(16) == b"ALIVE\n"
        calls = "not counted, there is no strace"
        if shutil.which("strace"):
            with tempfile.NamedTemporaryFile("r") as counts:
                strace = ["strace", "-f", "-c", "-e", "trace=accept,accept4", "-o", counts.name]
                limited = ["sh", "-c", 'ulimit -n 16; exec "$@"', "sh", *command]
                with Server(strace + limited) as server:
                    clients = server.silent_clients(20)
                    time.sleep(2)
                    for pid in subprocess.check_output(
                        ["pgrep", "-P", str(server.process.pid)], text=True
                    ).split():
                        os.kill(int(pid), 9)
                    server.process.wait()
                rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+).*accept", counts.read(), re.M)
                calls = f"{sum(map(int, rows)):,} calls of `accept`"
        yield f"{used / 2:.0%} of a core, {calls}" + ("" if alive else ", then dead")


def inherited_listener():
    for command in sides(python(ECHO, server="ForkingTCPServer"), example("echo_tcp", "0", "forking")):
        with Server(command) as server, server.connect() as slow:
            slow.sendall(b"a\n")
            slow.recv(16)
            server.process.kill()
            server.process.wait()
            try:
                with server.connect() as client:
                    client.sendall(b"b\n")
                    answer = client.recv(16)
                    found = "is answered" if answer else "is closed"
            except ConnectionRefusedError:
                found = "is refused"
            except socket.timeout:
                found = "connects and hangs"
            with socket.socket() as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    again.bind(("127.0.0.1", server.port))
                    again.listen()
                    bound = "can be bound again"
                except OSError as error:
                    bound = f"cannot be bound again (errno {error.errno})"
            yield f"a new client {found}, the port {bound}"


def long_datagram():
    for command in sides(python(SHOUT), example("udp_echo", "0")):
        with Server(command) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(LIMIT)
            client.sendto(b"x" * 9000, ("127.0.0.1", server.port))
            try:
                yield f"{len(client.recv(65536)):,} bytes"
            except socket.timeout:
                server.process.kill()
                server.process.wait()
                server.log.seek(0)
                told = b"longer than max_packet_size" in server.log.read()
                yield "no answer, " + ("told on standard error" if told else "and no word of it")


def socket_file():
    for command in sides(python(UNIX_ECHO, "{path}"), example("unix_echo", "{path}")):
        with tempfile.TemporaryDirectory() as directory:
            command[-1] = os.path.join(directory, "socket")
            with Server(command):
                pass
            try:
                with Server(command):
                    yield "serves"
            except ServerDidNotStart:
                yield "does not start"


def shutdown():
    for command in sides(python(STOP), example("shutdown_from_thread", "0")):
        times = []
        for _ in range(20):
            with Server(command) as server:
                time.sleep(0.1 + random.random() / 2)
                begin = time.monotonic()
                server.process.stdin.write(b"\n")
                server.process.stdin.flush()
                server.process.stdout.readline()
                times.append((time.monotonic() - begin) * 1000)
        yield f"median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms"


FUTURE = email.utils.formatdate(4102444800, usegmt=True).encode()
HOST = b" HTTP/1.1\r\nHost: h\r\n"
SECOND = b"GET /second" + HOST + b"Connection: close\r\n\r\n"
DIFFERENCES = {
    "out-of-descriptors": ("20 silent clients, `RLIMIT_NOFILE` 16, 2 s", "", out_of_descriptors),
    "inherited-listener": ("a forked child outlives its killed parent", "", inherited_listener),
    "shutdown": ("`shutdown` of an idle server, 20 runs", "gh-88932, gh-85265", shutdown),
    "silent-client": ("a client connects to the sequential server and is silent; another asks",
                      "gh-75820, bpo-31639", silent_client),
    "idle-connections": ("200 clients have been answered and keep their connections", "", idle_connections),
    "client-resets": ("a client sends half a request and resets", "", client_resets),
    "http-0.9": ("`GET /` without a version, no blank line", "gh-139492, gh-70765",
                 with_files(b"GET /\r\n")),
    "http-0.9-by-name": ("`GET / HTTP/0.9`", "", with_files(b"GET / HTTP/0.9\r\n\r\n")),
    "status-line": ("a malformed version", "gh-54930", with_files(b"GET / HTTP/x\r\n\r\n")),
    "blank-line": ("an empty line before the request", "",
                   with_files(b"\r\nGET / HTTP/1.0\r\n\r\n")),
    "truncated": ("the client ends in the middle of a header", "",
                  with_files(b"GET / HTTP/1.0\r\nHost: h", ends=True)),
    "no-host": ("HTTP/1.1 without `Host`", "", with_files(b"GET / HTTP/1.1\r\n\r\n")),
    "bad-host": ("`Host: <script>`", "", with_files(b"GET / HTTP/1.1\r\nHost: <script>\r\n\r\n")),
    "asterisk": ("`GET */../`, which a proxy sees no path in", "", with_files(b"GET */../ HTTP/1.0\r\n\r\n")),
    "hidden-headers": ("a header name with a blank, then `If-Modified-Since` in the future", "gh-81274, gh-93158",
                       with_files(b"GET /" + HOST + b"A B: c\r\nIf-Modified-Since: " + FUTURE + b"\r\n\r\n")),
    "bare-cr": ("a bare CR in a value, then `If-Modified-Since` in the future", "gh-114782",
                with_files(b"GET /" + HOST + b"A: b\rIf-Modified-Since: " + FUTURE + b"\r\n\r\n")),
    "two-lengths": ("two `Content-Length` that differ", "gh-150499",
                    with_hello(b"GET /" + HOST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SECOND) + SECOND)),
    "unread-body": ("a body that the handler does not read, which looks like a request", "gh-150499",
                    with_hello(b"GET /" + HOST + b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(SECOND) + SECOND)),
    "chunked": ("the same, chunked", "gh-150499",
                with_hello(b"GET /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SECOND) + SECOND + b"\r\n0\r\n\r\n")),
    "keep-alive": ("a client of HTTP/1.0 asks to be kept, and is", "",
                   connection_said(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")),
    "close": ("a client asks for the end", "",
              connection_said(b"GET /" + HOST + b"Connection: close\r\n\r\n")),
    "absolute-form": ("`GET http://h/index.html`", "gh-132741",
                      with_files(b"GET http://h/index.html" + HOST + b"\r\n")),
    "redirect": ("`GET /\\evil.example/..`", "gh-132826",
                 with_files(b"GET /\\evil.example/.." + HOST + b"\r\n")),
    "redirect-prefix": ("`GET /sub`, a directory, of a proxy that was asked for `/files/sub`", "",
                        with_files(b"GET /sub" + HOST + b"\r\n")),
    "viewport": ("how wide the page of a directory is, in its head", "", viewport),
    "log-quote": ("`GET /\" HTTP/1.0`, in the log", "", last_logged(b"GET /\" HTTP/1.0\r\n\r\n")),
    "nul": ("`GET /a%00`", "gh-103223", with_files(b"GET /a%00" + HOST + b"\r\n")),
    "long-datagram": ("a datagram of 9,000 bytes, echoed", "", long_datagram),
    "socket-file": ("a server on a Unix socket is killed and started again", "", socket_file),
    "fifo": ("`GET /fifo`, a named pipe", "", with_files(b"GET /fifo" + HOST + b"\r\n")),
    "range": ("`Range: bytes=0-0`", "gh-86809",
              with_files(b"GET /" + HOST + b"Range: bytes=0-0\r\n\r\n")),
    "range-beyond": ("`Range: bytes=999999-`, beyond the end", "gh-86809",
                     with_files(b"GET /" + HOST + b"Range: bytes=999999-\r\n\r\n")),
    "has-any": ("`If-None-Match: *`: the client has the file, whichever it is", "",
                with_files(b"GET /" + HOST + b"If-None-Match: *\r\n\r\n")),
    "means-another": ("`If-Match: \"x\"`: the client means another file", "",
                      with_files(b"GET /" + HOST + b"If-Match: \"x\"\r\n\r\n")),
    "another-date": ("`If-Modified-Since` with another date than the file's, which is older", "",
                     with_files(b"GET /" + HOST + b"If-Modified-Since: " + FUTURE + b"\r\n\r\n")),
}


def main():
    names = [name for name in sys.argv[1:] if name != "--here"] or list(DIFFERENCES)
    version = ".".join(map(str, sys.version_info[:3]))
    theirs = "" if HERE_ONLY else f" CPython {version} |"
    print(f"| | what happens |{theirs} here | CPython issue |\n|---|---|---|---|" + "---|" * (not HERE_ONLY))
    for name in names:
        what, issue, answers = DIFFERENCES[name]
        cells = name, what, *answers(), issue or "–"
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
