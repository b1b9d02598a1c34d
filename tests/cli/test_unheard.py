"""What sells or stops a sale goes on when nobody can hear it: readers that went away, output on a full disk."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from executor.journal.open import open_reading
from tests.cli.commands import PROGRAM, ROOT, call, environment, objects, plan, write_mandate

FULL = Path("/dev/full")  # every write to it fails as on a full disk
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
# What reads stderr has gone; then the signal comes, twice.
DEAF = """
import asyncio, os, signal
from executor.cli import {module}
class One:
    done = 0
    stop = property(lambda self: self)
    def drain(self): self.done += 1
    set = drain
async def main():
    one = One()
    {module}.{handler}(one)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    for _ in range(1000):
        if one.done: break
        await asyncio.sleep(0.01)
    handlers = [asyncio.get_running_loop().remove_signal_handler(each) for each in (signal.SIGINT, signal.SIGTERM)]
    print(one.done, handlers)
asyncio.run(main())
"""


def unheard(*command: object, stdout: int | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run it with a stderr that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            list(map(str, command)), cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout, stderr=writer, timeout=120, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)


@pytest.mark.parametrize(("module", "handler"), [("run", "_stop_on_signals"), ("worker", "_drain_on_signals")])
def test_a_signal_stops_what_nobody_hears(module: str, handler: str) -> None:
    done = unheard(sys.executable, "-c", DEAF.format(module=module, handler=handler))
    assert done.stdout == b"1 [False, False]\n"  # a second signal leaves at once


def test_a_sale_whose_messages_nobody_reads_is_finished(tmp_path: Path) -> None:
    record = tmp_path / "j"
    done = unheard(*PROGRAM, "dry-run", write_mandate(tmp_path, plan()), "--journal", record)
    assert done.returncode == ExitCode.OK
    (row,) = objects(call("status", "--journal", record, "--json").stdout)
    assert row["status"] == "completed"


@needs_full
def test_output_on_a_full_disk_stops_no_sale(tmp_path: Path) -> None:
    record = tmp_path / "j"
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, "dry-run", str(write_mandate(tmp_path, plan())), "--journal", str(record), "--json"],
            cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=120,
            check=False, text=True,
        )  # fmt: skip
    assert done.returncode == ExitCode.OK
    assert done.stderr == "executor: stdout cannot be written any more (No space left on device); going on without\n"
    (row,) = objects(call("status", "--journal", record, "--json").stdout)
    assert row["status"] == "completed"


@needs_full
def test_a_kill_that_cannot_be_shown_is_carried_out_to_the_end(tmp_path: Path) -> None:
    record = tmp_path / "j"
    assert call("dry-run", write_mandate(tmp_path, plan()), "--journal", record).returncode == ExitCode.OK
    kill = ("kill", "all", "--on", "mock", "--who", "Li", "--why", "fire", "--journal", record)
    with FULL.open("wb") as full:
        done = unheard(*PROGRAM, *kill, stdout=full.fileno())
    assert done.returncode == ExitCode.OK
    with closing(open_reading(record)) as reading:
        assert [hold.scope for hold in reading.holds()] == ["all"]
