"""Asks an HTTPS server which node it is, each time anew: ask.py HOST PORT COUNT|SECONDSs [PAUSE].

Prints JSON: answers of each node, failures, and the longest time without an answer.
"""
import collections
import http.client
import json
import ssl
import sys
import time

host, port, amount = sys.argv[1], int(sys.argv[2]), sys.argv[3]
pause = float(sys.argv[4]) if len(sys.argv) > 4 else 0
context = ssl._create_unverified_context()
start = time.monotonic()
nodes, failures, last, gap = collections.Counter(), collections.Counter(), start, 0
order, slowest, asked = [], 0, 0
while time.monotonic() - start < float(amount[:-1]) if amount[-1] == "s" else asked < int(amount):
    asked += 1
    before = time.monotonic()
    try:
        connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
        connection.request("GET", "/")
        node = connection.getresponse().read().decode()
        connection.close()
        now = time.monotonic()
        nodes[node] += 1
        gap, last, slowest = max(gap, now - last), now, max(slowest, now - before)
        if not order or order[-1][1] != node:
            order.append([round(now - start, 1), node])
    except OSError as failure:
        failures[type(failure).__name__] += 1
    except http.client.HTTPException as failure:
        failures[type(failure).__name__] += 1
    time.sleep(pause)
seconds = time.monotonic() - start
print(json.dumps({
    "asked": asked, "seconds": round(seconds, 1), "nodes": dict(sorted(nodes.items())),
    "failures": dict(failures), "slowest": round(slowest, 2),
    "longest_gap": round(max(gap, time.monotonic() - last), 2)}))
