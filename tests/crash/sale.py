"""A small, fast sale over real sockets, and what must hold of it however often its process was ended.

The mocked venues stay up while `executor run` is killed and started again. At the end their own books are read with
the adapters and laid beside the journal: the two must say the same, to the last digit.
"""

import asyncio
import json
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from adapters.clock import SystemClock
from adapters.venue import OrderRef, Venue
from config.settings import Settings
from executor.cli.compose import connected
from executor.domain.orders import ChildStatus, ParentStatus
from executor.domain.parent import Parent
from executor.exit_codes import ExitCode
from executor.journal.line import decode
from executor.journal.sqlite import SqliteStore
from tests.cli.commands import PROGRAM, ROOT, Table, environment, otc, plan, twap, write_mandate
from tests.cli.processes import CALM, mock_venues

VENUES = ("osl", "hashkey")
QTY = Decimal("0.1")
CREDITED = Decimal("600")
RESTARTS = 4
PATIENCE_S = 120

# The venues' patience with orders that cannot be found, and the rates at which they may be asked, cut to seconds.
_QUICK = {
    "osl-mock": 'quiet_period = "PT1.5S"\nlooks = 2\nrequests_per_second = "30"\n',
    "hashkey-mock": 'quiet_period = "PT1.5S"\nlooks = 2\nqueries_per_second = "50"\n',
}


def small_plan() -> Table:
    """A slice that rests and then crosses, slices that cross at a book of their own, and a clip by quote."""
    return plan(
        twap("0.04", slices=1, style="rest_then_cross", rest_for="1s", catch_up="3"),
        twap("0.04", slices=2, catch_up="3", venues=["hashkey"]),
        otc("0.02", clip="0.02", pause="1s"),
        qty=str(QTY),
        floor_px="80000",
        duration="40s",  # far longer than an undisturbed machine needs: a busy one must still find room to sell
    )


@dataclass
class Ended:
    """How one process ended: its exit code (negative: the signal), what it printed, and what it told people."""

    code: int
    lines: list[str]
    errors: str


@dataclass
class Sale:
    """One mandate, its journal, and the venues on which it is sold."""

    mandate: Path
    journal: Path
    env: Mapping[str, str]
    runs: list[Ended] = field(default_factory=list)

    @property
    def command(self) -> list[str]:
        return ["run", str(self.mandate), "--on", "mock", "--rehearse", "--journal", str(self.journal), "--json"]

    def prepare_journal(self) -> None:
        """Make an empty journal, so that opening it writes nothing."""
        SqliteStore(self.journal).close()

    def run(self, wrapper: Sequence[str] = ()) -> Ended:
        """The command, once, to its end. Whole lines only: a line that was cut off was not told to anybody."""
        done = subprocess.run(
            [*wrapper, *PROGRAM, *self.command],
            cwd=ROOT,
            env=environment(self.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return self.ended(done.returncode, done.stdout, done.stderr)

    def ended(self, code: int, out: str, errors: str) -> Ended:
        """Remember how a process ended."""
        lines = [line.rstrip("\n") for line in out.splitlines(keepends=True) if line.endswith("\n")]
        self.runs.append(Ended(code, lines, errors))
        return self.runs[-1]

    def finish(self) -> Ended:
        """The same command again until it says that it is done, or that a person must look."""
        for _ in range(RESTARTS):
            last = self.run()
            if last.code in (ExitCode.OK, ExitCode.STOPPED, ExitCode.REFUSED):
                return last
        raise AssertionError(f"not done after {RESTARTS} starts: {last.code} {last.errors[-2000:]}")

    # --- the record ---------------------------------------------------------------------------------------------

    def record(self) -> list[str]:
        """Every line of the events table."""
        db = sqlite3.connect(self.journal)
        try:
            return [line for (line,) in db.execute("SELECT line FROM events ORDER BY seq")]
        finally:
            db.close()

    def state(self) -> Parent:
        """The parent order, folded from the record."""
        state = Parent()
        for text in self.record():
            line = decode(text)
            if line.stream.startswith("parent/"):
                state.apply(line.event, line.at)
        return state

    # --- what must hold -----------------------------------------------------------------------------------------

    def check(self) -> Parent:
        """Everything that must hold at the end. Returns the folded state."""
        state = self.state()
        self._nothing_acknowledged_is_lost()
        _complete_or_parked(state)
        asyncio.run(self._venues_agree(state))
        return state

    def _nothing_acknowledged_is_lost(self) -> None:
        record = set(self.record())
        for run in self.runs:
            events = [line for line in run.lines if json.loads(line).get("kind") != "summary"]
            lost = [line for line in events if line not in record]
            assert not lost, f"printed, but not in the record: {lost[:3]}"

    async def _venues_agree(self, state: Parent) -> None:
        """The venues' own books: nothing rests, and coins, money and executions are those of the record."""
        async with self._connected() as venues:
            coins = cash = Decimal(0)
            for venue in venues.values():
                assert await venue.open_orders(venue.symbol("BTC", "USD")) == []
                for purse in await venue.balances():
                    assert purse.locked == 0
                    coins += purse.free if purse.asset == "BTC" else 0
                    cash += purse.free if purse.asset == "USD" else 0
            assert CREDITED - coins == state.cum_qty <= QTY
            assert cash == state.total.notional - sum(state.total.fees.values(), Decimal(0))
            for child in state.children.values():
                if child.method == "book":  # what was sold by quote is in the purses
                    told = await venues[child.venue].fills(OrderRef(child.client_order_id, child.symbol, ""))
                    assert {fill.trade_id for fill in told} == child.trade_ids
                    assert sum((fill.qty for fill in told), Decimal(0)) == child.cum_qty

    async def resting(self) -> list[str]:
        """The orders that the venues would still fill."""
        async with self._connected() as venues:
            found = [await venue.open_orders(venue.symbol("BTC", "USD")) for venue in venues.values()]
        return [report.client_order_id for reports in found for report in reports]

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[dict[str, Venue]]:
        settings = Settings(venues_dir=Path(self.env["EXECUTOR_VENUES_DIR"]))
        venues = {venue.name: venue for venue in connected(settings, list(VENUES), "mock", SystemClock())}
        try:
            for venue in venues.values():
                await venue.start()
            yield venues
        finally:
            for venue in venues.values():
                await venue.aclose()


def _complete_or_parked(state: Parent) -> None:
    """All is sold, or what is not is parked with a reason."""
    if state.created is None:
        raise AssertionError("the parent order is not in the record")
    trades = [(child.venue, trade) for child in state.children.values() for trade in child.trade_ids]
    assert len(trades) == len(set(trades))
    left = state.spec.qty - state.cum_qty
    parked = [child for child in state.open.values() if child.status is ChildStatus.PARKED]
    assert len(parked) == len(state.open)
    assert all(child.outcome for child in parked)
    if left == 0:
        assert state.status is ParentStatus.COMPLETED
        return
    kept = sum((child.qty - child.cum_qty for child in parked), Decimal(0))
    assert kept == left, f"{left} not sold, {kept} parked: {state.status} {state.status_rule} {state.status_reason}"


@contextmanager
def sale(folder: Path, plan_table: Table | None = None) -> Iterator[Sale]:
    """A sale with its venues up, on ports of its own."""
    mandate = write_mandate(folder, plan_table or small_plan())
    with mock_venues(folder, mandate, CALM, _QUICK) as (_, env):
        yield Sale(mandate, folder / "journal.sqlite", env)
