"""Short ways to write the events of one parent order in tests: 10 BTC, floor 90000, one leg, venues alpha and beta."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from executor.domain.events import ChildClosed, ChildIntended, FillRecorded, ParentCreated
from executor.domain.parent import Parent

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
D = Decimal


def created(**changes: Any) -> ParentCreated:
    """The parent order as it is created."""
    values: dict[str, Any] = {
        "parent_id": "abcdefghij",
        "case_id": "CASE-1",
        "asset": "BTC",
        "quote_asset": "USD",
        "qty": D(10),
        "floor_px": D(90_000),
        "venues": ["alpha", "beta"],
        "legs": [{"kind": "twap", "qty": "10", "slices": 4, "interval": None}],
        "starts_at": AT,
        "ends_at": AT + timedelta(hours=1),
        "seed": 7,
        "plan_hash": "00",
        "plan": {},
    }
    return ParentCreated(**values | changes)


def intended(number: int, qty: str | Decimal, **changes: Any) -> ChildIntended:
    """The intent of child ``number``."""
    values: dict[str, Any] = {
        "client_order_id": f"abcdefghij-{number}",
        "number": number,
        "leg": 0,
        "slice": 1,
        "venue": "alpha",
        "method": "book",
        "symbol": "BTCUSD",
        "qty": D(qty),
        "limit_px": D(95_000),
        "time_in_force": "IOC",
        "post_only": False,
        "tops": [],
    }
    return ChildIntended(**values | changes)


def filled(number: int, trade: str, qty: str | Decimal, px: str | Decimal = "95000", **changes: Any) -> FillRecorded:
    """An execution of child ``number``; the fee is one US dollar."""
    values: dict[str, Any] = {
        "client_order_id": f"abcdefghij-{number}",
        "venue": "alpha",
        "trade_id": trade,
        "qty": D(qty),
        "px": D(px),
        "notional": D(qty) * D(px),
        "fee": D(1),
        "fee_asset": "USD",
        "at": AT,
    }
    return FillRecorded(**values | changes)


def closed(number: int, cum_qty: str | Decimal) -> ChildClosed:
    """The end of child ``number``."""
    return ChildClosed(client_order_id=f"abcdefghij-{number}", venue_status="DONE", cum_qty=D(cum_qty))


def folded(*events: Any, spec: ParentCreated | None = None) -> Parent:
    """The state after the creation and ``events``, a second apart."""
    state = Parent()
    for second, event in enumerate((spec or created(), *events)):
        state.apply(event, AT + timedelta(seconds=second))
    return state
