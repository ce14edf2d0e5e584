"""The command, and what its clients ask it for."""
import atexit
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
SERVER = os.path.join(TARGET, "release", "socketserver")
SIZES = [("64m", 64 << 20), ("1m", 1 << 20), ("8m", 8 << 20), ("256k", 256 << 10), ("small", 4096)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def over_tls(tls):
    return " (TLS)" if tls else ""


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

    def connect(self, small=False):
        """A connection, with a small buffer for what arrives if that is wanted."""
        client = socket.socket()
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.settimeout(10)
        client.connect(("127.0.0.1", self.port))
        return self.context.wrap_socket(client) if self.context else client

    def ask(self, path, small=False):
        client = self.connect(small)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return client

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{field}:\s+(\d+)", status.read()).group(1))

    def children(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            return [int(child) for child in children.read().split()]

    def lines(self, what):
        self.log.seek(0)
        return self.log.read().decode(errors="replace").count(what)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


def site():
    directory = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    for name, size in SIZES:
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


def busy_load(server, connections, seconds):
    """Requests a second of kept connections, by wrk."""
    scheme = "https" if server.context else "http"
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
         f"{scheme}://127.0.0.1:{server.port}/small"],
        capture_output=True, text=True).stdout
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
