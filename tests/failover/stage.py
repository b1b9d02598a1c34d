"""Workers as real processes, on one journal in a real PostgreSQL, selling on a mocked venue over sockets.

The venue asks the journal about each order at the moment at which it arrives. At the end its own book is laid beside
the record: they must say the same, to the last digit.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.clock import steady
from executor.domain.orders import ChildStatus, ParentStatus
from executor.domain.parent import Parent
from executor.journal.line import Line, decode
from executor.workers.roster import Roster, WorkerSeen
from tests.cli.commands import ROOT, Table, call, environment, plan, twap, write_mandate
from tests.cli.processes import two_free_ports
from tests.postgresql import Server

COINS = Decimal(600)
_LONG = timedelta(seconds=60)
_pause = threading.Event()
PATIENCE_S = 120
FEW = 6
_LAUNCH = "from executor.cli.main import main; main()"
# A machine whose clock is wrong, and a program that knows one schema more than this one.
SKEWED = (
    "from datetime import timedelta; import adapters.clock as c; right = c.SystemClock.now; "
    "c.SystemClock.now = lambda self: right(self) + timedelta(seconds={seconds}); " + _LAUNCH
)
NEWER = (
    "import executor.journal.sql as s; "
    "s.MIGRATIONS += (s.Sql(sqlite='SELECT 1', postgres='CREATE TABLE something_newer (one INTEGER)'),); " + _LAUNCH
)


@dataclass
class Process:
    """One worker: its process, its name in the roster, and the file in which it says what it does."""

    process: subprocess.Popen[bytes]
    said: Path
    name: str = ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(PATIENCE_S)

    @property
    def told(self) -> str:
        """What it said on stderr."""
        return self.said.read_text(errors="replace")


@dataclass
class Stage:
    """One journal, one venue, and the workers that were started."""

    folder: Path
    server: Server
    url: str
    env: Mapping[str, str]
    port: int
    workers: list[Process] = field(default_factory=list)
    parents: dict[str, Decimal] = field(default_factory=dict)

    # --- processes ----------------------------------------------------------------------------------------------

    def launch(self, launch: str = _LAUNCH, *, url: str = "", name: str = "w") -> Process:
        """Start one more worker."""
        said = self.folder / f"worker-{len(self.workers)}.log"
        command = [sys.executable, "-c", launch, "worker", "--on", "mock", "--name", name]
        with said.open("wb") as log:
            process = subprocess.Popen(
                [*command, "--journal", url or self.url],
                cwd=ROOT,
                env=environment(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.workers.append(Process(process, said))
        return self.workers[-1]

    def worker(self, launch: str = _LAUNCH, *, url: str = "", name: str = "w") -> Process:
        """Start one more and wait until it takes work."""
        one = self.launch(launch, url=url, name=name)

        def there() -> bool:
            assert one.process.poll() is None, one.told[-3000:]
            said = [json.loads(line) for line in one.told.splitlines() if '"worker_joined"' in line]
            one.name = said[0]["worker"] if said else ""
            return bool(said)

        self.until(there)
        return one

    def drain(self, one: Process) -> None:
        """Have it hand over, as a person does."""
        done = call("drain", one.name, "--journal", self.url)
        assert done.returncode == 0, done.stderr

    def pause(self, seconds: float) -> None:
        """Let time go by in which something might happen that must not."""
        _pause.wait(seconds)

    def submit(self, count: int) -> None:
        """Hand ``count`` cases to the workers: each crosses the book every few seconds, on HashKey alone."""
        table = small() if count <= FEW else large()
        self.folder.joinpath("cases").mkdir(exist_ok=True)
        for _ in range(count):
            case = f"F-{len(self.parents) + 1}"
            mandate = write_mandate(self.folder / "cases", table, case_id=case)
            done = call(
                "submit", mandate, "--on", "mock", "--rehearse", "--who", "Li", "--journal", self.url, env=self.env
            )
            assert done.returncode == 0, done.stderr
            self.parents[done.stdout.split()[3]] = Decimal(table["qty"])

    # --- looking ------------------------------------------------------------------------------------------------

    def roster(self, *, every: bool = False) -> list[WorkerSeen]:
        """The workers as the database knows them."""
        roster = Roster(self.url, patience=_LONG)
        try:
            roster.prepare()
            return roster.workers(every=every)
        finally:
            roster.close()

    def until(self, true: Any, seconds: float = PATIENCE_S) -> None:
        """Wait until ``true()``."""
        give_up = steady().total_seconds() + seconds
        while not true():
            assert steady().total_seconds() < give_up, "".join(each.told[-2000:] for each in self.workers)
            _pause.wait(0.2)

    def run_by(self, name: str) -> list[str]:
        """The parent orders of one worker."""
        return next((each.parents for each in self.roster() if each.name == name), [])

    def lines(self) -> list[Line]:
        """Every event of the parent orders, in the order of the record."""
        with self.server.connect(self.url) as db:
            found = db.execute("SELECT line FROM events WHERE stream >= 'parent/' AND stream < 'parent0' ORDER BY seq")
            return [decode(str(line)) for (line,) in found]

    def states(self) -> dict[str, Parent]:
        """Every parent order, folded."""
        states: dict[str, Parent] = {}
        for line in self.lines():
            states.setdefault(line.stream.removeprefix("parent/"), Parent()).apply(line.event, line.at)
        return states

    def now(self) -> datetime:
        """The database's time."""
        with self.server.connect(self.url) as db:
            ((now,),) = db.execute("SELECT clock_timestamp()").fetchall()
        assert isinstance(now, datetime)
        return now

    def seen(self) -> Table:
        """What the venue has seen."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/seen", timeout=30) as answer:
            found: Table = json.load(answer)
        return found

    def finished(self, seconds: float = 3 * PATIENCE_S) -> None:
        """Wait until every parent order is done, or left for a person."""

        def all_done() -> bool:
            with self.server.connect(self.url) as db:
                # One that is left for a person stays open, and is looked at again and again.
                statement = "SELECT count(*) FROM work WHERE state = 'open' AND said NOT LIKE '%left for a person%'"
                ((left,),) = db.execute(statement).fetchall()
            return left == 0

        self.until(all_done, seconds)

    # --- what must hold -----------------------------------------------------------------------------------------

    def check(self) -> dict[str, Parent]:
        """Every parent order exact, nothing sent that was not journalled first, no id twice but as the record says."""
        states, seen = self.states(), self.seen()
        assert seen["unjournalled"] == []
        assert seen["resting"] == []
        assert set(states) == set(self.parents)
        ids = [each for _, each in seen["orders"]]
        sends = {c.client_order_id: c.sends for state in states.values() for c in state.children.values()}
        twice = {each: ids.count(each) for each in set(ids) if ids.count(each) > sends[each]}
        assert twice == {}, f"sent more often than the record says: {twice}"
        trades = [trade for state in states.values() for _, trade in state.trades]
        assert sorted(trades) == sorted(seen["trades"])
        for parent, qty in self.parents.items():
            state = states[parent]
            sold = Decimal(seen["sold"].get(parent, "0"))
            assert state.cum_qty == sold <= qty
            assert not state.breaks, state.breaks
            if state.open:  # the purse was too busy to prove that an order never arrived
                assert {child.status for child in state.open.values()} == {ChildStatus.PARKED}
                assert not {child.client_order_id for child in state.open.values()} & set(ids)
                continue
            # The market does not take everything at once; a window that ends first leaves the rest, and says so.
            late = state.status is ParentStatus.ENDED and state.now >= state.spec.ends_at + state.idle
            assert late or (state.status is ParentStatus.COMPLETED and sold == qty), f"{parent}: {state.status}"
        assert COINS - Decimal(seen["coins"]) == sum(state.cum_qty for state in states.values())
        fees = sum((sum(state.total.fees.values()) for state in states.values()), Decimal(0))
        assert Decimal(seen["cash"]) == sum(state.total.notional for state in states.values()) - fees
        return states


def many() -> int:
    """How many parent orders a test hands over: ``FAILOVER_PARENTS``, else a few."""
    return int(os.environ.get("FAILOVER_PARENTS", FEW))


def small() -> Table:
    """Twenty seconds in slices of two."""
    return _plan("0.01", slices=10, seconds=20)


def large() -> Table:
    """Two minutes in slices of ten seconds: for hundreds at once."""
    return _plan("0.02", slices=12, seconds=120)


def _plan(qty: str, *, slices: int, seconds: int) -> Table:
    leg = twap(qty, slices=slices, catch_up="5", min_notional="10")
    return plan(leg, qty=qty, floor_px="50000", duration=f"{seconds}s", venues=["hashkey"])


@contextmanager
def stage(folder: Path, server: Server) -> Iterator[Stage]:
    """A journal and a venue; whatever was started is ended."""
    with ExitStack() as ending:
        url = server.url()
        env = {"EXECUTOR_RECORD_KEY": str(folder / "record.key"), "EXECUTOR_LOG_FORMAT": "json"}
        assert call("record-key", folder / "record.key").returncode == 0
        port = _venue(folder, url, ending)
        env["EXECUTOR_VENUES_DIR"] = str(_profiles(folder / "venues", port))
        found = Stage(folder, server, url, env, port)
        ending.callback(_end, found.workers)
        yield found


def _venue(folder: Path, url: str, ending: ExitStack) -> int:
    for _ in range(5):
        port = two_free_ports()
        log = (folder / "venue.log").open("wb")
        ending.enter_context(log)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.failover.venues", str(port), url],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        ending.callback(_end, [Process(process, folder / "venue.log")])
        assert process.stdout is not None
        ending.enter_context(process.stdout)
        if process.stdout.readline() == b"listening\n":
            return port
    raise AssertionError(f"no venue: {(folder / 'venue.log').read_text()[-2000:]}")


def _profiles(folder: Path, port: int) -> Path:
    folder.mkdir()
    text = (ROOT / "config" / "venues" / "hashkey-mock.toml").read_text(encoding="utf-8")
    quick = 'queries_per_second = "1000"\norders_per_second = "1000"\nquiet_period = "PT2S"\nlooks = 2\n'
    text = text.replace(":18081", f":{port}").replace("[settings]\n", f"[settings]\n{quick}", 1)
    (folder / "hashkey-mock.toml").write_text(text, encoding="utf-8")
    return folder


def _end(processes: Sequence[Process]) -> None:
    for each in processes:
        if each.process.poll() is None:
            os.kill(each.process.pid, signal.SIGCONT)
            each.process.kill()
        each.process.wait(PATIENCE_S)
