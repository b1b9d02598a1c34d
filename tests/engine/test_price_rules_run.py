"""Price rules in a run: they bind every order, what they forbid is waited for and told, and the gate asks them again
where the intent is written."""

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.candles import Candle
from adapters.clock import LoopClock
from adapters.venue import Book, Instrument, Level
from executor.domain.case_events import BenchmarkRecorded, FloorRaised
from executor.domain.events import ParentWaiting, QuotesAsked, WaitEscalated
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.orders import ParentStatus
from executor.domain.plan import Affiliate
from executor.domain.signing import floor_message, public_hex, sign
from executor.engine import legs
from executor.engine.approval import case_stream
from executor.engine.gate import Gate
from executor.engine.prices import Prices
from executor.market.benchmark import BenchmarkRecord, compute
from executor.market.candles import CandleFile
from executor.strategy.route import Offer
from tests.approved import approve, write
from tests.engine import rig
from tests.engine.rig import OTC, START, TWAP, MemoryStore, Ran, exact, mandate, plan, ran, virtual
from tests.engine.scripted_venue import D, ScriptedVenue
from tests.market.recorded import params

TELL = {"tell": ["operator Li"], "escalate_to": ["risk Wang"], "escalate_after": "4m"}


def fixed(px: str, **changes: Any) -> dict[str, Any]:
    rule = {"kind": "fixed", "name": "reserve", "px": px, "currency": "USD", "scope": "per_fill"}
    return rule | {"compare": "before_fees"} | changes


def band(around: str = "venue_mid", percent: str = "1") -> dict[str, Any]:
    return {"kind": "band", "name": "band", "around": around, "percent": percent}


def venue(name: str = "alpha", **changes: Any) -> ScriptedVenue:
    return ScriptedVenue(LoopClock(START), name, free="5", **changes)


def waits(end: Ran) -> list[tuple[str, list[str]]]:
    return [(event.rule, event.told) for event in end.events(ParentWaiting)]


@virtual
async def test_a_reserve_price_over_the_floor_binds_every_order() -> None:
    """The book shows 2 coins at 100000 and more at 99990: of the 3 to sell only those at or over the price go."""
    alpha = venue()
    end = await ran(alpha, asked=plan(TWAP | {"qty": "3"}, price_rules=[fixed("99995")]))
    assert all(intent.limit_px >= D(99_995) for intent in end.intents)
    assert all(fill.px >= D(99_995) for fill in alpha.fills_made)


@virtual
async def test_under_the_price_nothing_is_sold_the_wait_is_told_and_escalates_once() -> None:
    alpha = venue()
    end = await ran(alpha, asked=plan(price_rules=[fixed("100001")], waiting=TELL))
    assert alpha.wire == []
    assert end.state.status is ParentStatus.ENDED
    assert waits(end) == [("floor", ["operator Li"])]
    assert "by rule reserve: the reserve price 100001" in end.events(ParentWaiting)[0].reason
    (escalated,) = end.events(WaitEscalated)
    assert escalated.told == ["operator Li", "risk Wang"]
    assert escalated.since == START


@virtual
async def test_a_price_that_comes_back_ends_the_wait_without_escalation() -> None:
    alpha = venue()
    alpha.bids = [(D(99_000), D(50))]

    def back() -> None:
        if alpha.clock.now() >= START + timedelta(minutes=2):
            alpha.bids = [(D(100_000), D(50))]

    book = alpha.book

    async def looked(symbol: str) -> Any:
        back()
        return await book(symbol)

    alpha.book = looked  # type: ignore[method-assign]
    end = await ran(alpha, asked=plan(TWAP | {"slices": 10}, price_rules=[fixed("99500")], waiting=TELL))
    exact(end.state, alpha)
    assert end.events(WaitEscalated) == []


@virtual
async def test_the_strictest_of_several_rules_binds() -> None:
    alpha = venue()
    rules = [fixed("95000"), fixed("100001", name="court"), band()]
    end = await ran(alpha, asked=plan(price_rules=rules))
    assert alpha.wire == []
    assert "by rule court" in end.events(ParentWaiting)[0].reason


@virtual
async def test_after_fees_the_price_is_higher_by_the_fee() -> None:
    """The venue takes up to a tenth of a percent: 99950 after fees is more than 100000 before."""
    alpha = venue()
    end = await ran(alpha, asked=plan(price_rules=[fixed("99950", compare="after_fees")]))
    assert alpha.wire == []
    assert waits(end)[0][0] == "floor"


@virtual
async def test_the_average_of_the_sale_may_be_at_the_price_while_single_fills_are_under_it() -> None:
    """Half at 100000 leaves room for the other half at 99500, and not at less."""
    alpha = venue()

    def falls(order: object) -> None:
        alpha.bids = [(D(99_500), D(50))]

    alpha.on_place = falls
    rule = fixed("99750", scope="average_of_sale", floor_per_fill_px="99000")
    end = await ran(alpha, asked=plan(price_rules=[rule]))
    exact(end.state, alpha)
    money = sum((fill.notional for fill in alpha.fills_made), D(0))
    assert money >= D(99_750)
    assert min(fill.px for fill in alpha.fills_made) == D(99_500)


@virtual
async def test_a_band_around_the_venues_own_price_lets_the_sale_go_on() -> None:
    alpha = venue()
    end = await ran(alpha, asked=plan(price_rules=[band()]))
    exact(end.state, alpha)
    assert all(D("99004") <= intent.limit_px <= D("101006") for intent in end.intents)


@virtual
async def test_without_a_reference_price_nothing_is_sold() -> None:
    """Two venues must agree within five basis points; they are thirty apart."""
    alpha, beta = venue(), venue("beta")
    beta.clock = alpha.clock
    beta.bids = [(D(99_700), D(50))]
    terms = {"min_sources": 2, "agreement_bps": "5", "max_age": "2m"}
    asked = plan(price_rules=[band("reference")], reference=terms, venues=["alpha", "beta"])
    end = await ran(alpha, beta, asked=asked)
    assert alpha.wire == beta.wire == []
    assert waits(end)[0][0] == "price.reference"
    assert "disagreeing" in end.events(ParentWaiting)[0].reason
    agreed = await ran(venue(), asked=plan(price_rules=[band("reference")], reference=terms | {"min_sources": 1}))
    assert agreed.state.status is ParentStatus.COMPLETED


# --- averages ---------------------------------------------------------------------------------------------------------


def average(px: str, trade_date: str = "2026-11-23") -> BenchmarkRecord:
    """The average of twenty days at one price."""
    first = datetime(2026, 10, 1, tzinfo=UTC)
    candles = [Candle(first + timedelta(hours=n), *[D(px)] * 4, D(1)) for n in range(24 * 60)]
    return compute(params(trade_date=trade_date), CandleFile("made.csv", "0" * 64, tuple(candles)))


async def under_average(*records: BenchmarkRecord, **changes: Any) -> tuple[ScriptedVenue, Ran]:
    """A plan under the average of each trade date, with these averages in the case's record."""
    rule = {"kind": "average", "name": "mean", "currency": "USD", "scope": "per_fill", "compare": "before_fees"}
    rule |= {"benchmark": params().terms_sha256, "renewal": "each_trade_date", "factor": "1"} | changes
    asked, store, alpha = plan(price_rules=[rule]), MemoryStore(), venue()
    approve(store, mandate(), asked, START)
    events = [BenchmarkRecorded(record_sha256=r.sha256, record=r.values(), who="rehearsal-checker") for r in records]
    write(store, case_stream("CASE-1"), "CASE-1", list(events), START)
    return alpha, await ran(alpha, store=store, asked=asked)


@virtual
async def test_not_one_fill_under_the_average_of_the_days_before() -> None:
    alpha, end = await under_average(average("100000.01"))
    assert alpha.wire == []
    assert "the average 100000.01 before 2026-11-23" in end.events(ParentWaiting)[0].reason
    alpha, end = await under_average(average("100000"))
    exact(end.state, alpha)


@virtual
async def test_without_the_average_of_the_day_nothing_is_sold() -> None:
    """None was recorded, or for another date, or two that differ."""
    for records in ([], [average("90000", "2026-11-22")], [average("90000"), average("90001")]):
        alpha, end = await under_average(*records)
        assert alpha.wire == []
        assert waits(end)[0][0] == "price.mean"


@virtual
async def test_an_average_for_the_whole_sale_is_named_by_its_record() -> None:
    record = average("100000")
    alpha, end = await under_average(record, renewal="once", benchmark=record.sha256)
    exact(end.state, alpha)


# --- quotes -----------------------------------------------------------------------------------------------------------


@virtual
async def test_a_quote_under_the_price_is_kept_and_not_taken() -> None:
    alpha = venue()
    alpha.quote_px = D(99_990)
    end = await ran(alpha, asked=plan(OTC, price_rules=[fixed("99995")]))
    asked = end.events(QuotesAsked)
    assert alpha.accepted == []
    assert asked
    assert all(round_.answers[0].px == D(99_990) and not round_.chosen for round_ in asked)
    assert waits(end)[0][0] == "floor"


# --- the gate ---------------------------------------------------------------------------------------------------------


def blind(work: Any, leg: Any, offers: list[Offer], due: Decimal, now: datetime) -> tuple[list[Offer], Decimal, str]:
    return offers, D(90_000), ""


@virtual
async def test_a_strategy_that_forgets_the_rules_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the price rules where the intent is written, whatever made the order."""
    monkeypatch.setattr(legs, "_priced", blind)
    alpha = venue()
    end = await ran(alpha, asked=plan(price_rules=[fixed("100001")]))
    assert (alpha.wire, end.intents) == ([], [])
    assert waits(end)[0][0] == "price.reserve"


@virtual
async def test_without_the_gate_it_would_sell_under_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(legs, "_priced", blind)
    monkeypatch.setattr(Prices, "check", lambda *_, **__: None)
    alpha = venue()
    await ran(alpha, asked=plan(price_rules=[fixed("100001")]))
    assert alpha.sold == D(1)


# --- a floor that one approver raises -------------------------------------------------------------------------------


@virtual
async def test_a_floor_that_is_raised_while_it_runs_binds_the_next_order() -> None:
    """The first half is sold; then the floor is raised over the market, and the rest waits."""
    store, alpha, asked = MemoryStore(), venue(), plan()
    approve(store, mandate(), asked, START)
    digest = plan_hash(frozen_plan("CASE-1", asked.model_dump(mode="json")))
    key = Ed25519PrivateKey.from_private_bytes(bytes([3] * 32))  # of the stand-in
    rise = FloorRaised(
        plan_hash=digest,
        floor_px=D(100_001),
        person="rehearsal-risk",
        public_key=public_hex(key),
        signature=sign(key, floor_message("CASE-1", digest, "100001")),
        why="new price",
    )

    def raised(order: object) -> None:
        alpha.on_place = lambda order: None
        write(store, case_stream("CASE-1"), "CASE-1", [rise], START)

    alpha.on_place = raised
    end = await ran(alpha, store=store, asked=asked)
    assert alpha.sold == D("0.5")
    assert waits(end)[0][0] in ("floor", "price.floor")
    assert "100001" in end.events(ParentWaiting)[-1].reason


# --- conflicts --------------------------------------------------------------------------------------------------------


def related() -> Any:
    return mandate().model_copy(update={"affiliates": (Affiliate(name="Alpha", relation="sister company"),)})


@virtual
async def test_nothing_is_sold_to_an_affiliate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The register of the case says that alpha belongs to the institution's group: refused before the first order."""
    monkeypatch.setattr(rig, "mandate", lambda held="100": related())
    alpha = venue()
    end = await ran(alpha)
    assert "alpha stands in the register of affiliates" in str(end.fault)
    assert (alpha.wire, end.state.created) == ([], None)


@virtual
async def test_the_register_is_asked_at_each_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that got past its beginning still sells nothing there."""
    monkeypatch.setattr(rig, "mandate", lambda held="100": related())
    asked = Gate.refuse_affiliate
    monkeypatch.setattr(Gate, "refuse_affiliate", lambda self, name: None)
    store, alpha = MemoryStore(), venue()
    store.fails_at = 3  # dies after it has begun
    await ran(alpha, store=store)
    monkeypatch.setattr(Gate, "refuse_affiliate", asked)
    end = await ran(alpha, store=store)
    assert "alpha stands in the register of affiliates" in str(end.fault)
    assert alpha.wire == []


@virtual
async def test_without_the_register_the_affiliate_buys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: asked neither at the beginning nor at an order, everything goes to the sister company."""
    monkeypatch.setattr(rig, "mandate", lambda held="100": related())
    monkeypatch.setattr(Gate, "refuse_affiliate", lambda self, name: None)
    alpha = venue()
    exact((await ran(alpha)).state, alpha)


class Falling(ScriptedVenue):
    """Its least order is worth 690; it bids for nearly all at 100000, later at 96000."""

    async def instruments(self) -> dict[str, Instrument]:
        found = await super().instruments()
        return {name: dataclasses.replace(one, min_notional=D(690)) for name, one in found.items()}

    async def book(self, symbol: str) -> Book:
        self.reads += 1
        early = self.clock.now() <= START + timedelta(seconds=10)
        px, qty = (D(100_000), D("0.997")) if early else (D(96_000), D(50))
        return Book(symbol, (Level(px, qty + D(self.reads) / 10**6),), (Level(px + 10, D(1)),), self.clock.now())


@virtual
async def test_what_is_left_over_can_be_sold_when_the_market_has_fallen() -> None:
    """The band moves with the market: what is left for a last order is sized at the leg's own lowest price."""
    alpha = Falling(LoopClock(START), free="5")
    one = TWAP | {"slices": 1}
    end = await ran(alpha, asked=plan(one, duration="20m", price_rules=[band()], guards={"fast_move_bps": "900"}))
    exact(end.state, alpha)
