"""The journal's disk fails under a running sale: EIO, no space, and writes that take only a part, at each call that
writes the journal's files.

The process says so in one clear sentence and ends with a documented exit code; what rested at the venues has been
cancelled; and when the disk is well again the same command completes the sale, exactly.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from executor.exit_codes import ExitCode
from tests.crash.points import FOLDING, OPENING, WORKING, Kind
from tests.crash.sale import Ended, Sale, sale
from tests.crash.together import Point, batches, run_points

pytestmark = pytest.mark.usefixtures("strace")

EIO, ENOSPC, SHORT = "error=EIO", "error=ENOSPC", "retval=0"
WRITE, SYNC = WORKING[:2]
ON_THE_JOURNAL = (WRITE, SYNC, *OPENING, *FOLDING)
_FIRST_FRAME = 32 + 24 + 4096  # the log's header and its first page

# What fails: the call, and how it fails. Writing nothing is how a write says that it could not write more; the writes
# that take a part come from a limit on the file's size, under which the kernel itself writes what still fits.
SAMPLE = (
    Point(WRITE, 60, ENOSPC),
    Point(WRITE, 25, EIO),
    Point(WRITE, 90, SHORT),
    Point(SYNC, 16, EIO),
    Point(OPENING[0], 1, ENOSPC),
    Point(OPENING[2], 1, EIO),
    Point(OPENING[7], 1, ENOSPC),
    Point(FOLDING[0], 2, ENOSPC),
    Point(FOLDING[1], 1, EIO),
)
SIZES = (_FIRST_FRAME + 100, 200_000 + 1_000)


def _errors(kind: Kind) -> tuple[str, ...]:
    return {"pwrite64": (EIO, ENOSPC, SHORT), "openat": (EIO, ENOSPC)}.get(kind.call, (EIO,))


def _points() -> list[Point]:
    counted = os.environ.get("CRASH_POINTS")
    if not counted:
        return list(SAMPLE)
    counts = json.loads(counted)
    every = [(kind, n) for kind in ON_THE_JOURNAL for n in kind.points(counts[kind.name])]
    return [Point(kind, n, error) for kind, n in every for error in _errors(kind)]


BATCHES = batches(_points(), 8)


@pytest.mark.parametrize("points", BATCHES, ids=[f"{batch[0]}..{batch[-1].number}" for batch in BATCHES])
def test_a_failing_disk_ends_the_run_in_order(points: list[Point], tmp_path: Path, record_property: Any) -> None:
    run_points(points, lambda point: _failed(tmp_path / str(point), point), record_property)


def _failed(folder: Path, point: Point) -> bool:
    folder.mkdir()
    with sale(folder) as deal:
        if not point.kind.fresh:
            deal.prepare_journal()
        # A full disk stays full; an error of the device may come once, and even then nobody goes on.
        lasting = f"{point.number}+" if point.what != EIO else str(point.number)
        ended = deal.run(point.kind.strace(deal.journal, point.what, lasting))
        reached = ended.code != ExitCode.OK
        if reached:
            _ended_in_order(deal, ended)
        deal.finish()
        deal.check()
    return reached


@pytest.mark.parametrize("size", SIZES)
def test_a_write_of_which_a_part_fits_ends_the_run_in_order(size: int, tmp_path: Path) -> None:
    with sale(tmp_path) as deal:
        deal.prepare_journal()
        ended = deal.run(["prlimit", f"--fsize={size}"])
        assert ended.code == ExitCode.ERROR
        _ended_in_order(deal, ended)
        deal.finish()
        deal.check()


def test_a_disk_that_is_full_at_the_start_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    with sale(tmp_path) as deal:
        ended = deal.run(["prlimit", "--fsize=0"])
        assert ended.code == ExitCode.ERROR
        assert "check the path and the disk" in ended.errors
        _ended_in_order(deal, ended)
        assert ended.lines == []
        deal.finish()
        deal.check()


def _ended_in_order(deal: Sale, ended: Ended) -> None:
    """One sentence that names the journal, the exit code for it, and nothing left at the venues to be sold."""
    assert ended.code == ExitCode.ERROR, f"{ended.code}: {ended.errors[-3000:]}"
    assert "Traceback" not in ended.errors, ended.errors[-3000:]
    said = [line for line in ended.errors.splitlines() if line.startswith("executor: ")]
    assert len(said) == 1, said
    assert str(deal.journal) in said[0]
    assert asyncio.run(deal.resting()) == []
