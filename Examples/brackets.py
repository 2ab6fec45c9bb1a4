#!/usr/bin/env python3
"""Brackets of an armed lbsample, from a program that knows nothing else of it.

    lbsample arm --control lb.sock --cpu --net &
    Examples/brackets.py lb.sock [COUNT [CPU]]

Opens and closes COUNT brackets around nothing, checks each answer, and prints one JSON object: the
microseconds of start and stop together. Only the standard library is used.
"""
import json
import os
import socket
import sys
import time


class Sampler:
    """A connection to `lbsample arm`: one JSON object a line, each way."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.replies = self.socket.makefile("rb")

    def ask(self, request, **fields):
        self.socket.sendall((json.dumps({"request": request, **fields}) + "\n").encode())
        line = self.replies.readline()
        if not line:
            raise SystemExit("the sampler is gone")
        reply = json.loads(line)
        if not reply["ok"]:
            raise SystemExit(f"{request}: {reply['error']}")
        return reply


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    if len(sys.argv) > 3:
        os.sched_setaffinity(0, {int(sys.argv[3])})
    sampler = Sampler(sys.argv[1])
    times = []
    for number in range(1, count + 1):
        began = time.perf_counter()
        start = sampler.ask("start", label=f"number {number}")
        stop = sampler.ask("stop")
        times.append((time.perf_counter() - began) * 1e6)
        assert start["bracket"] == stop["bracket"] == number
        assert stop["label"] == f"number {number}" and stop["time_ns"] >= start["time_ns"]
        assert stop["ledger"]["pushed"] == stop["ledger"]["drained"] + stop["ledger"]["dropped"]
        assert stop["metrics"]
    sampler.ask("mark", name="done")
    sampler.ask("disarm")
    times.sort()
    print(json.dumps({
        "brackets": count,
        "median_us": round(times[count // 2], 1),
        "p99_us": round(times[count * 99 // 100], 1),
    }))


main()
