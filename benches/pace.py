#!/usr/bin/env python3
"""Slow clients, and what others have meanwhile.

    cargo build --release
    python3 benches/pace.py [ROW..]

Rows about requests: half-bodies, slow-bodies (200 bodies of 1 KiB that are sent in half, or a byte
each 0.1 s, to a pool of two threads), slow-heads, forked-bodies (the same to three children).
About responses: unread (200 clients that read nothing of 64 MiB, beside a good one), slow (1,000
downloads at 8 KiB a second beside 16 busy connections). Each of these with -tls at its end, too.
shrunk, grown (the file changes while 50 wait), drained (SIGTERM while 50 wait), killed (`kill -9` of
a process of `PreFork`), mixed, mixed-sequential (PACE_REQUESTS, by default 1,000,000, of four kinds).
Prints a line for each, with what it has found. Downloads need some 2,500 descriptors in this
process, and as many in the server.
"""
import sys

from runner import pace_mixed, pace_requests, pace_responses

ROWS = {**pace_requests.ROWS, **pace_responses.ROWS, **pace_mixed.ROWS}

for row in sys.argv[1:] or ROWS:
    ROWS[row]()
