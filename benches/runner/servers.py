"""Servers under test: started, asked, measured by /proc, stopped."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(HERE)
WORK = os.environ.get("BENCH_DIR") or os.path.join(tempfile.gettempdir(), "socketserver-bench")
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")
# `cgi.FieldStorage` was removed in Python 3.13; PYTHON names an older one where this one is newer.
PYTHON = os.environ.get("PYTHON") or sys.executable
TICK = os.sysconf("SC_CLK_TCK")


def read_specs(path=os.path.join(HERE, "servers.toml")):
    with open(path, "rb") as file:
        return tomllib.load(file)


def pinned(pin, side):
    """The words that pin a command: the server to core 0, the generator to core 1."""
    if pin != "split" or (os.cpu_count() or 1) < 2:
        return []
    return ["taskset", "-c", "0" if side == "server" else "1"]


def is_taken(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.3).close()
        return True
    except OSError:
        return False


def probe(port, path, limit):
    """Milliseconds for one request on a new connection, or None where it is not answered 200."""
    began = time.perf_counter()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=limit) as client:
            client.settimeout(limit)
            client.sendall(request.encode())
            reply = client.recv(4096)
    except OSError:
        return None
    answered = reply.startswith(b"HTTP/1.") and reply[9:12] == b"200"
    return (time.perf_counter() - began) * 1e3 if answered else None


def stat_fields(pid):
    """The fields of /proc/PID/stat behind the name: state, parent, ..."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def processes():
    """Pairs of a process's number and its fields."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                yield int(name), stat_fields(name)
            except OSError:
                pass


class Server:
    """A server of servers.toml."""

    def __init__(self, name, spec, port, pin):
        self.name, self.spec, self.pin = name, spec, pin
        self.port = spec.get("port", port)
        places = {"port": self.port, "work": WORK, "here": HERE, "target": TARGET, "python": PYTHON}
        self.command = shlex.split(spec["cmd"].format(**places))
        self.process = None

    def path(self, kind):
        return self.spec[kind]

    def url(self, kind):
        return f"http://127.0.0.1:{self.port}{self.path(kind)}"

    def start(self, kind, limit=8.0):
        """Starts the server and waits until it answers; false where it does not."""
        return self._launch(limit, lambda: probe(self.port, self.path(kind), 2.0) is not None)

    def start_listening(self, limit=8.0):
        """Starts the server and waits until it accepts, for one that answers no GET."""
        return self._launch(limit, lambda: is_taken(self.port))

    def _launch(self, limit, is_up):
        if is_taken(self.port):
            # Another process would be measured.
            print(f"# {self.name}: port {self.port} answers already, skipped")
            return False
        log = open(f"{WORK}/logs/{self.name}.log", "w")
        began = time.perf_counter()
        try:
            self.process = subprocess.Popen(
                pinned(self.pin, "server") + self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=ROOT,
            )
        except OSError as error:
            print(f"# {self.name} does not start: {error}")
            return False
        while time.perf_counter() - began < limit and self.process.poll() is None:
            if is_up():
                self.cold_ms = (time.perf_counter() - began) * 1e3
                if self.process.poll() is None:
                    return True
            time.sleep(0.001)
        self.stop()
        print(f"# {self.name} does not answer, skipped; see {log.name}")
        return False

    def stop(self):
        if not self.process:
            return
        tree = self.pids()
        for number in signal.SIGTERM, signal.SIGKILL:
            try:
                os.killpg(self.process.pid, number)
            except (ProcessLookupError, PermissionError):
                pass
            try:
                self.process.wait(2)
                break
            except subprocess.TimeoutExpired:
                pass
        for pid in tree:
            # Children that left the group.
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self.process = None

    def pids(self):
        """The process and its descendants."""
        children = {}
        for pid, fields in processes():
            children.setdefault(int(fields[1]), []).append(pid)
        found, left = [], [self.process.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            left += children.get(pid, [])
        return found

    def cpu(self):
        """Processor seconds of the server, its ended children included."""
        ticks = 0
        for pid in self.pids():
            try:
                ticks += sum(map(int, stat_fields(pid)[11:15]))
            except OSError:
                pass
        return ticks / TICK

    def memory(self):
        """Peak MiB of the largest process, MiB of all, threads, processes."""
        peak = total = threads = count = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/status") as file:
                    status = file.read()
                with open(f"/proc/{pid}/smaps_rollup") as file:
                    rollup = file.read()
                peak = max(peak, int(re.search(r"VmHWM:\s+(\d+)", status)[1]))
                threads += int(re.search(r"Threads:\s+(\d+)", status)[1])
                total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])
                count += 1
            except (OSError, TypeError):
                pass
        return peak / 1024, total / 1024, threads, count
