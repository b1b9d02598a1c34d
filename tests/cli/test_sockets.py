"""Two real processes over sockets, on the wall clock: mocked venues and the command that sells on them.

The run is stopped, and killed, in the middle. Whatever happens, what was sold is what the venues' own books say, it is
never more than the plan's quantity, and the same command goes on where the record ends.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from tests.cli.commands import ROOT, Table, environment, execute, objects, otc, plan, twap, write_mandate
from tests.cli.processes import CALM, mock_venues, watched

QTY = Decimal("0.3")
CREDITED = Decimal("600")


SLICES: Table = {"slices": 4, "style": "rest_then_cross", "rest_for": "1s", "catch_up": "3"}
# Four slices in a quarter of a minute, with two clips by quote or without.
BOTH = plan(twap("0.2", **SLICES), otc("0.1", clip="0.05"), qty="0.3", floor_px="80000", duration="16s")
HASHKEY = plan(twap("0.3", **SLICES), qty="0.3", floor_px="80000", duration="16s", venues=["hashkey"])


class Sale:
    """One mandate, its journal, and the venues on which it is sold."""

    def __init__(self, folder: Path, mandate: Path, env: dict[str, str]) -> None:
        self.mandate = mandate
        self.journal = folder / "journal.sqlite"
        self.env = env

    @property
    def command(self) -> tuple[object, ...]:
        return ("run", self.mandate, "--on", "mock", "--rehearse", "--journal", self.journal, "--json")

    def fills(self) -> list[Table]:
        """Every execution in the record."""
        return objects(execute("fills", "--journal", self.journal, "--json").stdout)

    def sold(self) -> Decimal:
        """What the record says."""
        return sum((Decimal(fill["qty"]) for fill in self.fills()), Decimal(0))

    def venues(self) -> list[Table]:
        """What the venues' own books say."""
        done = execute("venues", "check", "osl", "hashkey", "--on", "mock", "--json", env=self.env)
        assert done.returncode == 0, done.stderr
        return objects(done.stdout)

    def agree(self) -> None:
        """The venues' books and the record say the same, in coins and in money, and nothing rests any more."""
        purses = [purse for venue in self.venues() for purse in venue["purses"]]
        assert {purse["locked"] for purse in purses} == {"0"}
        coins = sum(Decimal(purse["free"]) for purse in purses if purse["asset"] == "BTC")
        cash = sum(Decimal(purse["free"]) for purse in purses if purse["asset"] == "USD")
        fills = self.fills()
        assert CREDITED - coins == self.sold()
        assert cash == sum(Decimal(fill["notional"]) - Decimal(fill["fee"]) for fill in fills)
        assert len({(fill["venue"], fill["trade_id"]) for fill in fills}) == len(fills)


def says(kind: str) -> Callable[[str], bool]:
    """Recognises the line of an event."""
    return lambda line: f'"kind":"{kind}"' in line


def is_completed(summary: Table) -> bool:
    return bool(summary["status"] == "completed" and Decimal(summary["sold"]) == QTY)


def test_a_run_is_stopped_by_ctrl_c_and_completed_by_the_same_command(tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, BOTH)
    with mock_venues(tmp_path, mandate, CALM) as (_, env):
        deal = Sale(tmp_path, mandate, env)
        with watched(*deal.command, env=env) as first:
            first.until(says("FillRecorded"))
            first.until(says("ChildAcknowledged"))
            first.signal(signal.SIGINT)
            assert first.end() == ExitCode.INTERRUPTED, first.error_text
        summary = json.loads(first.said[-1])
        assert (summary["kind"], summary["status"]) == ("summary", "stopped")
        assert "cancelling what rests" in first.error_text
        assert "run the same command to go on" in first.error_text
        half = deal.sold()
        assert Decimal(0) < half < QTY
        deal.agree()
        with watched(*deal.command, env=env) as second:
            assert second.end() == ExitCode.OK, second.error_text
        assert is_completed(json.loads(second.said[-1]))
        assert deal.sold() == QTY
        deal.agree()
        assert execute(*deal.command, env=env).returncode == ExitCode.OK  # once more: nothing left to do
        assert deal.sold() == QTY


# After the intent it is not known whether the order was sent: HashKey is asked, and refuses the id if it knows it.
@pytest.mark.parametrize(("moment", "table"), [("ChildAcknowledged", BOTH), ("ChildIntended", HASHKEY)])
def test_a_run_that_is_killed_is_completed_or_parked_and_never_oversold(
    tmp_path: Path, moment: str, table: Table
) -> None:
    mandate = write_mandate(tmp_path, table)
    with mock_venues(tmp_path, mandate) as (_, env):
        deal = Sale(tmp_path, mandate, env)
        with watched(*deal.command, env=env) as first:
            first.until(says("FillRecorded"))
            first.until(says(moment))
            first.signal(signal.SIGKILL)
            assert first.end() == -signal.SIGKILL
        with watched(*deal.command, env=env) as second:
            code = second.end()
        summary = json.loads(second.said[-1])
        assert deal.sold() == Decimal(summary["sold"]) <= QTY
        deal.agree()
        if code != ExitCode.OK:
            assert code in (ExitCode.REFUSED, ExitCode.STOPPED), second.error_text
            assert summary["reason"]
        else:
            assert is_completed(summary)


RESTING: Table = {"slices": 2, "style": "rest_then_cross", "rest_for": "6s", "catch_up": "3"}


def test_kill_cancels_at_the_venues_while_the_run_hangs_and_only_a_person_lets_it_go_on(tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, plan(twap("0.3", **RESTING), qty="0.3", floor_px="80000", duration="20s"))
    by = ("--who", "Li Wei", "--why", "a test", "--journal", tmp_path / "journal.sqlite")
    with mock_venues(tmp_path, mandate, CALM) as (_, env):
        deal = Sale(tmp_path, mandate, env)
        with watched(*deal.command, env=env) as run:
            run.until(says("ChildAcknowledged"))
            run.signal(signal.SIGSTOP)
            killed = execute("kill", "all", "--on", "mock", *by, env=env)
            assert killed.returncode == ExitCode.OK, killed.stderr
            assert "cancellation sent" in killed.stdout
            assert {purse["locked"] for venue in deal.venues() for purse in venue["purses"]} == {"0"}
            before = intents(deal)
            run.signal(signal.SIGCONT)
            assert run.end() == ExitCode.STOPPED, run.error_text
        assert intents(deal) == before
        assert execute(*deal.command, env=env).returncode == ExitCode.STOPPED
        assert intents(deal) == before
        assert execute("resume", "all", *by).returncode == ExitCode.OK
        with watched(*deal.command, env=env) as again:
            code = again.end()
        assert code == ExitCode.OK or "window over" in again.error_text, again.error_text
        assert deal.sold() == Decimal(json.loads(again.said[-1])["sold"]) <= QTY
        deal.agree()


FULL = (
    "import executor.journal.sqlite as s\n"
    "from executor.errors import JournalFailed\n"
    "def fails(*_): raise JournalFailed('the journal cannot be written: disk full')\n"
    "s.SqliteStore.commit = fails\n"
    "from executor.cli.main import main; main()"
)


def test_a_kill_cancels_at_the_venues_when_the_journal_cannot_be_written(tmp_path: Path) -> None:
    mandate = write_mandate(tmp_path, plan(twap("0.3", **RESTING), qty="0.3", floor_px="80000", duration="20s"))
    by = ("--who", "Li Wei", "--why", "a test", "--journal", str(tmp_path / "journal.sqlite"))
    with mock_venues(tmp_path, mandate, CALM) as (_, env):
        deal = Sale(tmp_path, mandate, env)
        with watched(*deal.command, env=env) as run:
            run.until(says("ChildAcknowledged"))
            run.signal(signal.SIGKILL)
            run.end()
        killed = subprocess.run(
            [sys.executable, "-c", FULL, "kill", "all", "--on", "mock", *by],
            cwd=ROOT, env=environment(env), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert killed.returncode == ExitCode.ERROR
        assert "the hold is NOT in force (the journal cannot be written: disk full)" in killed.stderr
        assert "What the record knows to rest was cancelled" in killed.stderr
        assert {purse["locked"] for venue in deal.venues() for purse in venue["purses"]} == {"0"}


def intents(deal: Sale) -> list[str]:
    """The child orders in the record."""
    return [
        order["client_order_id"] for order in objects(execute("orders", "--journal", deal.journal, "--json").stdout)
    ]
