"""The venue's own rules for a limit order to sell, checked before anything leaves the building."""

from datetime import datetime
from decimal import Decimal

from adapters.venue import Instrument, VenueTraits
from executor.domain.money import is_multiple, times
from executor.guards.verdict import ALLOW, Verdict, refuse, wait


def check(
    instrument: Instrument,
    traits: VenueTraits,
    *,
    qty: Decimal,
    limit_px: Decimal,
    time_in_force: str,
    post_only: bool,
    now: datetime,
) -> Verdict:
    """Refuse what the venue documents that it refuses: size, value, grid, price band, order type, closed pair. Outside
    its hours, if it has any, the order waits. ``now`` is the venue's own time."""
    if traits.hours is not None and not traits.hours.open_at(now):
        return wait("venue.hours", f"orders are taken {traits.hours}")
    broken = _pair_and_type(instrument, traits, time_in_force, post_only) or _amounts(instrument, qty, limit_px)
    return ALLOW if broken is None else refuse(f"venue.{broken[0]}", broken[1])


def _pair_and_type(
    instrument: Instrument, traits: VenueTraits, time_in_force: str, post_only: bool
) -> tuple[str, str] | None:
    if not instrument.trading:
        return "pair", f"{instrument.symbol} is not open: {instrument.why_not_trading}"
    if time_in_force not in traits.time_in_force:
        return "type", f"{time_in_force} is not offered"
    if post_only and not traits.post_only:
        return "type", "post-only is not offered"
    return None


def _amounts(instrument: Instrument, qty: Decimal, limit_px: Decimal) -> tuple[str, str] | None:
    """The sentences are written only for what is refused: this is asked before every order."""
    value = times(qty, limit_px)
    if not is_multiple(qty, instrument.step_size):
        return "step", f"{qty} is not a multiple of {instrument.step_size}"
    if not is_multiple(limit_px, instrument.tick_size):
        return "tick", f"{limit_px} is not on tick {instrument.tick_size}"
    if qty < instrument.min_qty:
        return "size", f"{qty} is below the smallest order, {instrument.min_qty}"
    if qty > instrument.max_qty:
        return "size", f"{qty} is above the largest order, {instrument.max_qty}"
    if value < instrument.min_notional:
        return "value", f"{value} is below the least value, {instrument.min_notional}"
    if value > instrument.max_notional:
        return "value", f"{value} is above the greatest value, {instrument.max_notional}"
    if instrument.min_px is not None and limit_px < instrument.min_px:
        return "band", f"{limit_px} is below the price band, {instrument.min_px}"
    if instrument.max_px is not None and limit_px > instrument.max_px:
        return "band", f"{limit_px} is above the price band, {instrument.max_px}"
    return None
