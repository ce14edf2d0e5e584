"""Single measurements, and how they are repeated where the machine was busy."""

import os
import re
import statistics
import subprocess
import time

from .servers import TICK, WORK, pinned, processes

NAN = float("nan")
# Measurements, and those disturbed by other processes and by the hypervisor.
COUNTS = {"all": 0, "others": 0, "steal": 0}


def median(values):
    values = list(values)
    return statistics.median(values) if values else NAN


def number(value, digits=0):
    return "-" if value != value else f"{value:,.{digits}f}"


def seconds_of_others():
    """Processor seconds used so far by processes that this one did not start."""
    parents, ticks = {}, {}
    for pid, fields in processes():
        parents[pid] = int(fields[1])
        ticks[pid] = sum(map(int, fields[11:15]))
    total, own = 0, os.getpid()
    for pid, used in ticks.items():
        ancestor = pid
        for _ in range(40):
            if ancestor == own or ancestor not in parents or ancestor <= 2:
                break
            ancestor = parents[ancestor]
        if ancestor != own and pid > 2 and parents[pid] != 2:
            total += used
    return total / TICK


def seconds_stolen():
    with open("/proc/stat") as file:
        return int(file.readline().split()[8]) / TICK


def quiet(measure, seconds, tries=3):
    """Measures, again where others took more than 12 % of a core or the hypervisor more than 5 %.

    Keeps the calmest of the tries.
    """
    calmest = None
    for attempt in range(tries):
        others, stolen = seconds_of_others(), seconds_stolen()
        result = measure()
        others, stolen = seconds_of_others() - others, seconds_stolen() - stolen
        COUNTS["all"] += 1
        if calmest is None or others + stolen < calmest[0]:
            calmest = others + stolen, result
        if others < 0.12 * seconds and stolen < 0.05 * seconds:
            return result
        COUNTS["others" if others >= 0.12 * seconds else "steal"] += 1
        time.sleep(0.7 * (attempt + 1))
    return calmest[1]


def milliseconds(text):
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    units = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}
    return float(match[1]) * units[match[2]] if match else NAN


def wrk(server, kind, connections, seconds, pin, close=False):
    """Loads a server with wrk, which takes whole seconds; None where wrk does not end."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "2s"]
    if close:
        words += ["-H", "Connection: close"]
    before = server.cpu()
    words = pinned(pin, "generator") + [*words, server.url(kind)]
    try:
        run = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 15)
    except subprocess.TimeoutExpired:
        return None
    used = server.cpu() - before

    def find(pattern, otherwise="0"):
        match = re.search(pattern, run.stdout)
        return match[1] if match else otherwise

    count = int(find(r"(\d+) requests in"))
    return {
        "rps": float(find(r"Requests/sec:\s+([\d.]+)")),
        "count": count,
        "p50": milliseconds(find(r"50%\s+(\S+)", "")),
        "p99": milliseconds(find(r"99%\s+(\S+)", "")),
        "cpu_us": used / count * 1e6 if count else NAN,
        "errors": find(r"Socket errors: (.*)", ""),
        "refused": int(find(r"Non-2xx or 3xx responses: (\d+)")),
    }


def generator(pin, name, *arguments):
    """The command of a load generator that is built with the limits."""
    return pinned(pin, "generator") + [f"{WORK}/bin/{name}", *map(str, arguments)]


def print_table(head, rows):
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = [str(row[0]).ljust(widths[0])]
        cells += [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
    print(flush=True)
