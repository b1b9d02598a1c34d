"""`pause`, `resume`, `kill`, `resolve`, `explain`: what they refuse, what they record, what `status` shows of it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from executor.domain.events import (
    BreakFound,
    ChildIntended,
    ChildParked,
    ControlCleared,
    ControlSet,
    Event,
    ExplainAsked,
    ParentCreated,
    ParentHalted,
    ParentTaken,
    ResumeAsked,
    SettleAsked,
)
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.sqlite import SqliteStore
from tests.cli.commands import call, objects

D = Decimal
AT = datetime(2026, 3, 2, 1, tzinfo=UTC)
PARENT, CHILD = "abcdefghij", "abcdefghij-1"
BY = ("--who", "Li", "--why", "a reason")
FILL = ("--fill", "T1", "0.4", "100000", "1.5", "USD")

CREATED = ParentCreated(
    parent_id=PARENT,
    case_id="CASE-1",
    asset="BTC",
    quote_asset="USD",
    qty=D(1),
    floor_px=D(90000),
    venues=["osl"],
    legs=[{"kind": "twap", "qty": "1"}],
    starts_at=AT,
    ends_at=AT.replace(hour=2),
    seed=7,
    plan_hash="x",
    plan={},
)
INTENDED = ChildIntended(
    client_order_id=CHILD,
    number=1,
    leg=0,
    slice=1,
    venue="osl",
    method="book",
    symbol="BTCUSD",
    qty=D("0.5"),
    limit_px=D(99000),
    time_in_force="IOC",
    post_only=False,
    tops=[],
)
PARKED = ChildParked(client_order_id=CHILD, reason="no usable answer")
HALTED = ParentHalted(rule="fast_move", reason="the mid moved 600 bps")
BROKEN = BreakFound(venue="osl", name="balance", detail="exchange holds 1, expected 2")


def append(path: Path, stream: str, events: Sequence[Event]) -> None:
    async def write() -> None:
        journal = Journal(SqliteStore(path), threaded=False)
        await journal.append(
            [Line(stream=stream, version=n, case_id="CASE-1", at=AT, event=e) for n, e in enumerate(events, 1)]  # type: ignore[arg-type]
        )
        await journal.aclose()

    asyncio.run(write())


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A halted parent order with one parked order and one unexplained break."""
    path = tmp_path / "journal.sqlite"
    append(path, f"parent/{PARENT}", [CREATED, ParentTaken(epoch=1, owner="x"), INTENDED, PARKED, BROKEN, HALTED])
    return path


def acts(path: Path, stream: str) -> list[Event]:
    """What people have asked for, by the journal."""
    store = SqliteStore(path)
    journal = Journal(store, threaded=False)
    found = [line.event for line in journal.read(stream)]
    store.close()
    return found


def run(record: Path, *arguments: str) -> tuple[int, str]:
    done = call(*arguments, "--journal", record)
    return done.returncode, done.stdout + done.stderr


SCOPES = ("all", "case/CASE-1", "venue/osl", f"parent/{PARENT}")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_hold_is_recorded_shown_and_cleared(scope: str, record: Path) -> None:
    """Guards who and why: the control stream has both acts, `status` shows the hold while it is in force."""
    assert run(record, "pause", scope, "--resting", "keep", *BY) == (0, f"paused {scope}; resting orders: keep\n")
    assert run(record, "kill", scope, *BY)[0] == 0
    seen = objects(call("status", "--json", "--journal", record).stdout)
    assert {key: seen[0][key] for key in ("hold", "action", "who", "why")} == {
        "hold": scope,
        "action": "kill",
        "who": "Li",
        "why": "a reason",
    }
    assert seen[0]["at"]
    assert f"kill on {scope} by Li: a reason" in call("status", "--journal", record).stderr
    assert run(record, "resume", scope, "--who", "Wang", "--why", "over")[0] == 0
    assert "hold" not in objects(call("status", "--json", "--journal", record).stdout)[0]
    paused, killed, cleared = acts(record, "control")
    assert paused == ControlSet(scope=scope, action="pause", cancel=False, who="Li", why="a reason")
    assert killed == ControlSet(scope=scope, action="kill", cancel=True, who="Li", why="a reason")
    assert cleared == ControlCleared(scope=scope, who="Wang", why="over")


def test_status_shows_halt_parked_orders_and_breaks(record: Path) -> None:
    """Guards what the operator sees: the rule, the reason, what waits for a person."""
    (row,) = objects(call("status", "--json", "--journal", record).stdout)
    assert (row["status"], row["rule"], row["reason"]) == ("halted", "fast_move", "the mid moved 600 bps")
    assert (row["parked"], row["exposed"]) == ([CHILD], "0.5")
    assert row["breaks"] == ["osl: balance: exchange holds 1, expected 2"]


def test_resume_of_a_halt_asks_the_next_run_for_it(record: Path) -> None:
    """Guards the resume: it is an act with a name, in a stream of its own."""
    assert run(record, "resume", f"parent/{PARENT}", *BY)[0] == 0
    assert acts(record, f"acts/{PARENT}") == [ResumeAsked(who="Li", why="a reason")]


def test_resolve_and_explain_are_recorded_as_acts(record: Path) -> None:
    """Guards the settlement by a person: amounts exact, notional computed, one act each."""
    assert run(record, "resolve", CHILD, *FILL, *BY)[0] == 0
    assert run(record, "explain", PARENT, "osl", "balance", *BY)[0] == 0
    settled, explained = acts(record, f"acts/{PARENT}")
    assert isinstance(settled, SettleAsked)
    (fill,) = settled.fills
    assert (fill.trade_id, fill.qty, fill.px, fill.notional, fill.fee) == (
        "T1",
        D("0.4"),
        D(100000),
        D(40000),
        D("1.5"),
    )
    assert explained == ExplainAsked(venue="osl", name="balance", who="Li", why="a reason")


USAGE = {
    "a scope that is none": ("pause", "everything", "--resting", "keep", *BY),
    "an empty scope": ("kill", "venue/", *BY),
    "no word on resting orders": ("pause", "all", *BY),
    "nobody's name": ("kill", "all", "--why", "a reason"),
    "no reason": ("resume", "all", "--who", "Li"),
    "an unknown parent": ("explain", "nobody", "osl", "balance", *BY),
    "an unknown halted parent": ("resume", "parent/nobody", *BY),
    "neither fills nor absence": ("resolve", CHILD, *BY),
    "fills and absence": ("resolve", CHILD, *FILL, "--absent", *BY),
    "an amount that is none": ("resolve", CHILD, "--fill", "T1", "many", "1", "0", "USD", *BY),
    "a quantity of zero": ("resolve", CHILD, "--fill", "T1", "0", "1", "0", "USD", *BY),
    "a negative fee": ("resolve", CHILD, "--fill", "T1", "1", "1", "-1", "USD", *BY),
}
REFUSED = {
    "nothing to resume": ("resume", "all", *BY),
    "a break that is not there": ("explain", PARENT, "osl", "foreign_order", *BY),
    "an order that is not there": ("resolve", f"{PARENT}-9", "--absent", *BY),
    "more than the order has left": ("resolve", CHILD, "--fill", "T1", "0.6", "100000", "0", "USD", *BY),
    "under the order's limit": ("resolve", CHILD, "--fill", "T1", "0.4", "98999", "0", "USD", *BY),
    "one trade twice": ("resolve", CHILD, *FILL[:2], "0.1", *FILL[3:], *FILL[:2], "0.1", *FILL[3:], *BY),
}


@pytest.mark.parametrize(
    ("code", "arguments"),
    [*((2, each) for each in USAGE.values()), *((5, each) for each in REFUSED.values())],
    ids=[*USAGE, *REFUSED],
)
def test_what_does_not_fit_is_refused_and_leaves_no_trace(code: int, arguments: tuple[str, ...], record: Path) -> None:
    """Guards input: 2 for a command that is wrong, 5 for one that does not fit; nothing is written either way."""
    status, said = run(record, *arguments)
    assert status == code
    assert said
    assert acts(record, f"acts/{PARENT}") == acts(record, "control") == []


def test_an_order_that_is_still_asked_about_is_not_for_a_person(tmp_path: Path) -> None:
    """Guards the settlement: only a parked order may be settled; a run still asks about an unknown one and would find
    its fills a second time."""
    path = tmp_path / "journal.sqlite"
    append(path, f"parent/{PARENT}", [CREATED, ParentTaken(epoch=1, owner="x"), INTENDED])
    status, said = run(path, "resolve", CHILD, "--absent", *BY)
    assert (status, "not parked" in said) == (5, True)


def test_a_mistyped_journal_is_refused_and_not_made(tmp_path: Path) -> None:
    """Guards the record: a person's act belongs into an existing one."""
    status, _ = run(tmp_path / "nowhere.sqlite", "kill", "all", *BY)
    assert status == 2
    assert not (tmp_path / "nowhere.sqlite").exists()


@pytest.mark.parametrize("command", ["pause", "resume", "kill", "resolve", "explain"])
def test_help_says_what_it_does(command: str) -> None:
    """Guards the help: every command explains itself and its options."""
    done = call(command, "--help")
    assert done.returncode == 0
    assert "--who" in done.stdout
    assert len(done.stdout.splitlines()) > 6
