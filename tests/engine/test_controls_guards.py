"""Guards over the mocked venues: each takes off what rests, freezes with rule and reason, refuses to run again until a
person resumes, and then the plan goes on to its end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.osl import Osl
from adapters.venue import NewOrder, OrderRef, OrderReport, TimeInForce, Unknown, Venue
from executor.domain.events import ParentHalted, ParentResumed, ResumeAsked
from executor.domain.orders import ParentStatus
from executor.engine.tuning import Tuning
from executor.errors import GuardHalts, JournalFailed, Stopped
from executor.exit_codes import ExitCode
from executor.guards.market_watch import MarketWatch
from executor.guards.verdict import ALLOW
from executor.journal.sqlite import SqliteStore
from tests.engine.mocked import REST, Bent, Stage, dead, ended, plan, running
from tests.engine.rig import virtual

GUARDS = {
    "stale_after": 90,
    "unusable_for": 100,
    "disagreement_bps": "150",
    "fast_move_bps": "300",
    "fast_move_window": 300,
    "clock_offset": 30,
    "unknown_for": 150,
}
LONG = plan(REST | {"slices": 20}, duration="20m", guards=GUARDS)


@dataclass
class Case:
    """What goes wrong, what makes it right again, and the rule that must be named."""

    rule: str
    begin: Callable[[Stage], Any]
    end: Callable[[Stage], Any]
    words: str


def show(name: str, change: Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]) -> Callable[[Stage], None]:
    def begin(stage: Stage) -> None:
        book = stage.world.books[name]
        book.override(*change(*book.levels(20)))

    return begin


def heal(stage: Stage) -> None:
    for book in stage.world.books.values():
        book.override(None)
        book.thaw()


def dear(levels: list[Any]) -> list[Any]:
    return [(px + 3000, qty) for px, qty in levels]


CASES = {
    "stale": Case("book", lambda s: s.world.books["hashkey"].freeze(), heal, "hashkey cannot be traded on"),
    "empty": Case("book", show("osl", lambda bids, asks: ([], [])), heal, "empty: no bid"),
    "crossed": Case("book", show("osl", lambda bids, asks: (dear(bids), asks)), heal, "crossed: bid"),
    "disagreeing": Case("disagreement", show("hashkey", lambda b, a: (dear(b), dear(a))), heal, "bps apart"),
    "fast": Case("fast_move", lambda s: s.world.market.shock(-400.0), lambda s: None, "the mid moved"),
}


@pytest.mark.parametrize("name", list(CASES))
@virtual
async def test_a_guard_halts_and_only_a_person_lets_it_go_on(name: str, tmp_path: Path) -> None:
    """Guards the halt: frozen with rule and reason, nothing left on any book, exit code 6, no new run without a
    person's resume, and with it the plan completes to the last digit."""
    case, stage = CASES[name], Stage(tmp_path)
    run = stage.runner(LONG)
    async with running(run) as task:
        await stage.at(200)
        case.begin(stage)
        state, fault = await task
    assert isinstance(fault, GuardHalts)
    assert fault.exit_code is ExitCode.STOPPED
    (halted,) = stage.events(ParentHalted)
    assert (halted.rule, state.status) == (case.rule, ParentStatus.HALTED)
    assert case.words in halted.reason
    case.end(stage)
    await goes_on_after_resume(stage, run.parent_id)


async def goes_on_after_resume(stage: Stage, parent: str, qty: str = "1") -> None:
    """Nothing rests; a new run is refused without asking a venue; after the resume it completes."""
    assert not any(exchange.open_orders() for exchange in stage.world.exchanges.values())
    said = len(stage.sent)
    _, refused = await stage.ran(LONG)
    assert isinstance(refused, Stopped)
    assert "executor resume" in str(refused)
    assert len(stage.sent) == said
    await stage.act(parent, ResumeAsked(who="Wang", why="looked into"))
    state, fault = await stage.ran(LONG)
    assert fault is None
    assert [event.who for event in stage.events(ParentResumed)] == ["Wang"]
    stage.exact(state, qty)


@pytest.mark.parametrize("name", ["empty", "crossed"])
@virtual
async def test_a_venue_whose_book_is_no_price_sits_out_first(name: str, tmp_path: Path) -> None:
    """Guards the venue before the whole: until it has lasted, the other venue sells on and nothing goes to this one."""
    stage, asked = Stage(tmp_path), plan(guards=GUARDS | {"stale_after": 1, "unusable_for": 3600})
    async with running(stage.runner(asked)) as task:
        await stage.at(110)
        CASES[name].begin(stage)
        await stage.at(190)
        since = stage.clock.now()
        await stage.at(400)
        assert stage.orders("osl", since) == []
        assert stage.orders("hashkey", since) != []
        heal(stage)
        state, fault = await task
    assert fault is None
    stage.exact(state)


@virtual
async def test_without_the_watch_a_crossed_book_is_traded_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the watch lets every book pass, and orders go to the venue whose book is crossed."""
    stage = Stage(tmp_path)
    monkeypatch.setattr(MarketWatch, "look", lambda self, books, now: ({n: b for n, b in books.items() if b}, ALLOW))
    async with running(stage.runner(plan(guards=GUARDS))) as task:
        await stage.at(110)
        CASES["crossed"].begin(stage)
        since = stage.clock.now()
        await stage.at(400)
        assert stage.orders("osl", since) != []
        heal(stage)
        await task


def skewed(by: timedelta) -> Callable[[Venue], Venue]:
    """A venue whose clock is off, and which takes our signatures all the same."""

    def bend(venue: Venue) -> Venue:
        async def offset() -> timedelta:
            return by if venue.name == "osl" else timedelta(0)

        return Bent(venue, clock_offset=offset)

    return bend


@virtual
async def test_a_clock_that_is_off_halts_at_the_start_and_on_the_schedule(tmp_path: Path) -> None:
    """Guards the clock: measured before the first order and with every comparison."""
    stage = Stage(tmp_path)
    _, fault = await stage.ran(LONG, bend=skewed(timedelta(seconds=31)))
    assert isinstance(fault, GuardHalts)
    assert (fault.rule, stage.orders()) == ("clock", [])
    await goes_on_after_resume(stage, stage.runner(LONG).parent_id)
    later, drift = Stage(tmp_path / "later"), [timedelta(0)]

    def drifts(venue: Venue) -> Venue:
        async def offset() -> timedelta:
            return drift[0]

        return Bent(venue, clock_offset=offset)

    async with running(later.runner(LONG, bend=drifts)) as task:
        await later.clock.sleep_until(later.clock.now() + timedelta(seconds=60))
        drift[0] = timedelta(seconds=-40)
        _, fault = await task
    assert isinstance(fault, GuardHalts)
    assert fault.rule == "clock"
    assert not any(exchange.open_orders() for exchange in later.world.exchanges.values())


@virtual
async def test_an_outcome_unknown_for_too_long_halts(tmp_path: Path) -> None:
    """Guards against waiting for ever: an order that nobody can tell about is left for a person, and the parent order
    halts when that has lasted."""
    stage = Stage(tmp_path)

    def bend(venue: Venue) -> Venue:
        if venue.name != "osl":
            return venue
        lost = dead(venue, "place")
        return dead(lost, "query", "open_orders", "fills")

    tuning = Tuning(patience=timedelta(seconds=30), reconcile=timedelta(days=1))
    state, fault = await stage.ran(LONG, bend=bend, tuning=tuning)
    assert isinstance(fault, GuardHalts)
    assert fault.rule == "unknown"
    assert (state.status, state.exposure_qty > 0) == (ParentStatus.HALTED, True)


@virtual
async def test_what_nobody_foresaw_takes_off_what_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program ends the run, and nobody watches then: what rests is taken off, the order too whose answer
    was the odd one."""
    stage, place = Stage(tmp_path), Osl.place
    resting: list[OrderReport] = []

    async def fails(self: Osl, order: NewOrder) -> OrderReport:
        report = await place(self, order)
        if order.time_in_force is TimeInForce.GTC:
            resting.append(report)
            raise ZeroDivisionError("an odd answer")
        return report

    monkeypatch.setattr(Osl, "place", fails)
    with pytest.raises(ZeroDivisionError):
        await ended(stage.runner(LONG))
    assert len(resting) == 1
    assert not any(exchange.open_orders() for exchange in stage.world.exchanges.values())


@virtual
async def test_a_journal_that_fails_takes_off_what_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the record: when it cannot be written, nothing is sent, what rests is cancelled at every venue, and the
    next run goes on from what was durable."""
    stage, commit = Stage(tmp_path), SqliteStore.commit
    full: list[bool] = []

    def fails(self: SqliteStore, appends: Any) -> Any:
        if full:
            raise JournalFailed("disk full")
        return commit(self, appends)

    monkeypatch.setattr(SqliteStore, "commit", fails)
    async with running(stage.runner(LONG)) as task:
        await stage.at(95)
        assert any(exchange.open_orders() for exchange in stage.world.exchanges.values())
        full.append(True)
        since = stage.clock.now()
        _, fault = await task
    assert isinstance(fault, JournalFailed)
    assert stage.orders(since=since) == []
    assert not any(exchange.open_orders() for exchange in stage.world.exchanges.values())
    full.clear()
    state, fault = await stage.ran(LONG)
    assert fault is None
    stage.exact(state)


@virtual
async def test_a_resting_order_that_is_found_again_is_taken_off(tmp_path: Path) -> None:
    """Guards what rests after a lost answer: once found it is cancelled at once, not left on the book for its time."""
    stage, lost = Stage(tmp_path), []

    def bend(venue: Venue) -> Venue:
        async def place(order: Any) -> OrderReport:
            report = await venue.place(order)
            if order.post_only and not lost:
                lost.append(OrderRef(order.client_order_id, order.symbol))
                raise Unknown(venue.name, "no answer")
            return report

        return Bent(venue, place=place)

    asked = plan(REST, venues=["hashkey"])
    async with running(stage.runner(asked, bend=bend)) as task:
        await stage.at(300)
        (order,) = [o for o in stage.orders("hashkey") if o.client_id == lost[0].client_order_id]
        assert not order.status.live
        state, fault = await task
    assert fault is None
    stage.exact(state)
