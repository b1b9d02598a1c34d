"""Another quote than the best one: taken only under a rule that was asked for with a reason and signed by two others.

A quote lives for seconds, so nobody can sign while it does. The rule is signed before: prefer this desk, up to so many
basis points under the best money, for this plan, until then. (Beijing: "ask for quotes, deal at the best quote", LIHKG
repost, C; that another choice needs a reason and a second person is the house's own reading.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from executor.domain.money import BPS, parse_amount, plain, times

PREFER_QUOTE = "prefer_quote"


@dataclass(frozen=True, slots=True)
class Preference:
    """One rule in force. ``desk`` is a venue, or a desk as the venue's answers name it."""

    change_hash: str
    desk: str
    up_to_bps: Decimal
    until: datetime
    why: str
    agreed_by: Sequence[str]

    def allows(self, venue: str, counterparty: str, notional: Decimal, best: Decimal) -> bool:
        """True if a quote of ``venue`` for this money may be taken though another is for ``best``."""
        theirs = self.desk.casefold() in (venue.casefold(), counterparty.casefold())
        return theirs and times(notional, BPS) >= times(best, BPS - self.up_to_bps)

    def __str__(self) -> str:
        signed = ", ".join(self.agreed_by)
        return (
            f"{self.desk} is preferred up to {plain(self.up_to_bps)} bps under the best, signed by {signed}: {self.why}"
        )


def preference(change_hash: str, values: Mapping[str, Any], agreed_by: Sequence[str]) -> Preference:
    """The rule that the values of a change spell."""
    bps, until = parse_amount(values["up_to_bps"]), datetime.fromisoformat(values["until"])
    return Preference(change_hash, values["desk"], bps, until, values["why"], agreed_by)


def preference_values(
    case_id: str, plan_hash: str, desk: str, up_to_bps: Decimal, until: datetime, why: str
) -> dict[str, Any]:
    """What is hashed and signed of a rule."""
    return {
        "case_id": case_id,
        "kind": PREFER_QUOTE,
        "plan": plan_hash,
        "desk": desk,
        "up_to_bps": plain(up_to_bps),
        "until": until.astimezone(UTC).isoformat(),
        "why": why,
    }


def refuse_preference(values: Mapping[str, Any], plan_ends: datetime, affiliates: frozenset[str]) -> str:
    """Why this rule cannot be asked for; empty if it can."""
    asked = preference("", values, ())
    if not values["why"].strip():
        return "the reason is missing: a choice of another quote than the best needs one"
    if not 0 < asked.up_to_bps < BPS:
        return f"{plain(asked.up_to_bps)} bps: it must be over 0 and under 10000"
    if asked.until > plan_ends:
        return f"the plan ends at {plan_ends.isoformat()}: the preference must end with it or before"
    return f"{asked.desk} stands in the register of affiliates" if asked.desk.casefold() in affiliates else ""
