"""``python -m benchmarks.restart``: from opening a large journal to the first new order, and what verifying it takes.

The journal holds so many events of other parent orders, a thousand each, and one parent order half done whose process
has gone; a new engine opens the journal, folds its own stream, settles and compares with the venue, and sends. Then the
record is given its places, signed, and verified by the commands that people use. Events are real ones: a sale in memory
is run once, and its lines are written again under other names.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adapters.clock import LoopClock
from adapters.mock.planning_world import planning_world
from adapters.mock.world import FEES
from adapters.venue import NewOrder, OrderReport
from benchmarks.planning import task
from executor.cli.compose import settings_for, traits_of
from executor.cli.dry_run import REHEARSAL
from executor.engine.long_run import long_run
from executor.engine.rehearsal import prepare_rehearsal
from executor.engine.runner import Runner
from executor.engine.virtual_time import run_virtual
from executor.errors import ExecutorError, Interrupted
from executor.journal.journal import Journal
from executor.journal.line import decode, time_text
from executor.journal.sqlite import SqliteStore
from executor.journal.store import Append, Row

_OTHERS = 240  # slices of the sale whose lines are multiplied: about a thousand events
_BATCH = 50  # parent orders written in one commit


class _Sent(Exception):
    """The first new order has reached the venue."""


async def half(journal_path: Path, slices: int, *, restart: bool) -> float:
    """Sell half, or go on; seconds from opening the journal to the first order after the restart."""
    mandate, plan, spec = task(slices, ["osl"])
    clock = LoopClock(spec.start)
    world = planning_world(spec, clock, traits_of(settings_for(quiet=True), plan.venues, FEES, clock))
    journal = Journal(SqliteStore(journal_path), threaded=False)
    await prepare_rehearsal(journal, mandate, plan, clock.now())
    runner = _runner(mandate, plan, world.venues, journal, clock)
    place = world.venues[0].place
    sent = 0

    async def until_half(order: NewOrder) -> OrderReport:
        nonlocal sent
        sent += 1
        if sent == slices // 2 and restart:
            runner.stop.set()
        return await place(order)

    world.venues[0].place = until_half  # type: ignore[method-assign]
    try:
        await runner.run()
    except Interrupted:
        if not restart:
            raise
    await journal.aclose()
    if not restart:
        return 0.0
    at: list[float] = []

    async def first(_: NewOrder) -> OrderReport:
        at.append(time.perf_counter())
        raise _Sent

    world.venues[0].place = first  # type: ignore[method-assign]
    began = time.perf_counter()
    journal = Journal(SqliteStore(journal_path), threaded=False)
    try:
        with long_run():
            await _runner(mandate, plan, world.venues, journal, clock).run()
    except (_Sent, ExecutorError):
        if not at:
            raise
    finally:
        await journal.aclose()
    return at[0] - began


def _runner(mandate: Any, plan: Any, venues: Any, journal: Journal, clock: LoopClock) -> Runner:
    return Runner(mandate, plan, venues, journal, clock, observer=lambda _: None, tuning=REHEARSAL, owner="benchmark")


def multiplied(template: Path, events: int) -> Iterator[Sequence[Append]]:
    """Batches of the template's parent order under ever new names, ``events`` lines in all."""
    store = SqliteStore(template)
    (stream,) = store.streams("parent/")
    lines = list(store.read(stream))
    store.close()
    name = stream.removeprefix("parent/")
    heads = [decode(line) for line in lines]
    batch: list[Append] = []
    for number in range(events // len(lines)):
        own = f"other{number}"
        rows = [
            Row(
                f"parent/{own}",
                h.version,
                own,
                h.kind,
                time_text(h.at),
                _renamed(line, name, own),
            )
            for line, h in zip(lines, heads, strict=True)
        ]
        batch.append(Append(rows))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _renamed(line: str, name: str, own: str) -> str:
    """Of another parent order, another case, and at another venue: it did not sell from our purse."""
    return line.replace(name, own).replace("BENCH-1", own).replace('"osl"', '"other"').replace('"osl-', f'"{own}-')


def measure(events: int, slices: int) -> dict[str, Any]:
    """All figures of one journal of ``events`` events of others."""
    with tempfile.TemporaryDirectory(prefix="executor-bench-", dir=Path.cwd()) as folder:
        template, path = Path(folder, "template.sqlite"), Path(folder, "journal.sqlite")
        run_virtual(half(template, _OTHERS, restart=False))
        store = SqliteStore(path)
        began = time.perf_counter()
        for batch in multiplied(template, events):
            store.commit(batch)
        store.close()
        written = time.perf_counter() - began
        found = {
            "events_of_others": events,
            "own_slices_done": slices // 2,
            "written_per_s": round(events / written),
            "to_first_order_s": round(run_virtual(half(path, slices, restart=True)), 2),
        }
        key = Path(folder, "key")
        _timed("record-key", str(key))
        env = {"EXECUTOR_RECORD_KEY": str(key)}
        found["sign_s"] = _timed("checkpoint", "--journal", str(path), **env)
        found["verify_s"] = _timed("verify", "--journal", str(path), "--head", str(Path(folder, "head")), **env)
        found["verify_again_s"] = _timed("verify", "--journal", str(path), "--from", str(Path(folder, "head")), **env)
        found["status_s"] = _timed("status", "--journal", str(path), "--json")
        return found


def _timed(*words: str, **env: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "from executor.cli.main import main; main()", *words],
        check=True,
        stdout=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", **env},
    )
    return round(time.perf_counter() - began, 2)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restart", description="Large journals.")
    parser.add_argument("--events", default="100000,1000000", help="events of other parent orders, with commas")
    parser.add_argument("--slices", type=int, default=1_000, help="of the parent order that goes on; default: 1000")
    chosen = parser.parse_args()
    for events in chosen.events.split(","):
        print(json.dumps(measure(int(events), chosen.slices)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
