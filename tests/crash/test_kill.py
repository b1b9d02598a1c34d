"""The process is killed (SIGKILL) at each durable write and around each call on the wire, one point per run, while the
venues stay up; the same command is started again until it is done.

Then: the parent order is complete, or what is not sold is parked with a reason; the venues' own books equal the
record's fills; every line that was printed is in the record byte for byte. `make test-crash` runs every point that an
undisturbed run has; `make test` the fixed sample below, in which every kind of point occurs.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from executor.exit_codes import ExitCode
from tests.crash.points import KINDS, Kind, count
from tests.crash.sale import sale
from tests.crash.summary import EXIST
from tests.crash.together import Point, batches, run_points

pytestmark = pytest.mark.usefixtures("strace")

COUNTED = "CRASH_POINTS"  # what `python -m tests.crash.points` printed: run them all
# Nothing is received fewer times than it is sent (some 90): a read that finds nothing yet comes again, as the machine's
# pace has it (146 to 178 in all), so the sample stays among those that every run has.
SAMPLE = {
    "before a write to the log": (40, 100),
    "before a write is durable": (14,),
    "after a write is durable": (12, 36),
    "before something is sent": (50, 75),
    "before something is received": (45, 85),
    "folding: write": (3,),
    "folding: sync": (1,),
    "folding: size": (1,),
    "folding: log's size": (1,),
    "folding: log's removal": (1,),
    "making: write": (1,),
    "making: sync": (1,),
    "making: open": (1,),
    "making: old log's write": (2,),
    "making: old log's removal": (1,),
    "making: index": (1,),
    "making: index size": (1,),
    "making: log's opening": (1,),
}


def _points(kind: Kind) -> list[int]:
    counted = os.environ.get(COUNTED)
    return kind.points(json.loads(counted)[kind.name]) if counted else list(SAMPLE[kind.name])


POINTS = [Point(kind, number) for kind in KINDS for number in _points(kind)]
BATCHES = batches(POINTS, 8)


@pytest.mark.parametrize("points", BATCHES, ids=[f"{batch[0]}..{batch[-1].number}" for batch in BATCHES])
def test_a_run_that_is_killed_ends_exact(points: list[Point], tmp_path: Path, record_property: Any) -> None:
    run_points(points, lambda point: _killed(tmp_path / str(point), point), record_property)


def _killed(folder: Path, point: Point) -> bool:
    folder.mkdir()
    with sale(folder) as deal:
        if not point.kind.fresh:
            deal.prepare_journal()
        wrapper = point.kind.strace(deal.journal, "signal=SIGKILL", str(point.number), kill=True)
        first = deal.run(wrapper)
        reached = first.code == -signal.SIGKILL
        assert reached or first.code == ExitCode.OK, first.errors[-2000:]
        deal.finish()
        deal.check()
    return reached


@pytest.mark.skipif(COUNTED in os.environ, reason="the points have been counted already, to run every one of them")
def test_the_undisturbed_run_has_every_kind_of_point(record_property: Any) -> None:
    """A sample that named points beyond the end would kill nothing."""
    counts = count()
    record_property(EXIST, json.dumps({kind.name: len(kind.points(counts[kind.name])) for kind in KINDS}))
    missing = [kind.name for kind in KINDS if max(SAMPLE[kind.name]) > counts[kind.name]]
    assert not missing, f"the sample names points that are not there: {missing}"
