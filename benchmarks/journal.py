"""``python -m benchmarks.journal``: events per second that become durable, on SQLite and on PostgreSQL.

Two ways in each round, on the same disk: raw, the store's own commit of fifty appends at a time, one thread, nothing
around it; and through ``Journal.append`` with fifty tasks that each wait until their event is durable. The ratio is
what the one writer costs. ``--url`` names an empty database; without it only SQLite is measured.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from executor.domain.control import child_scopes
from executor.domain.events import SliceStarted
from executor.journal.journal import Journal
from executor.journal.line import Line, encode, time_text
from executor.journal.open import Place, open_store
from executor.journal.store import Append, Row, Store

TASKS = 50
_QTY = Decimal("0.125")
_AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def lines(round_: str, task: int, count: int) -> list[Line]:
    """The events of one task: one stream, consecutive versions."""
    event = SliceStarted(leg=0, slice=task, planned_qty=_QTY, due_qty=_QTY, mid_px=None, tops=[])
    return [
        Line(stream=f"{round_}/{task}", version=version, case_id="BENCH-1", at=_AT, event=event)
        for version in range(1, count + 1)
    ]


def raw(store: Store, round_: str, count: int) -> float:
    """Seconds for ``count`` commits of fifty guarded appends, ready made."""
    streams = [lines(round_, task, count) for task in range(TASKS)]
    batches = [
        [
            Append([_row(stream[number])], child_scopes("BENCH-1", f"p{task}", "plan", "osl"))
            for task, stream in enumerate(streams)
        ]
        for number in range(count)
    ]
    began = time.perf_counter()
    for batch in batches:
        if any(store.commit(batch)):
            raise RuntimeError("an append was refused; is the database empty?")
    return time.perf_counter() - began


def _row(line: Line) -> Row:
    return Row(line.stream, line.version, line.case_id, line.kind, time_text(line.at), encode(line))


def awaited(store: Store, round_: str, count: int) -> float:
    """Seconds for fifty tasks of ``count`` appends each, one after the other, encoding included."""

    async def work(journal: Journal, task: int, own: list[Line]) -> None:
        scopes = child_scopes("BENCH-1", f"p{task}", "plan", "osl")
        for line in own:
            await journal.append([line], scopes)

    async def main() -> float:
        streams = [lines(round_, task, count) for task in range(TASKS)]
        journal = Journal(store, threaded=True)
        began = time.perf_counter()
        await asyncio.gather(*(work(journal, task, own) for task, own in enumerate(streams)))
        spent = time.perf_counter() - began
        await journal.aclose()
        return spent

    return asyncio.run(main())


def measure(place: Place, rounds: int, count: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Alternate the two ways for ``rounds`` rounds."""
    events, pairs = TASKS * count, []
    for number in range(rounds):
        store = open_store(place)
        bare = events / raw(store, f"raw{number}", count)
        store.close()
        pairs.append((bare, events / awaited(open_store(place), f"awaited{number}", count)))
        say(f"round {number + 1} of {rounds}: raw {pairs[-1][0]:.0f}/s, awaited {pairs[-1][1]:.0f}/s")
    return {
        "raw_per_s": round(median(bare for bare, _ in pairs)),
        "awaited_per_s": round(median(waited for _, waited in pairs)),
        "ratio": round(median(waited / bare for bare, waited in pairs), 3),
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description="Durable events per second.")
    parser.add_argument("--url", help="an empty PostgreSQL database: postgresql+psycopg://...")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--commits", type=int, default=200, help="of fifty appends, in each round; default: 200")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="executor-bench-", dir=Path.cwd()) as folder:
        places: dict[str, Place] = {"sqlite": Path(folder, "journal.sqlite")}
        if chosen.url:
            places["postgresql"] = chosen.url
        for name, place in places.items():
            found[name] = measure(
                place,
                chosen.rounds,
                chosen.commits,
                lambda line, name=name: print(name, line, file=sys.stderr),  # type: ignore[misc]
            )
    if chosen.json:
        print(json.dumps(found))
        return 0
    print(f"{'':<12}{'raw events/s':>14}{'awaited events/s':>18}{'ratio':>8}")
    for name, part in found.items():
        print(f"{name:<12}{part['raw_per_s']:>14}{part['awaited_per_s']:>18}{part['ratio']:>8}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
