"""``python -m benchmarks.journal``: what it costs to make events durable, on SQLite and on PostgreSQL.

In each round, on the same disk, one after the other: the plain driver with one commit per row, with fifty tasks that
share commits, and with full batches and nobody waiting; then the journal with one task and with fifty; then the whole
path of child orders (decide, guards, intent, a venue in memory, result) of fifty parent orders at once, of one, and of
one whose events are committed one by one, without the writer's thread.
``--url`` names an empty database; without it only SQLite is measured. ``--profile`` shows where the path's time goes.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bare import alone, bare_at, batches, grouped
from benchmarks.path import child_orders, event_by_event
from executor.domain.control import child_scopes
from executor.domain.events import (
    AnyEvent,
    ChildAcknowledged,
    ChildClosed,
    ChildIntended,
    FillRecorded,
    SliceStarted,
    Top,
)
from executor.engine.long_run import long_run
from executor.journal.journal import Journal
from executor.journal.line import Line, encode, time_text
from executor.journal.open import Place, open_store
from executor.journal.store import Row

TASKS = 50
_QTY = Decimal("0.125")
_AT = datetime(2026, 3, 2, 1, 0, 0, 250_000, tzinfo=UTC)
_TOPS = [
    Top(venue=name, bid=Decimal("99980.1"), bid_qty=_QTY, ask=Decimal("100020.1"), ask_qty=_QTY)
    for name in ("hashkey", "osl")
]


def child_order(task: int, number: int) -> list[AnyEvent]:
    """What is written of one child order that fills at once, in that order."""
    name, px = f"p{task:09}-{number}", Decimal("99980.10")
    return [
        SliceStarted(leg=0, slice=number, planned_qty=_QTY, due_qty=_QTY, mid_px=Decimal("100000.1"), tops=_TOPS),
        ChildIntended(
            client_order_id=name, number=number, leg=0, slice=number, venue="osl", method="book", symbol="BTCUSD",
            qty=_QTY, limit_px=px, time_in_force="IOC", post_only=False, tops=_TOPS,
        ),
        ChildAcknowledged(client_order_id=name, venue_order_id=f"osl-{number}", venue_status="filled"),
        FillRecorded(
            client_order_id=name, venue="osl", trade_id=f"t-osl-{number}", qty=_QTY, px=px, notional=px * _QTY,
            fee=Decimal("6.24875625"), fee_asset="USD", at=_AT,
        ),
        ChildClosed(client_order_id=name, venue_status="filled", cum_qty=_QTY),
    ]  # fmt: skip


def lines(round_: str, task: int, count: int) -> list[Line]:
    """The events of one task: one stream, consecutive versions, child order after child order."""
    events = chain.from_iterable(child_order(task, number) for number in range(1, count + 1))
    return [
        Line(stream=f"{round_}/{task}", version=version, case_id="BENCH-1", at=_AT, event=event)
        for version, event in enumerate(islice(events, count), 1)
    ]


def rows(own: Sequence[Line]) -> list[Row]:
    """The same as they are stored."""
    return [Row(one.stream, one.version, one.case_id, one.kind, time_text(one.at), encode(one)) for one in own]


def awaited(place: Place, *phases: Sequence[Sequence[Line]]) -> list[float]:
    """Events per second of tasks that each append one after the other and wait, encoding and holds included; phase
    after phase on one journal that stays open, as the plain driver does."""

    async def work(journal: Journal, task: int, own: Sequence[Line]) -> None:
        scopes = child_scopes("BENCH-1", f"p{task}", "plan", "osl")
        for line in own:
            await journal.append([line], scopes)

    async def phase(journal: Journal, streams: Sequence[Sequence[Line]]) -> float:
        began = time.perf_counter()
        await asyncio.gather(*(work(journal, task, own) for task, own in enumerate(streams)))
        return sum(map(len, streams)) / (time.perf_counter() - began)

    async def main() -> list[float]:
        journal = Journal(open_store(place), threaded=True)
        found = [await phase(journal, streams) for streams in phases]
        await journal.aclose()
        return found

    return asyncio.run(main())


def one_round(place: Place, name: str, count: int) -> dict[str, float]:
    """Every figure once, events per second."""
    streams = [lines(name, task, count) for task in range(TASKS)]
    single = lines(f"{name}-one", 0, count * 2)
    bare = bare_at(place)
    found = {
        "bare_one": alone(bare, rows(lines(f"{name}-one", 0, count * 2))),
        "bare_grouped": grouped(bare, [rows(own) for own in streams]),
        "bare_batches": batches(bare, [row for n in range(TASKS) for row in rows(lines(f"{name}-b", n, count))], TASKS),
    }
    bare.close()
    found["journal_one"], found["journal"] = awaited(place, [single], streams)
    found["path"], found["path_children"] = child_orders(place, f"{name}-path", TASKS, max(4, count // 10))
    found["path_one"], _ = child_orders(place, f"{name}-alone", 1, count // 2)
    found["path_one_singly"], _ = event_by_event(place, f"{name}-singly", count // 2)
    return found


_RATIOS = {
    "journal of bare grouped": ("journal", "bare_grouped"),
    "journal of bare batches": ("journal", "bare_batches"),
    "path of bare grouped": ("path", "bare_grouped"),
    "one task of one commit per event": ("journal_one", "bare_one"),
    "one parent's path of one commit per event": ("path_one", "bare_one"),
    "the same of a path of one commit per event": ("path_one", "path_one_singly"),
}


def measure(place: Place, rounds: int, count: int, say: Callable[[str], None]) -> dict[str, Any]:
    """``rounds`` rounds: medians, and the medians of the ratios of each round."""
    made = []
    for number in range(rounds):
        with long_run():  # as whoever runs a mandate does
            made.append(one_round(place, f"r{number}", count))
        say(f"round {number + 1} of {rounds}: " + ", ".join(f"{key} {each:.0f}" for key, each in made[-1].items()))
    return {
        "per_s": {key: round(median(each[key] for each in made)) for key in made[0]},
        "ratios": {
            name: round(median(each[part] / each[whole] for each in made), 3) for name, (part, whole) in _RATIOS.items()
        },
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description="Durable events per second.")
    parser.add_argument("--url", help="an empty PostgreSQL database: postgresql+psycopg://...")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--events", type=int, default=200, help="of each of fifty tasks, in each round; default: 200")
    parser.add_argument("--profile", action="store_true", help="show where the path of a child order spends its time")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="executor-bench-", dir=Path.cwd()) as folder:
        places: dict[str, Place] = {"sqlite": Path(folder, "journal.sqlite")}
        if chosen.url:
            places["postgresql"] = chosen.url
        for name, place in places.items():
            if chosen.profile:
                profile(place)
                continue
            found[name] = measure(
                place,
                chosen.rounds,
                chosen.events,
                lambda line, name=name: print(name, line, file=sys.stderr, flush=True),  # type: ignore[misc]
            )
    if chosen.json:
        print(json.dumps(found))
    elif found:
        show(found)
    return 0


def profile(place: Place) -> None:
    """The forty dearest functions of the event loop's thread; the writer's thread is not in it."""
    watched = cProfile.Profile(time.process_time)
    watched.enable()
    child_orders(place, "profile", TASKS, 40)
    watched.disable()
    pstats.Stats(watched).sort_stats("tottime").print_stats(40)


def show(found: dict[str, Any]) -> None:
    """The figures as tables."""
    for part in ("per_s", "ratios"):
        print(f"{'events per second' if part == 'per_s' else 'ratio':<44}" + "".join(f"{name:>14}" for name in found))
        for key in next(iter(found.values()))[part]:
            print(f"{key:<44}" + "".join(f"{each[part][key]:>14}" for each in found.values()))
        print()


if __name__ == "__main__":
    sys.exit(main())
