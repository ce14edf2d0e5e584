#!/usr/bin/env python3
"""Loads the command with --compress and nginx with the same files, in turns; see README.md.

    cargo build --release --bins
    python3 benches/compression.py [ROUNDS] [SECONDS]

Once with files that stand compressed beside others (gzip_static), once with gzip made on the fly at
the same level. Prints the requests per second of both (medians) and the ratio: the median of the
rounds' ratios, with the smallest and the largest; then the same for processor time for each
request, where the ratio is nginx's to ours; and the bytes of a response. What is compressed is
Rust's source of this crate. The servers run on one core and the load on the other.
"""
import gzip, http.client, os, re, shutil, statistics, subprocess, sys, tempfile

from tls import ROOT, ROUNDS, SECONDS, TARGET, free_port, pinned, processor_time, wait_for

LEVEL = 5
NGINX = """
worker_processes 2; daemon off; pid {d}/pid; error_log {d}/error warn; user {user};
events {{ worker_connections 2048; }}
http {{
    access_log off; keepalive_requests 100000000; sendfile on; tcp_nopush on;
    types {{ text/plain txt; }}
    client_body_temp_path {d}/1; proxy_temp_path {d}/2; fastcgi_temp_path {d}/3;
    uwsgi_temp_path {d}/4; scgi_temp_path {d}/5;
    gzip on; gzip_static on; gzip_vary on; gzip_comp_level {level}; gzip_min_length 1024;
    gzip_types text/plain;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {d}/files; }}
}}
"""


def source(size):
    """So many bytes of text."""
    text = b""
    for directory, _, names in sorted(os.walk(f"{ROOT}/src")):
        for name in sorted(names):
            if name.endswith(".rs"):
                with open(os.path.join(directory, name), "rb") as file:
                    text += file.read()
    return text[:size]


def load(port, path, connections):
    url = f"http://127.0.0.1:{port}/{path}"
    words = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "-H", "Accept-Encoding: gzip", url]
    output = subprocess.run(pinned(1, words), capture_output=True, text=True, check=True).stdout
    errors = re.search(r"Socket errors.*|Non-2xx.*", output)
    if errors:
        raise SystemExit(errors.group())
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))


def size_of(port, path):
    """Bytes of the compressed body, which is looked at once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", f"/{path}", headers={"Accept-Encoding": "gzip"})
    reply = connection.getresponse()
    body = reply.read()
    assert reply.headers["Content-Encoding"] == "gzip", reply.headers
    return len(body), gzip.decompress(body)


def compare(servers, ports, path, connections, what):
    for port in ports.values():
        load(port, path, connections)
    rates, costs = ({name: [] for name in ports} for _ in range(2))
    for number in range(ROUNDS):
        # Each goes first in every other round.
        for name in sorted(ports, reverse=number % 2 == 0):
            before = processor_time(servers[name])
            rate = load(ports[name], path, connections)
            rates[name].append(rate)
            costs[name].append((processor_time(servers[name]) - before) / (rate * SECONDS))
    (ours_size, ours), (nginx_size, theirs) = (size_of(ports[it], path) for it in ("ours", "nginx"))
    assert ours == theirs
    report(what, "requests/s", rates["ours"], rates["nginx"], ",.0f")
    report(what, "us/request", costs["nginx"], costs["ours"], ".1f", swap=True)
    print(f"{what}, bytes: ours {ours_size}, nginx {nginx_size}", flush=True)


def report(what, unit, above, below, digits, swap=False):
    ratios = [one / other for one, other in zip(above, below)]
    nginx, ours = map(statistics.median, (above, below) if swap else (below, above))
    print(f"{what}, {unit}: ours {ours:{digits}}, nginx {nginx:{digits}}, "
          f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", flush=True)


def main():
    for program in "nginx", "wrk", "taskset":
        if not shutil.which(program):
            raise SystemExit(f"there is no {program}")
    with tempfile.TemporaryDirectory() as d:
        os.mkdir(f"{d}/files")
        os.chmod(d, 0o755)
        for name, size in ("5k", 5_000), ("30k", 30_000), ("1m", 1_000_000):
            for kind in "static", "made":
                with open(f"{d}/files/{kind}-{name}.txt", "wb") as file:
                    file.write(source(size))
            with gzip.open(f"{d}/files/static-{name}.txt.gz", "wb", compresslevel=9) as file:
                file.write(source(size))
        ports = {"nginx": free_port(), "ours": free_port()}
        with open(f"{d}/conf", "w") as conf:
            user = "root" if os.geteuid() == 0 else "nobody"
            conf.write(NGINX.format(d=d, port=ports["nginx"], level=LEVEL, user=user))
        command = f"{TARGET}/release/socketserver"
        ours = [command, "-q", "--compress", "-p", "1.1", "-b", "127.0.0.1", "-d", f"{d}/files"]
        servers = {
            "nginx": subprocess.Popen(pinned(0, ["nginx", "-c", f"{d}/conf", "-p", d])),
            "ours": subprocess.Popen(
                pinned(0, [*ours, str(ports["ours"])]), stdout=subprocess.DEVNULL
            ),
        }
        try:
            for port in ports.values():
                wait_for(port)
            for kind, name in ("static", "gzip_static"), ("made", f"gzip at level {LEVEL}"):
                for size, connections in ("5k", 64), ("30k", 64), ("1m", 16):
                    what = f"{name} {size}, {connections} connections"
                    compare(servers, ports, f"{kind}-{size}.txt", connections, what)
        finally:
            for server in servers.values():
                server.terminate()
                server.wait()


main()
