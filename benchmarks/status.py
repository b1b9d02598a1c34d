"""``python -m benchmarks.status``: how long `executor status` takes from nothing, and what it imports.

A person asks, a process starts, reads a journal with one rehearsed sale of forty orders, and ends. Beside it the bare
interpreter, and what is imported beyond it, dearest first, as ``-X importtime`` tells it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.restart import half
from executor.engine.virtual_time import run_virtual

_SHOWN = 15
_PROGRAM = "from executor.cli.main import main; main()"


def cold(*command: str) -> float:
    """Milliseconds of a process from its start to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def imports(*command: str) -> list[tuple[int, str]]:
    """Microseconds that each module took by itself, dearest first."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    lines = [line.removeprefix("import time:").split("|") for line in told.stderr.decode().splitlines()[1:]]
    return sorted(((int(own), name.strip()) for own, _, name in lines), reverse=True)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.status", description="A cold `executor status`.")
    parser.add_argument("--rounds", type=int, default=15, help="default: 15")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="executor-bench-") as folder:
        journal = Path(folder, "journal.sqlite")
        run_virtual(half(journal, 40, restart=False))
        status = ("-c", _PROGRAM, "status", "--journal", str(journal))
        cold(*status)
        rounds = [(cold(*status), cold("-c", "pass")) for _ in range(chosen.rounds)]
        whole, bare = (median(times) for times in zip(*rounds, strict=True))
        print(f"executor status: {whole:.0f} ms; the interpreter alone: {bare:.0f} ms; medians of {chosen.rounds}\n")
        found = imports(*status)
        total = sum(own for own, _ in found) / 1000
        print(f"{len(found)} modules, {total:.0f} ms while told; the dearest, by themselves:")
        for own, name in found[:_SHOWN]:
            print(f"{own / 1000:>8.1f} ms  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
