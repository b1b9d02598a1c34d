"""The deposit's cover in a run: what it does not cover is not begun, a rise is told and halts the sale."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from adapters.clock import LoopClock
from adapters.venue import Book, Level
from executor.domain.acts import ResumeAsked
from executor.domain.books import cover_facts
from executor.domain.case import HoldingState
from executor.domain.case_events import HoldingMoved
from executor.domain.events import CoverCrossed, ParentHalted
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.orders import ParentStatus
from executor.domain.plan import Deposit, Mandate, Plan
from executor.engine.approval import case_stream, load_case
from executor.engine.cover import CoverRule
from executor.engine.holdings import CaseCoins, sold_from_case
from executor.engine.runner import Runner
from executor.errors import ExecutorError, GuardHalts, RuleRefused, Stopped
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.settlement.acts import read_books
from tests.approved import approve, write
from tests.domain.test_cover import TERMS
from tests.engine.rig import OTC, START, TWAP, MemoryStore, mandate, plan, virtual
from tests.engine.scripted_venue import D, ScriptedVenue

WILD = {"fast_move_bps": "5000"}  # the price may run here: that guard is not what is tested


class Moving(ScriptedVenue):
    """Quotes 100000 until it is told otherwise."""

    px = D(100_000)

    async def book(self, symbol: str) -> Book:
        still = await super().book(symbol)
        if self.px == D(100_000):
            return still
        size = D(self.reads)
        return Book(symbol, (Level(self.px, size),), (Level(self.px + 10, size),), self.clock.now())


@dataclass
class Ended:
    """How a run ended, and what it made durable."""

    runner: Runner
    fault: ExecutorError | None
    lines: list[Line] = field(default_factory=list)

    def told(self) -> list[Decimal | None]:
        return [line.event.below for line in self.lines if isinstance(line.event, CoverCrossed)]


def case(deposit: str, held: str, case_id: str = "CASE-1", currency: str = "USD") -> Mandate:
    paid = Deposit(amount=D(deposit), currency=currency, form="cash")
    return mandate(held).model_copy(update={"deposit": paid, "case_id": case_id})


def covered(leg: dict[str, Any] = TWAP, **changes: Any) -> Plan:
    return plan(leg, guards=WILD, cover=TERMS | changes)


async def sold(
    alpha: ScriptedVenue, asked: Plan, deposit: str = "111000", held: str = "1", store: MemoryStore | None = None
) -> Ended:
    """A run on the coins of a case with this deposit."""
    entrusted, store, lines = case(deposit, held), store or MemoryStore(), list[Line]()
    approve(store, entrusted, asked, START)
    journal = Journal(store, threaded=False)
    digest = plan_hash(frozen_plan(entrusted.case_id, asked.model_dump(mode="json")))
    coins = CaseCoins(journal, entrusted.case_id, asked, digest, alpha.clock)
    one = Runner(entrusted, asked, [alpha], journal, alpha.clock, observer=lines.append, reserve=coins.reserve)
    try:
        await sold_from_case(one, coins)
    except ExecutorError as error:
        return Ended(one, error, lines)
    return Ended(one, None, lines)


def venue() -> Moving:
    return Moving(LoopClock(START), free="5")


def reserved(store: MemoryStore) -> Decimal:
    return load_case(Journal(store, threaded=False), "CASE-1").holdings["BTC"][HoldingState.RESERVED]


@pytest.mark.parametrize("coins", ["all", "reserved"])
@pytest.mark.parametrize("leg", [TWAP, OTC], ids=["book", "quotes"])
@virtual
async def test_what_the_deposit_covers_is_sold(leg: dict[str, Any], coins: str) -> None:
    """Coins become proceeds on their way: selling frees nothing, and takes nothing, beyond the price that it got."""
    alpha, store = venue(), MemoryStore()
    end = await sold(alpha, covered(leg, coins=coins), store=store)
    assert (end.fault, alpha.sold, end.told()) == (None, D(1), [])
    facts = cover_facts(read_books(Journal(store, threaded=False), "CASE-1").ledger)
    assert (facts.coins, facts.reserved) == ({}, {})
    assert facts.proceeds["USD"] == end.runner.state.total.notional - sum(end.runner.state.total.fees.values())


@virtual
async def test_a_batch_beyond_the_deposit_is_refused_with_the_quantity_that_is_covered() -> None:
    """100 coins are held; a deposit of 220011 covers 2 at 110 % and 100005. Three at once are refused, two are not."""
    store = MemoryStore()
    terms = {"coins": "reserved"}
    end = await sold(venue(), covered(TWAP | {"qty": "3"}, **terms), "220011", "100", store)
    assert isinstance(end.fault, RuleRefused)
    assert "the deposit covers 2 BTC at 110 %" in str(end.fault)
    assert (end.lines, reserved(store)) == ([], 0)
    alpha = venue()
    assert (await sold(alpha, covered(TWAP | {"qty": "2"}, **terms), "220011", "100", store)).fault is None
    assert alpha.sold == D(2)


@virtual
async def test_what_is_on_its_way_is_not_covered_twice() -> None:
    """The batch that was sold is money on its way: until it is delivered there is no cover for another batch."""
    store, terms = MemoryStore(), {"coins": "reserved"}
    one, two = covered(TWAP | {"qty": "2"}, **terms), covered(TWAP | {"qty": "0.5"}, **terms)
    assert (await sold(venue(), one, "220011", "100", store)).fault is None
    end = await sold(venue(), two, "220011", "100", store)
    assert isinstance(end.fault, RuleRefused)
    assert "the deposit covers 0.0" in str(end.fault)


@virtual
async def test_with_all_coins_counted_a_deposit_for_some_covers_no_batch() -> None:
    end = await sold(venue(), covered(), "220011", "100")
    assert isinstance(end.fault, RuleRefused)
    assert "covers 2 BTC at 110 %, and all coins of the case is 100 BTC" in str(end.fault)


async def rising(deposit: str = "111000") -> tuple[Moving, Ended]:
    """The price rises by 12 % after the first of two orders; under 105 % the sale is halted."""
    alpha = venue()

    def rise(_order: object) -> None:
        alpha.px = D(112_000)

    alpha.on_place = rise
    return alpha, await sold(alpha, covered(halt_percent="105"), deposit)


@virtual
async def test_a_rise_is_told_at_each_level_and_halts() -> None:
    """Guards the halt: half is money on its way, half has risen; at 104.7 % nothing more is intended."""
    alpha, end = await rising()
    assert isinstance(end.fault, GuardHalts)
    assert (alpha.sold, end.told()) == (D("0.5"), [D(110), D(105)])
    assert end.runner.state.cover is not None
    assert end.runner.state.cover.percent == D("104.76")


@virtual
async def test_twelve_percent_cross_all_levels_at_once() -> None:
    """Without an order in between: the watch sees it, each level is told once, a person lets it go on in vain."""
    alpha, store = venue(), MemoryStore()
    asked = covered(TWAP | {"slices": 2})

    async def books_rise(symbol: str) -> Book:
        if alpha.reads > 1:
            alpha.px = D(113_000)
        return await Moving.book(alpha, symbol)

    alpha.book = books_rise  # type: ignore[method-assign]
    end = await sold(alpha, asked, store=store)
    assert isinstance(end.fault, GuardHalts)
    assert (alpha.sold, end.told()) == (D(0), [D(110), D(105), D(100)])
    (halted,) = [line.event for line in end.lines if isinstance(line.event, ParentHalted)]
    assert halted.rule == "cover"
    assert "98.22 %: 111000 USD against 113005 USD at a mark of 113005" in halted.reason
    again = await sold(alpha, asked, store=store)
    assert isinstance(again.fault, Stopped)  # only a person lets it go on
    act = ResumeAsked(who="ch", why="the institution has promised more")
    write(store, f"acts/{end.runner.parent_id}", "CASE-1", [act], START)  # type: ignore[list-item]
    once_more = await sold(alpha, asked, store=store)
    assert isinstance(once_more.fault, GuardHalts)
    assert (alpha.sold, once_more.told()) == (D(0), [])  # nothing new was crossed
    assert once_more.runner.state.status is ParentStatus.HALTED


@virtual
async def test_without_the_rule_the_sale_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the two above."""
    monkeypatch.setattr(CoverRule, "check", lambda self, state, now: None)
    monkeypatch.setattr(CoverRule, "uncovered", lambda self, now: "")
    alpha, end = await rising("1000")
    assert (end.fault, alpha.sold) == (None, D(1))


@virtual
async def test_a_deposit_without_terms_sells_nothing() -> None:
    """Not even a plan that two people have approved: there is no silent default."""
    end = await sold(venue(), plan())
    assert isinstance(end.fault, RuleRefused)
    assert "does not say what it must cover" in str(end.fault)


@virtual
async def test_another_parent_orders_coins_and_proceeds_count_too() -> None:
    """Coins that another plan of the case has reserved take from the cover of this one."""
    store, terms = MemoryStore(), {"coins": "reserved"}
    other = covered(TWAP | {"qty": "1.5"}, **terms)
    entrusted = case("220011", "100")
    approve(store, entrusted, other, START)
    digest = plan_hash(frozen_plan("CASE-1", other.model_dump(mode="json")))
    move = HoldingMoved(
        asset="BTC", qty=D("1.5"), from_state="credited", to_state="reserved", evidence={"plan": digest}, who="executor"
    )
    write(store, case_stream("CASE-1"), "CASE-1", [move], START)
    end = await sold(venue(), covered(**terms), "220011", "100", store)
    assert isinstance(end.fault, RuleRefused)
    assert "the deposit covers 2 BTC" in str(end.fault)
    assert "this plan included is 2.5 BTC" in str(end.fault)
