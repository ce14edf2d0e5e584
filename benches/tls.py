#!/usr/bin/env python3
"""Loads bench_hello over TLS and nginx with the same certificate, in turns; see README.md.

    cargo build --release --examples
    python3 benches/tls.py [ROUNDS] [SECONDS]

Prints, for each number of connections, the requests per second of both (medians) and the ratio: the
median of the rounds' ratios, with the smallest and the largest. The servers run on one core and
the load on the other; where there is one core only, both roam. Then the same for processor time for
each request, which depends less on what else the machine does: there, less is better, and the
ratio is nginx's to ours.
"""
import os, re, shutil, socket, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 7
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
NGINX = """
worker_processes 2; daemon off; pid {d}/pid; error_log {d}/error warn;
events {{ worker_connections 2048; }}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {d}/1; proxy_temp_path {d}/2; fastcgi_temp_path {d}/3;
    uwsgi_temp_path {d}/4; scgi_temp_path {d}/5;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {d}/cert.pem; ssl_certificate_key {d}/cert.pem;
        location / {{ default_type text/plain; return 200 "Hello, World!"; }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core, words):
    return (["taskset", "-c", str(core)] if os.cpu_count() > 1 else []) + words


def wait_for(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nobody listens on port {port}")


def processor_time(process):
    """Of a server and the processes that it has started, in microseconds."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as children:
        pids = [process.pid, *map(int, children.read().split())]
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            ticks += sum(map(int, stat.read().rsplit(") ", 1)[1].split()[11:13]))
    return ticks * 1e6 / os.sysconf("SC_CLK_TCK")


def load(port, connections):
    words = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", f"https://127.0.0.1:{port}/"]
    output = subprocess.run(pinned(1, words), capture_output=True, text=True, check=True).stdout
    errors = re.search(r"Socket errors.*|Non-2xx.*", output)
    if errors:
        raise SystemExit(errors.group())
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))


def main():
    for program in "nginx", "wrk", "openssl", "taskset":
        if not shutil.which(program):
            raise SystemExit(f"there is no {program}")
    with tempfile.TemporaryDirectory() as d:
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{d}/key", "-out", f"{d}/crt"]
        subprocess.run(["openssl", "req", "-x509", *key, *subject], check=True, capture_output=True)
        with open(f"{d}/cert.pem", "w") as both:
            both.write(open(f"{d}/crt").read() + open(f"{d}/key").read())
        ports = {"nginx": free_port(), "ours-tls": free_port()}
        with open(f"{d}/conf", "w") as conf:
            conf.write(NGINX.format(d=d, port=ports["nginx"]))
        ours = [f"{TARGET}/release/examples/bench_hello", "tls", "1024", str(ports["ours-tls"])]
        nginx = ["nginx", "-c", f"{d}/conf", "-p", d]
        servers = {
            "nginx": subprocess.Popen(pinned(0, nginx)),
            "ours-tls": subprocess.Popen(
                pinned(0, [*ours, f"{d}/cert.pem"]), stdout=subprocess.DEVNULL
            ),
        }
        try:
            for port in ports.values():
                wait_for(port)
            for connections in 16, 64:
                compare(servers, ports, connections)
        finally:
            for server in servers.values():
                server.terminate()
                server.wait()


def compare(servers, ports, connections):
    for port in ports.values():
        load(port, connections)
    rates, costs = ({name: [] for name in ports} for _ in range(2))
    for number in range(ROUNDS):
        # Each goes first in every other round.
        for name in sorted(ports, reverse=number % 2 == 0):
            before = processor_time(servers[name])
            rate = load(ports[name], connections)
            if not rate:
                raise SystemExit(f"{name} answered nothing")
            rates[name].append(rate)
            costs[name].append((processor_time(servers[name]) - before) / (rate * SECONDS))
    report(connections, "requests/s", rates["ours-tls"], rates["nginx"], ",.0f")
    report(connections, "us/request", costs["nginx"], costs["ours-tls"], ".1f", swap=True)


def report(connections, what, above, below, digits, swap=False):
    ratios = [one / other for one, other in zip(above, below)]
    ours, nginx = map(statistics.median, (below, above) if swap else (above, below))
    print(f"{connections:3} connections, {what}: ours-tls {ours:{digits}}, nginx {nginx:{digits}}, "
          f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", flush=True)


if __name__ == "__main__":
    main()
