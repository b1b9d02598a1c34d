"""The venue's own rules for a limit order to sell, checked before anything leaves the building."""

from decimal import Decimal

from adapters.venue import Instrument, TimeInForce, VenueTraits
from executor.domain.money import is_multiple, times
from executor.guards.verdict import ALLOW, Verdict, refuse


def check(
    instrument: Instrument,
    traits: VenueTraits,
    *,
    qty: Decimal,
    limit_px: Decimal,
    time_in_force: TimeInForce,
    post_only: bool,
) -> Verdict:
    """Refuse what the venue documents that it refuses: size, value, grid, price band, order type, closed pair."""
    value = times(qty, limit_px)
    faults = [
        (not instrument.trading, "pair", f"{instrument.symbol} is not open: {instrument.why_not_trading}"),
        (not is_multiple(qty, instrument.step_size), "step", f"{qty} is not a multiple of {instrument.step_size}"),
        (not is_multiple(limit_px, instrument.tick_size), "tick", f"{limit_px} is not on tick {instrument.tick_size}"),
        (qty < instrument.min_qty, "size", f"{qty} is below the smallest order, {instrument.min_qty}"),
        (qty > instrument.max_qty, "size", f"{qty} is above the largest order, {instrument.max_qty}"),
        (value < instrument.min_notional, "value", f"{value} is below the least value, {instrument.min_notional}"),
        (value > instrument.max_notional, "value", f"{value} is above the greatest value, {instrument.max_notional}"),
        (
            instrument.min_px is not None and limit_px < instrument.min_px,
            "band",
            f"{limit_px} is below the price band, {instrument.min_px}",
        ),
        (
            instrument.max_px is not None and limit_px > instrument.max_px,
            "band",
            f"{limit_px} is above the price band, {instrument.max_px}",
        ),
        (time_in_force not in traits.time_in_force, "type", f"{time_in_force} is not offered"),
        (post_only and not traits.post_only, "type", "post-only is not offered"),
    ]
    for broken, rule, reason in faults:
        if broken:
            return refuse(f"venue.{rule}", reason)
    return ALLOW
