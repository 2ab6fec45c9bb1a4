#!/usr/bin/env python3
"""Fetches a file from a server on this host again and again: fetch.py PORT FILE TIMES."""
import http.client
import sys
import time

port, name, times = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
total = 0
began = time.monotonic()
for _ in range(times):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", f"/{name}")
    response = connection.getresponse()
    if response.status != 200:
        sys.exit(f"status {response.status}")
    total += len(response.read())
    connection.close()
print(f"rate {times / (time.monotonic() - began):.1f}")
print(f"bytes {total}")
