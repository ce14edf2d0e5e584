"""What a request costs with more and more busy connections, as a table and as a picture."""

import math

from .measure import NAN, median, number, print_table, quiet, wrk
from .servers import WORK
from .work import rotated

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 400, 60, 40
COLOURS = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b7791f", "#555555"]


def growth(options, servers):
    """Processor time a request, and requests a second, at each count of connections."""
    running = [server for server in servers if server.start(options.kind)]
    lines = {server.name: [] for server in running}
    rows = []
    try:
        for connections in options.c:
            results = {server.name: [] for server in running}
            for turn in range(options.rounds):
                for server in rotated(running, turn):
                    result = quiet(lambda: wrk(server, options.kind, connections, options.secs,
                                               options.pin), options.secs)
                    if result and result["count"]:
                        results[server.name].append(result)
            for name, mine in results.items():
                cost = median(result["cpu_us"] for result in mine) if mine else NAN
                rate = median(result["rps"] for result in mine) if mine else NAN
                slow = median(result["p99"] for result in mine) if mine else NAN
                lines[name].append((connections, cost))
                rows.append([name, connections, number(cost, 1), number(rate), number(slow, 1)])
    finally:
        for server in servers:
            server.stop()
    print(f"\n## {options.kind}, {options.rounds} rounds of {options.secs} s, pin {options.pin}")
    print_table(["server", "connections", "cpu us/req", "req/s", "p99 ms"], sorted(rows))
    path = options.svg or f"{WORK}/growth-{options.kind}.svg"
    with open(path, "w") as file:
        file.write(picture(lines))
    print(f"# drawn to {path}")


def picture(lines):
    """Lines over a logarithmic count of connections; no script, black on white."""
    counts = sorted({count for line in lines.values() for count, _ in line})
    top = max(cost for line in lines.values() for _, cost in line if cost == cost)
    step = 10 ** math.floor(math.log10(top))
    step = next(part for part in (step / 5, step / 2, step, step * 2) if top / part <= 6)
    top = math.ceil(top / step) * step
    first, last = math.log(counts[0]), math.log(counts[-1])

    def across(count):
        share = (math.log(count) - first) / (last - first) if last > first else 0
        return LEFT + share * (WIDTH - LEFT - 150)

    def up(cost):
        return HEIGHT - BOTTOM - cost / top * (HEIGHT - BOTTOM - 30)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text x="{LEFT}" y="18">µs of processor time a request</text>',
             f'<text x="{(WIDTH - 150 + LEFT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
             'busy connections</text>']
    for mark in range(round(top / step) + 1):
        y = up(mark * step)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 150}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                     f'{mark * step:g}</text>')
    for count in counts:
        parts.append(f'<text x="{across(count):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                     f'text-anchor="middle">{count:,}</text>')
    # Names stand at the ends of their lines, one below the other.
    lowest = 0
    order = sorted(lines, key=lambda name: -next(
        (cost for _, cost in reversed(lines[name]) if cost == cost), 0))
    for name in order:
        colour = COLOURS[list(lines).index(name) % len(COLOURS)]
        points = [(across(count), up(cost)) for count, cost in lines[name] if cost == cost]
        if not points:
            continue
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lowest = max(points[-1][1] + 4, lowest + 14)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{points[-1][0] + 8:.1f}" y="{lowest:.1f}" fill="{colour}">'
                     f'{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
