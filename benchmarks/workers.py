"""``python -m benchmarks.workers --url URL``: the whole path of child orders in one, two and three processes at once.

All write to one journal on PostgreSQL, each the child orders of fifty parent orders of its own, slice after slice
without waiting for a schedule. They begin together when all of them are ready. On a machine with two cores the second
process shares with the database already: what is measured is what they cost each other.
"""

import argparse
import json
import subprocess
import sys
import time
from statistics import median

from benchmarks.path import child_orders

PARENTS = 50


def one(url: str, name: str, each: int) -> float:
    """Child orders per second of one process, from when it is told to go."""

    def ready() -> None:
        print("ready", flush=True)
        sys.stdin.readline()

    return child_orders(url, name, PARENTS, each, ready)[1]


def together(url: str, name: str, processes: int, each: int) -> float:
    """Child orders per second of all processes."""
    command = [sys.executable, "-m", "benchmarks.workers", "--url", url, "--each", str(each)]
    running = [
        subprocess.Popen(
            [*command, "--one", f"{name}-{number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("a process did not begin")
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in running)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description="Several processes.")
    parser.add_argument("--url", required=True, help="an empty PostgreSQL database: postgresql+psycopg://...")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--each", type=int, default=20, help="slices of each of fifty parent orders; default: 20")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(one(chosen.url, chosen.one, chosen.each))
        return 0
    found: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for number in range(chosen.rounds):
        for processes, rates in found.items():
            name = f"{time.time_ns()}-{number}-{processes}"
            rates.append(together(chosen.url, name, processes, chosen.each))
        print({processes: round(rates[-1]) for processes, rates in found.items()}, file=sys.stderr, flush=True)
    for processes, rates in found.items():
        ratio = median(rate / alone for rate, alone in zip(rates, found[1], strict=True))
        line = {"processes": processes, "children_per_s": round(median(rates)), "of_one": round(ratio, 2)}
        print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
