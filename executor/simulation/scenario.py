"""What one world is about: a small plan, the coins in the purses, and the faults; each a function of the seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.mock.faults import NEEDS_QUOTES, NEEDS_RESTING, Draws, Fault, FaultKind, fault_plan
from executor.domain.plan import Credit, Holding, Mandate, Plan

START = datetime(2026, 3, 2, 1, tzinfo=UTC)
START_PX = Decimal(100_000)
VENUES = ("osl", "hashkey")
PURSES = (("osl", "exchange"), ("osl", "brokerage"), ("hashkey", "trading"))
_FINE = Decimal("0.00001")
_BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world before it runs. ``on_disk`` says that the journal is a real file."""

    seed: int
    mandate: Mandate
    plan: Plan
    faults: Sequence[Fault]
    on_disk: bool = False
    name: str = ""


def drawn(seed: int, kinds: Sequence[FaultKind]) -> Scenario:
    """The world of ``seed`` with faults out of ``kinds``."""
    draws = Draws(f"world/{seed}")
    shape = draws.below(6)
    shots = draws.between(3, 9) if kinds else 0
    faults = fault_plan(seed, kinds, start=START, lasts=timedelta(0), venues=VENUES, shots=shots) if kinds else []
    planned = {one.kind for one in faults}
    plan = _plan(
        seed,
        draws,
        otc=bool(planned & NEEDS_QUOTES) or shape in (0, 1),
        rest=bool(planned & NEEDS_RESTING),
        twap=bool(planned - NEEDS_QUOTES) or shape != 0,
    )
    lasts = timedelta(seconds=plan.duration)
    faults = fault_plan(seed, kinds, start=START, lasts=lasts, venues=VENUES, shots=shots) if kinds else []
    return Scenario(seed, mandate_for(plan, draws), plan, faults, on_disk=draws.chance(5))


def _plan(seed: int, draws: Draws, *, otc: bool, rest: bool, twap: bool) -> Plan:
    minutes = draws.pick((10, 10, 11, 12, 14, 16, 20, 25, 35, 60))
    legs = [_twap(draws, minutes, rest=rest)] if twap else []
    if twap and draws.chance(20):
        legs.append(_twap(draws, minutes, rest=False))
    if otc or not legs:
        legs.append(_otc(draws, minutes))
    return Plan.model_validate(
        {
            "asset": "BTC",
            "quote_asset": "USD",
            "qty": sum((leg["qty"] for leg in legs), Decimal(0)),
            "floor_px": (START_PX * (1 - draws.between(40, 600) / _BPS)).quantize(Decimal("0.01")),
            "venues": VENUES,
            "duration": minutes * 60,
            "seed": seed,
            "legs": legs,
        }
    )


def _twap(draws: Draws, minutes: int, *, rest: bool) -> dict[str, Any]:
    slices = draws.between(2, 5)
    resting = rest or draws.chance(50)
    turn_s = minutes * 60 // slices
    leg: dict[str, Any] = {
        "kind": "twap",
        "qty": draws.between(30_000, 300_000) * _FINE,
        "slices": slices,
        "size_jitter": Decimal(draws.between(0, 50)) / 100,
        "time_jitter": Decimal(draws.between(0, 50)) / 100,
        "style": "rest_then_cross" if resting else "cross",
        "catch_up": Decimal(draws.between(10, 30)) / 10,
        "min_notional": Decimal(100),
        "venues": draws.pick((None, None, None, ("osl",), ("hashkey",))),
    }
    return leg | ({"rest_for": min(draws.between(10, 60), turn_s // 2)} if resting else {})


def _otc(draws: Draws, minutes: int) -> dict[str, Any]:
    clips = draws.between(1, 3)
    clip = draws.between(20_000, 120_000) * _FINE
    qty = clip * clips - (_FINE * draws.between(0, 10_000) if clips > 1 else 0)
    venues = draws.pick((None, None, ("osl",), ("hashkey",)))
    return {
        "kind": "otc",
        "qty": qty,
        "clip": clip,
        "pause": draws.between(45, max(46, minutes * 60 // clips)),
        "min_quotes": 1,
        "venues": venues,
    }


def mandate_for(plan: Plan, draws: Draws) -> Mandate:
    """A mandate that holds more than the plan sells, so that selling too much would find the coins to do it with."""
    credits = [
        Credit(venue=venue, account=account, asset="BTC", qty=plan.qty + draws.between(10_000, 300_000) * _FINE)
        for venue, account in PURSES
    ]
    held = sum((credit.qty for credit in credits), Decimal(0))
    return Mandate(
        case_id=f"SIM-{plan.seed}",
        authority="simulated",
        institution="simulated",
        legal_basis="simulated",
        proceeds_account="simulated",
        holdings=(Holding(asset="BTC", network="bitcoin", qty=held),),
        credited=tuple(credits),
        plan="simulated",
    )
