"""Plans and faults written by hand, for scenarios that must look the same in every run."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from adapters.mock.calls import Call
from adapters.mock.faults import Draws, Fault, FaultKind, fault
from executor.domain.plan import Plan
from executor.simulation.scenario import START, Scenario, mandate_for

PLACING = frozenset({Call.PLACE})


def twap(qty: str, slices: int, **more: Any) -> dict[str, Any]:
    """A TWAP leg without jitter that crosses."""
    return {
        "kind": "twap",
        "qty": Decimal(qty),
        "slices": slices,
        "size_jitter": Decimal(0),
        "time_jitter": Decimal(0),
        "style": "cross",
        "catch_up": Decimal(2),
        "min_notional": Decimal(100),
    } | more


def scenario(
    legs: Sequence[dict[str, Any]], faults: Sequence[Fault], *, minutes: int = 20, floor: str = "90000", seed: int = 1
) -> Scenario:
    """A world with these legs and faults on both venues."""
    plan = Plan.model_validate(
        {
            "asset": "BTC",
            "quote_asset": "USD",
            "qty": sum((leg["qty"] for leg in legs), Decimal(0)),
            "floor_px": Decimal(floor),
            "venues": ("osl", "hashkey"),
            "duration": minutes * 60,
            "seed": seed,
            "legs": legs,
        }
    )
    return Scenario(seed, mandate_for(plan, Draws("by hand")), plan, faults)


def during(kind: FaultKind, first_s: int, last_s: int, **more: Any) -> Fault:
    """A fault armed between two moments, seconds after the start."""
    return fault(kind, START + timedelta(seconds=first_s), START + timedelta(seconds=last_s), **more)
