"""The kinds of work: each runs its servers in turns and prints a table."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from .measure import NAN, generator, median, number, print_table, quiet, wrk
from .servers import WORK, probe


def rotated(servers, turn):
    """Each server is first in another round."""
    if not servers:
        sys.exit("no server answers: was benches/setup run, and `cargo build --release`?")
    turn %= len(servers)
    return servers[turn:] + servers[:turn]


def memory_while(server, seconds, into):
    """Looks at a server's memory in the middle of a measurement."""
    timer = threading.Timer(seconds / 2, lambda: into.__setitem__(server.name, server.memory()))
    timer.start()
    return timer


def load(options, servers):
    """wrk on one kind of request."""
    running = [server for server in servers if server.start(options.kind)]
    try:
        for connections in options.c:
            load_with(options, running, connections)
    finally:
        for server in servers:
            server.stop()


def load_with(options, servers, connections):
    results, memory = {server.name: [] for server in servers}, {}
    baseline = next((s for s in servers if s.name == options.baseline), None)

    def once(server):
        return wrk(server, options.kind, connections, options.secs, options.pin, options.close)

    for turn in range(options.rounds):
        for server in rotated(servers, turn):
            is_paired = options.paired and baseline and server is not baseline
            beside = once(baseline) if is_paired else None
            timer = memory_while(server, options.secs, memory)
            result = quiet(lambda: once(server), options.secs)
            timer.join()
            if result and beside and beside["rps"] and result["count"]:
                result["ratio"] = result["rps"] / beside["rps"]
                result["cpu_ratio"] = result["cpu_us"] / beside["cpu_us"]
            if result:
                results[server.name].append(result)
    print_load(options, connections, servers, results, memory)


def print_load(options, connections, servers, results, memory):
    ways = " close" if options.close else ""
    print(f"\n## {options.kind}{ways}, {connections} connections, {options.rounds} rounds of "
          f"{options.secs} s, pin {options.pin}, baseline {options.baseline}")
    base = median(result["rps"] for result in results.get(options.baseline, []))
    rows = []
    for server in sorted(servers, key=lambda s: -median(r["rps"] for r in results[s.name])):
        mine = results[server.name]
        rates = sorted(result["rps"] for result in mine)
        peak, total, threads, count = memory.get(server.name, (NAN,) * 4)
        rows.append([
            server.name,
            number(median(rates)),
            number(median(rates) / base, 3),
            f"{number(rates[0])}..{number(rates[-1])}" if rates else "-",
            *(number(median(r[key] for r in mine), digits)
              for key, digits in [("p50", 2), ("p99", 2), ("cpu_us", 1)]),
            number(peak, 1),
            number(total, 1),
            f"{number(threads)}/{number(count)}",
            notes(mine),
        ])
    print_table(["server", "req/s", "ratio", "min..max", "p50 ms", "p99 ms", "cpu us/req",
                 "peak MiB", "MiB", "thr/proc", "notes"], rows)


def notes(results):
    found = []
    ratios = sorted(result["ratio"] for result in results if "ratio" in result)
    if ratios:
        cpu = median(result["cpu_ratio"] for result in results if "cpu_ratio" in result)
        found.append(f"paired {ratios_text(ratios)} cpu x{number(cpu, 2)}")
    found += sorted({result["errors"] for result in results if result["errors"]})
    refused = sum(result["refused"] for result in results)
    if refused:
        found.append(f"{refused} not 2xx")
    return "; ".join(found)


def ratios_text(ratios):
    return f"{number(median(ratios), 3)} ({number(ratios[0], 2)}..{number(ratios[-1], 2)})"


def big(options, servers):
    """Downloads of 100 MiB, or of a part, whose bytes the client drops in the kernel."""
    running = [server for server in servers if server.start("big")]
    try:
        for parallel in options.c:
            big_with(options, running, parallel)
    finally:
        for server in servers:
            server.stop()


def big_with(options, servers, parallel):
    results, memory = {server.name: [] for server in servers}, {}
    ratios = {server.name: [] for server in servers}
    baseline = next((s for s in servers if s.name == options.baseline), None)
    part = [options.range] if options.range else []

    def once(server):
        before = server.cpu()
        words = generator(
            options.pin, "pull", server.port, server.path("big"), parallel, options.secs, *part)
        run = subprocess.run(words, capture_output=True, text=True, timeout=options.secs + 15)
        found = re.search(r"MBps=([\d.]+) done=(\d+) secs=([\d.]+)", run.stdout)
        if not found:
            return None
        rate, took = float(found[1]), float(found[3])
        return rate, (server.cpu() - before) * 1e3 / (rate * took / 1e3 + 1e-9)

    for turn in range(options.rounds):
        for server in rotated(servers, turn):
            is_paired = options.paired and baseline and server is not baseline
            timer = memory_while(server, options.secs, memory)
            # Both again where the machine was busy, so that they stay side by side.
            beside, result = quiet(
                lambda: (once(baseline) if is_paired else None, once(server)), options.secs, 2)
            timer.join()
            if result:
                results[server.name].append(result)
            if result and beside and beside[0]:
                ratios[server.name].append(result[0] / beside[0])
    what = f"bytes {options.range} of 100 MiB" if options.range else "100 MiB"
    print(f"\n## {what}, {parallel} at a time, {options.rounds} rounds of {options.secs} s, "
          f"pin {options.pin}, baseline {options.baseline}")
    base = median(rate for rate, _ in results.get(options.baseline, []))
    rows = []
    for server in sorted(servers, key=lambda s: -median(rate for rate, _ in results[s.name])):
        rates = sorted(rate for rate, _ in results[server.name])
        peak, total, _, _ = memory.get(server.name, (NAN,) * 4)
        rows.append([
            server.name,
            number(median(rates)),
            number(median(rates) / base, 3),
            f"{number(rates[0])}..{number(rates[-1])}" if rates else "-",
            number(median(cpu for _, cpu in results[server.name])),
            number(peak, 1),
            number(total, 1),
            f"paired {ratios_text(paired)}" if (paired := sorted(ratios[server.name])) else "",
        ])
    print_table(
        ["server", "MB/s", "ratio", "min..max", "cpu ms/GB", "peak MiB", "MiB", "notes"], rows)


def idle(options, servers):
    """Idle connections held beside 16 busy ones."""
    hold(options, servers, "idle keep-alive", lambda server, count: generator(
        options.pin, "idle", server.port, count, server.path("hello"), 3, 30))


def slow(options, servers):
    """Clients that dribble their heads beside 16 busy ones."""
    hold(options, servers, "dribbling", lambda server, count: generator(
        options.pin, "dribble", server.port, count, 15))


def hold(options, servers, what, words):
    rows = []
    for count in options.n:
        for server in servers:
            if not server.start("hello"):
                continue
            try:
                rows.append(hold_one(options, server, count, words(server, count)))
            finally:
                server.stop()
    print(f"\n## {what} clients held, 16 busy ones beside them, pin {options.pin}")
    print_table(["server", "held", "req/s alone", "req/s held", "ratio", "p99 ms", "new clients",
                 "MiB alone", "MiB held", "thr/proc", "held"], rows)


def hold_one(options, server, count, words):
    def busy():
        return wrk(server, "hello", 16, 1, options.pin)

    alone = quiet(busy, 1)
    memory_alone = server.memory()
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first = holder.stdout.readline().strip()
    time.sleep(0.3)
    probes = [probe(server.port, server.path("hello"), 2.0) for _ in range(3)]
    answered = [took for took in probes if took is not None]
    beside = [quiet(busy, 1, 2) for _ in range(2 if answered else 1)]
    beside = [result for result in beside if result]
    memory_held = server.memory()
    try:
        holder.stdin.close()
        last = holder.stdout.read().strip()
        holder.wait(20)
    except (OSError, subprocess.TimeoutExpired):
        holder.kill()
        last = "?"
    rate = median(result["rps"] for result in beside)
    alone_rate = alone["rps"] if alone else NAN
    return [
        server.name,
        count,
        number(alone_rate),
        number(rate),
        number(rate / alone_rate if alone_rate else NAN, 2),
        number(max((result["p99"] for result in beside), default=NAN), 1),
        f"{len(answered)}/3" + (f" {max(answered):.1f} ms" if answered else ""),
        number(memory_alone[1], 1),
        number(memory_held[1], 1),
        f"{memory_held[2]}/{memory_held[3]}",
        f"{first} {last}",
    ]


def upload(options, servers):
    """One upload of so many MiB, to a server of its own."""
    results, memory = {}, {}
    for turn in range(options.rounds):
        for server in rotated(servers, turn):
            kind = next((kind for kind in ("hello", "small") if kind in server.spec), None)
            if not (server.start(kind) if kind else server.start_listening()):
                continue
            try:
                result = upload_once(options, server)
                if result:
                    results.setdefault(server.name, []).append(result)
                    memory[server.name] = server.memory()
            finally:
                server.stop()
    print(f"\n## upload of {options.mib} MiB, {options.rounds} rounds, pin {options.pin}, "
          f"baseline {options.baseline}")
    base = median(rate for rate, _, _ in results.get(options.baseline, []))
    rows = []
    for name, mine in sorted(results.items(), key=lambda item: -median(r[0] for r in item[1])):
        rates = sorted(rate for rate, _, _ in mine)
        rows.append([
            name,
            number(median(rates)),
            number(median(rates) / base, 3),
            f"{number(rates[0])}..{number(rates[-1])}",
            number(median(cpu for _, _, cpu in mine), 2),
            number(memory[name][0], 1),
            mine[0][1][:44],
        ])
    print_table(["server", "MB/s", "ratio", "min..max", "cpu s", "peak MiB", "status"], rows)


def upload_once(options, server):
    before = server.cpu()
    words = generator(options.pin, "push", server.port, server.path("upload"),
                      server.spec["upload_kind"], server.spec.get("field", "path"), options.mib)
    run = quiet(lambda: subprocess.run(words, capture_output=True, text=True, timeout=90), 0.5, 1)
    found = re.search(r"MBps=([\d.]+) status=(.*)", run.stdout)
    if not found:
        print(f"# {server.name}: {run.stdout.strip()[:120]}")
        return None
    return float(found[1]), found[2], server.cpu() - before


def cold(options, servers):
    """From the start of the process to its first answer."""
    results, memory = {}, {}
    for _ in range(options.rounds):
        for server in servers:
            kind = next((kind for kind in ("hello", "small", "cgi") if kind in server.spec), None)
            if kind and server.start(kind):
                time.sleep(0.05)
                memory[server.name] = server.memory()
                results.setdefault(server.name, []).append(server.cold_ms)
                server.stop()
    print(f"\n## cold start, median of {options.rounds}; memory right after it")
    rows = []
    for name, times in sorted(results.items(), key=lambda item: median(item[1])):
        server = next(server for server in servers if server.name == name)
        program = shutil.which(server.command[0]) or ""
        size = os.path.getsize(os.path.realpath(program)) / 2**20 if program else NAN
        peak, total, threads, count = memory[name]
        rows.append([name, number(median(times), 1), f"{min(times):.1f}..{max(times):.1f}",
                     number(peak, 1), number(total, 1), f"{threads}/{count}", number(size, 2)])
    print_table(["server", "ms", "min..max", "peak MiB", "MiB", "thr/proc", "program MiB"], rows)


def syscalls(options, servers):
    """System calls a request, by strace under a bounded load."""
    for server in servers:
        if not server.start(options.kind):
            continue
        try:
            count_calls(options, server)
        finally:
            server.stop()


def count_calls(options, server):
    output = f"{WORK}/logs/strace-{server.name}-{options.kind}.txt"
    words = ["strace", "-c", "-f", "-o", output]
    for pid in server.pids():
        words += ["-p", str(pid)]
    tracer = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    result = wrk(server, options.kind, options.c[0], options.secs, options.pin, options.close)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    count = max(result["count"], 1)
    print(f"\n## system calls of {server.name}, {options.kind}, {options.c[0]} connections: "
          f"{count} requests")
    total, rows = 0, []
    with open(output) as lines:
        for line in lines:
            row = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(\d*)\s*(\w+)$", line)
            if row and row[3] != "total":
                total += int(row[1])
                if int(row[1]) / count >= 0.02:
                    failed = int(row[2] or 0) / count
                    rows.append([row[3], number(int(row[1]) / count, 2), number(failed, 2)])
    print_table(["call", "a request", "failed"], [*rows, ["total", number(total / count, 2), ""]])


def smoke(_, servers):
    """Starts each server and asks for each kind that it serves once."""
    for server in servers:
        kinds = [kind for kind in ("hello", "small", "big", "list", "cgi", "cgipy")
                 if kind in server.spec]
        if not kinds or not server.start(kinds[0]):
            continue
        took = {kind: probe(server.port, server.path(kind), 10.0) for kind in kinds}
        server.stop()
        print(server.name, *(f"{kind}: {'FAILED' if ms is None else 'ok'}"
                             for kind, ms in took.items()), flush=True)


WORKS = {work.__name__: work for work in (load, big, idle, slow, upload, cold, syscalls, smoke)}
