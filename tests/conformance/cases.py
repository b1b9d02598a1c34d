"""How a case becomes a test over every world, and what the cases share."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from adapters.venue import Fill, NewOrder, OrderRef, OrderReport, Rejected, RejectReason, TimeInForce
from executor.engine.virtual_time import run_virtual
from tests.conformance.worlds import WORLDS, Factory, Options, World

D = Decimal
BIDS = [(D("100000"), D("0.5")), (D("99990.5"), D("0.7")), (D("99900"), D("1.3")), (D("99000"), D("4"))]
ASKS = [(D("100010"), D("0.4")), (D("100020"), D("2"))]
HIGH = D("100500")  # rests
LOW = D("99000")  # takes
Case = Callable[[World], Awaitable[None]]


def conforms(
    worlds: dict[str, Factory] = WORLDS, *, started: bool = True, **options: object
) -> Callable[[Case], object]:
    """Turn a case into a test over every world, under virtual time and with a known book."""

    def over_worlds(case: Case) -> object:
        async def main(factory: Factory) -> None:
            world = await factory(Options(**options))  # type: ignore[arg-type]
            world.book.override(list(BIDS), list(ASKS))
            if started:
                await world.venue.start()
            await case(world)
            await world.venue.aclose()

        @pytest.mark.parametrize("name", sorted(worlds))
        def test(name: str) -> None:
            run_virtual(main(worlds[name]))

        test.__doc__ = case.__doc__
        return test

    return over_worlds


def sell(
    world: World,
    qty: str | Decimal,
    px: Decimal,
    tif: TimeInForce = TimeInForce.GTC,
    *,
    client_id: str = "lot-0007-c01",
    post_only: bool = False,
) -> NewOrder:
    return NewOrder(client_id, world.symbol, D(qty), px, tif, post_only)


def ref(order: NewOrder, report: OrderReport | None = None) -> OrderRef:
    return OrderRef(order.client_order_id, order.symbol, report.venue_order_id if report else "")


async def rejected(call: Awaitable[object], reason: RejectReason) -> None:
    with pytest.raises(Rejected) as caught:
        await call
    assert caught.value.reason is reason, caught.value


def sums(fills: list[Fill]) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, notional and fee of fills."""
    zero = Decimal(0)
    return (
        sum((one.qty for one in fills), zero),
        sum((one.notional for one in fills), zero),
        sum((one.fee for one in fills), zero),
    )


def cum_is(report: OrderReport | None, qty: Decimal) -> bool:
    """The report states this cumulative quantity, or none: a venue need not state it."""
    return report is not None and report.cum_qty in (None, qty)
