"""How long parent orders stood still, from the record, and the lines that say so at the end of a test run."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from executor.domain.events import ParentFinished, ParentTaken, SliceStarted
from executor.journal.line import Line

MEASURED = "fail-over measured"
Told = Callable[[str, dict[str, Any]], None]


def gone_on(lines: Sequence[Line], orphans: Sequence[str], since: datetime) -> dict[str, Any]:
    """Seconds from ``since`` until each of ``orphans`` was taken over and until it next worked a slice (or ended)."""
    taken: dict[str, float] = {}
    worked: dict[str, float] = {}
    for line in lines:
        parent = line.stream.removeprefix("parent/")
        if line.at <= since or parent not in orphans:
            continue
        after = (line.at - since).total_seconds()
        if isinstance(line.event, ParentTaken):
            taken.setdefault(parent, after)
        elif isinstance(line.event, SliceStarted | ParentFinished):
            worked.setdefault(parent, after)
    return {"parents": len(orphans)} | _figures("taken over", taken) | _figures("worked again", worked)


def _figures(what: str, found: dict[str, float]) -> dict[str, Any]:
    if not found:
        return {}
    return {f"{what}, median s": round(median(found.values()), 1), f"{what}, last s": round(max(found.values()), 1)}


def closing_lines(terminalreporter: Any) -> None:
    """Print what the fail-over tests measured: it is never asserted."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == MEASURED:
                terminalreporter.write_line(f"fail-over: {json.dumps(value)}")
