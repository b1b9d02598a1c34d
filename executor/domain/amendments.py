"""Caps of an approved plan that people change while it runs: stricter by one, looser only for a while and by two.

Source: the FTX order's limits could be raised only for a time, with approval from outside, and fell back by themselves
(Binance summary, C). What loosens a plan for good is another plan, approved by two people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from executor.domain.caps import Caps
from executor.domain.case_events import LimitLowered
from executor.domain.money import parse_amount, plain

RAISE_LIMIT = "raise_limit"
LIMITS = (
    "plan_percent_per_day",
    "venue_volume_percent",
    "participation_percent",
    "week_values",
    "order_value",
    "venue_value_per_day",
    "min_venues",
)
_PERCENT = ("plan_percent_per_day", "venue_volume_percent", "participation_percent")


@dataclass(frozen=True, slots=True)
class Lowered:
    """A cap that one approver has made stricter. ``before``: the raises that were asked for before it: none of them
    goes over it."""

    event: LimitLowered
    before: frozenset[str]


@dataclass(frozen=True, slots=True)
class Raised:
    """A cap that two approvers have made looser, until it ends by itself."""

    change_hash: str
    limit: str
    value: Decimal
    until: datetime
    why: str
    agreed_by: Sequence[str]


def raised(change_hash: str, values: Mapping[str, Any], agreed_by: Sequence[str]) -> Raised:
    """The raise that the values of a change spell."""
    until = datetime.fromisoformat(values["until"])
    return Raised(change_hash, values["limit"], parse_amount(values["value"]), until, values["why"], agreed_by)


def raise_values(case_id: str, plan_hash: str, limit: str, value: Decimal, until: datetime, why: str) -> dict[str, Any]:
    """What is hashed and signed of a raise."""
    return {
        "case_id": case_id,
        "kind": RAISE_LIMIT,
        "plan": plan_hash,
        "limit": limit,
        "value": plain(value),
        "until": until.astimezone(UTC).isoformat(),
        "why": why,
    }


def amended(caps: Caps, lowered: Sequence[Lowered], raises: Sequence[Raised], now: datetime) -> Caps:
    """The caps that bind at ``now``. A lowering stays; a raise binds until it ends, and then what was there before."""
    changed: dict[str, Any] = {}
    for limit in {each.event.limit for each in lowered} | {each.limit for each in raises}:
        mine = [each for each in lowered if each.event.limit == limit]
        base = _all(caps, limit)
        for each in mine:
            base = [stricter(limit, value, each.event.value) for value in base]
        bound = base
        for given in raises:
            if given.limit != limit or now >= given.until:
                continue
            value = given.value
            for each in mine:
                value = stricter(limit, value, each.event.value) if given.change_hash in each.before else value
            bound = [looser(limit, each, value) for each in bound]
        changed[limit] = (
            tuple(bound) if limit == "week_values" else int(bound[0]) if limit == "min_venues" else bound[0]
        )
    return caps.model_copy(update=changed)


def stricter(limit: str, one: Decimal, other: Decimal) -> Decimal:
    """The stricter of two values of a limit: the smaller, but the larger number of venues."""
    return max(one, other) if limit == "min_venues" else min(one, other)


def looser(limit: str, one: Decimal, other: Decimal) -> Decimal:
    """The looser of two values of a limit."""
    return min(one, other) if limit == "min_venues" else max(one, other)


def refuse_lowering(caps: Caps | None, limit: str, value: Decimal) -> str:
    """Why ``value`` is no stricter limit than ``caps`` have now; empty if it is."""
    if fault := _refuse_value(caps, limit, value):
        return fault
    assert caps is not None  # else there was a fault
    if any(stricter(limit, each, value) != each for each in _all(caps, limit)):
        return ""
    return (
        f"{limit} is {_said(caps, limit)}: one person can only make it stricter; two make it looser for a while "
        "(`executor plan raise-limit`), for good another plan does"
    )


def refuse_raise(caps: Caps | None, values: Mapping[str, Any], plan_ends: datetime) -> str:
    """Why this raise cannot be asked for of a plan that ``caps`` bind for good; empty if it can."""
    asked = raised("", values, ())
    if fault := _refuse_value(caps, asked.limit, asked.value):
        return fault
    assert caps is not None  # else there was a fault
    if not values["why"].strip():
        return "the reason is missing: a looser limit needs one"
    if asked.until > plan_ends:
        return f"the plan ends at {plan_ends.isoformat()}: a looser limit must end with it or before"
    if all(looser(asked.limit, each, asked.value) == each for each in _all(caps, asked.limit)):
        return f"{asked.limit} is {_said(caps, asked.limit)} already: {plain(asked.value)} would not loosen it"
    return ""


def _refuse_value(caps: Caps | None, limit: str, value: Decimal) -> str:
    if limit not in LIMITS:
        return f"'{limit}' is no limit that can be changed; limits are {', '.join(LIMITS)}"
    if caps is None or not getattr(caps, limit):
        return f"the plan has no cap {limit}: a new kind of cap needs another plan"
    if value <= 0 or (limit == "min_venues" and value != value.to_integral_value()):
        return f"{limit}: {plain(value)} must be above zero" + (", and whole" if limit == "min_venues" else "")
    return f"{limit}: {plain(value)} is over 100 percent" if limit in _PERCENT and value > 100 else ""


def _all(caps: Caps, limit: str) -> list[Decimal]:
    """The values of a limit: one, or one for each week."""
    value = getattr(caps, limit)
    return list(value) if limit == "week_values" else [Decimal(value)]


def _said(caps: Caps, limit: str) -> str:
    return ", ".join(plain(each) for each in _all(caps, limit))
