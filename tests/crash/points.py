"""The moments at which a run is ended or its disk fails, counted on an undisturbed run.

strace counts the calls of each thread apart and acts on the thread that comes first to the number. Each kind below is
therefore a call that only one thread makes while it matters: the journal's thread writes to the write-ahead log of a
journal that was made before, the main thread speaks with the venues, opens a new journal and folds the log at the end.

``python -m tests.crash.points`` prints the counts as one JSON object.
"""

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crash.sale import Sale, sale

_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_TRACED = "pwrite64,fdatasync,ftruncate,unlink,openat,flock,sendto,recvfrom"


@dataclass(frozen=True)
class Kind:
    """One kind of moment: the n-th ``call`` on the file that is called like the journal plus ``ending`` (``None``: any
    file or socket), from the ``first``-th on, every ``step``-th. ``fresh``: on a journal that is made in this run."""

    name: str
    call: str
    ending: str | None
    fresh: bool = False
    first: int = 1
    step: int = 1

    def strace(self, journal: Path, effect: str, number: str, *, kill: bool = False) -> list[str]:
        """The command before the command. A signal needs the slower way of tracing: the fast one loses it."""
        where = [] if self.ending is None else ["-P", f"{journal}{self.ending}"]
        how = ["strace", "-f", "-qq", "-e", "signal=none", "-o", "/dev/null", *([] if kill else ["--seccomp-bpf"])]
        return [*how, *where, "-e", f"trace={self.call}", "-e", f"inject={self.call}:{effect}:when={number}"]

    def points(self, count: int) -> list[int]:
        """The numbers of this kind's moments among ``count`` calls."""
        return list(range(self.first, count + 1, self.step))


# Before a write of the log reaches the file; before what was written is made durable; after it is, when the lock of the
# commit is given back (the first two are the opening's own); before each request leaves and before each answer is read.
WORKING = (
    Kind("before a write to the log", "pwrite64", "-wal"),
    Kind("before a write is durable", "fdatasync", "-wal"),
    Kind("after a write is durable", "flock", ".lock", first=4, step=2),
    Kind("before something is sent", "sendto", None),
    Kind("before something is received", "recvfrom", None),
)
# While a new journal is made, and (with one that was made before) while the log is folded into it at the end.
OPENING = (
    Kind("making: write", "pwrite64", "", fresh=True),
    Kind("making: sync", "fdatasync", "", fresh=True),
    Kind("making: open", "openat", "", fresh=True),
    Kind("making: old log's write", "pwrite64", "-journal", fresh=True),
    Kind("making: old log's removal", "unlink", "-journal", fresh=True),
    Kind("making: index", "pwrite64", "-shm", fresh=True),
    Kind("making: index size", "ftruncate", "-shm", fresh=True),
    Kind("making: log's opening", "openat", "-wal", fresh=True),
)
FOLDING = (
    Kind("folding: write", "pwrite64", ""),
    Kind("folding: sync", "fdatasync", ""),
    Kind("folding: size", "ftruncate", ""),
    Kind("folding: log's size", "ftruncate", "-wal"),
    Kind("folding: log's removal", "unlink", "-wal"),
)
KINDS = WORKING + OPENING + FOLDING


def traced(deal: Sale, log: Path) -> list[tuple[str, str, str]]:
    """Run undisturbed; every call as thread, name and what it was about."""
    done = deal.run(["strace", "-f", "-qq", "-y", "-e", "signal=none", "-e", f"trace={_TRACED}", "-o", str(log)])
    assert done.code == 0, done.errors[-3000:]
    found = (_CALL.match(line) for line in log.read_text(encoding="utf-8", errors="replace").splitlines())
    return [(match[1], match[2], match[3]) for match in found if match]


def count() -> dict[str, int]:
    """How many moments of each kind an undisturbed run has."""
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for fresh in (False, True):
            place = Path(folder) / str(fresh)
            place.mkdir()
            with sale(place) as deal:
                if not fresh:
                    deal.prepare_journal()
                calls = traced(deal, place / "strace.txt")
                deal.check()
            for kind in KINDS:
                if kind.fresh == fresh:
                    counts[kind.name] = _largest(kind, deal.journal, calls)
    return counts


def _largest(kind: Kind, journal: Path, calls: list[tuple[str, str, str]]) -> int:
    """The calls of the thread that makes most of them; for a new journal those before the first order only."""
    by_thread = Counter(thread for thread, call, about in _considered(kind, calls) if _is(kind, journal, call, about))
    return max(by_thread.values(), default=0)


def _considered(kind: Kind, calls: list[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    for each in calls:
        if kind.fresh and each[1] == "sendto":
            return
        yield each


def _is(kind: Kind, journal: Path, call: str, about: str) -> bool:
    if call != kind.call:
        return False
    path = f"{journal}{kind.ending}"
    return kind.ending is None or f"<{path}>" in about or f'"{path}"' in about


if __name__ == "__main__":
    sys.stdout.write(json.dumps(count()) + "\n")
