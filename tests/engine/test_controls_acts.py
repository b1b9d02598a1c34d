"""What people do to a running parent order: picked up in seconds, each act carried out once or refused on record."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.mock.exchange import MockOrder
from adapters.venue import NewOrder, NotSent, OrderRef, OrderReport, Unknown, Venue
from executor.domain.events import ActRefused, ChildParked, ChildSettled, ExplainAsked, HandFill, SettleAsked
from executor.domain.orders import ChildStatus
from executor.engine.control import refusal
from executor.engine.tuning import Tuning
from tests.domain.events_made import folded, intended
from tests.engine.mocked import START, Bent, D, Stage, plan, running
from tests.engine.rig import virtual

RARELY = Tuning(reconcile=timedelta(days=1))


def mute_about_the_second(*, reaches: bool) -> tuple[set[str], object]:
    """OSL takes the second order (or never gets it), does not answer, and cannot be asked about it."""
    lost: set[str] = set()

    def bend(venue: Venue) -> Venue:
        async def place(order: NewOrder) -> OrderReport:
            if not order.client_order_id.endswith("-2"):
                return await venue.place(order)
            lost.add(order.client_order_id)
            if reaches:
                await venue.place(order)
            raise Unknown("osl", "no answer")

        async def query(ref: OrderRef) -> OrderReport | None:
            if ref.client_order_id in lost:
                raise NotSent("osl", "no usable answer")
            return await venue.query(ref)

        return Bent(venue, place=place, query=query)

    return lost, bend


def by_hand(order: MockOrder) -> list[HandFill]:
    """What the venue's statement says."""
    return [
        HandFill(
            trade_id=one.trade_id,
            qty=one.qty,
            px=one.px,
            notional=one.notional,
            fee=one.fee,
            fee_asset=one.fee_asset,
            at=one.at,
        )
        for one in order.trades
    ]


@pytest.mark.parametrize("reaches", [True, False])
@virtual
async def test_a_parked_order_that_a_person_settles_completes_exactly(reaches: bool, tmp_path: Path) -> None:
    """Guards the settlement: with its fills, or as absent, the parent order sells the rest and no more; the same act a
    second time no longer fits, which is recorded and changes nothing."""
    stage = Stage(tmp_path)
    lost, bend = mute_about_the_second(reaches=reaches)
    run = stage.runner(plan(venues=["osl"], duration="1h"), bend=bend, tuning=RARELY)  # type: ignore[arg-type]
    async with running(run) as task:
        while not any(c.status is ChildStatus.PARKED for c in run.state.open.values()):  # noqa: ASYNC110
            await asyncio.sleep(1)
        (child,) = lost
        assert run.state.exposure_qty >= D("0.1")
        fills = [fill for order in stage.orders() if order.client_id == child for fill in by_hand(order)]
        assert bool(fills) is reaches
        act = SettleAsked(client_order_id=child, fills=fills, who="Wang", why="the statement")
        await stage.act(run.parent_id, act)
        await stage.act(run.parent_id, act)
        await asyncio.sleep(3)
        (settled,) = stage.events(ChildSettled)
        (refused,) = stage.events(ActRefused)
        assert (settled.client_order_id, settled.who) == (child, "Wang")
        assert (refused.act, refused.reason) == (2, f"{child} is closed, not parked for a person")
        lost.clear()
        state, fault = await task
    assert fault is None
    stage.exact(state)


@virtual
async def test_an_act_that_no_longer_fits_is_refused_on_record(tmp_path: Path) -> None:
    """Guards the record of acts: an explanation of a break that is not there is answered with the reason."""
    stage = Stage(tmp_path)
    run = stage.runner(plan(venues=["osl"]))
    async with running(run) as task:
        await stage.at(100)
        await stage.act(run.parent_id, ExplainAsked(venue="osl", name="balance", who="Wang", why="?"))
        await stage.at(103)
        (refused,) = stage.events(ActRefused)
        assert refused.reason == "there is no break balance at osl"
        state, fault = await task
    assert fault is None
    stage.exact(state)


@virtual
async def test_a_fill_that_is_seen_before_the_order_is_acknowledged_lands_once(tmp_path: Path) -> None:
    """Guards out-of-order news: the answer to the order is lost, its fill is what shows that it exists."""
    stage, lost = Stage(tmp_path), []

    def bend(venue: Venue) -> Venue:
        async def place(order: NewOrder) -> OrderReport:
            report = await venue.place(order)
            if order.client_order_id.endswith("-2"):
                lost.append(order.client_order_id)
                raise Unknown("osl", "no answer")
            return report

        async def query(ref: OrderRef) -> OrderReport | None:
            if ref.client_order_id in lost and not looks:
                looks.append(ref.client_order_id)  # the first look finds the fill, and not the order
                return None
            return await venue.query(ref)

        looks: list[str] = []
        return Bent(venue, place=place, query=query)

    state, fault = await stage.ran(plan(venues=["osl"]), bend=bend)
    assert lost
    assert fault is None
    stage.exact(state)


LIKELY = {"trade_id": "t", "qty": "0.5", "px": "100000", "notional": "50000", "fee": "0"}


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ({}, ""),
        ({"qty": "-5", "notional": "-500000"}, "trade t is none"),
        ({"fee": "-1"}, "trade t is none"),
        ({"notional": "500000"}, "not its price times its quantity"),
        ({"px": "900000000", "notional": "450000000"}, "far over the order's own limit"),
        ({"px": "99999", "notional": "49999.5"}, "under the order's own limit"),
        ({"qty": "1.5", "notional": "150000"}, "more than the 1 that"),
    ],
)
def test_what_a_person_states_of_an_order_must_be_a_trade_of_it(stated: dict[str, str], why: str) -> None:
    """A quantity below zero would let more be sold, and a price that nobody paid would earn room under an average."""
    state = folded(intended(1, "1", limit_px=D(100_000)), ChildParked(client_order_id="abcdefghij-1", reason="?"))
    values = {name: text if name == "trade_id" else D(text) for name, text in (LIKELY | stated).items()}
    fill = HandFill(**values, fee_asset="USD", at=START)  # type: ignore[arg-type]
    act = SettleAsked(client_order_id="abcdefghij-1", fills=[fill], who="Wang", why="statement")
    found = refusal(state, act)
    assert (why in found) if why else found == ""
