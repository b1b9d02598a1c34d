"""What a run came to: computed from the folded record alone, exact; ratios for people have two decimals."""

from decimal import Decimal
from typing import Any

from executor.domain.money import RATIO, ZERO, add, bps_between, multiples, plain
from executor.domain.orders import ChildStatus, Tally
from executor.domain.parent import Parent

Summary = dict[str, Any]


def summarise(state: Parent) -> Summary:
    """The summary object: amounts are decimal strings, ``None`` where nothing can be said. Definitions:

    ``avg_px`` = money received before fees / quantity sold. ``arrival_px`` = mean of the venues' mids at the start.
    ``interval_twap_px`` = plain mean of the mids seen at the TWAP slices. ``*_bps`` = ``avg_px`` against each of them,
    positive when we sold higher. ``rounding`` = what venues rounded off quotes: sum(px * qty) - money received.
    ``slices_extra`` = tries beyond the planned ones, for what was left after the last.
    ``proceeds`` = money received less fees in the quote asset.
    """
    spec = state.spec
    total = state.total
    planned = _slices_planned(state)
    tried = {str(leg): done for leg, done in state.slices_done.items()}
    avg = _average(total)
    twap = RATIO.divide(state.mids_sum, Decimal(state.mids_count)) if state.mids_count else None
    fees = {asset: plain(fee) for asset, fee in sorted(total.fees.items())}
    return {
        "status": state.status.value,
        "reason": state.status_reason,
        "case": spec.case_id,
        "parent": spec.parent_id,
        "asset": spec.asset,
        "quote_asset": spec.quote_asset,
        "asked": plain(spec.qty),
        "sold": plain(total.cum_qty),
        "leaves": plain(spec.qty - total.cum_qty),
        "avg_px": _px(avg),
        "arrival_px": _px(state.arrival_px),
        "floor_px": plain(spec.floor_px),
        "interval_twap_px": _px(twap),
        "vs_arrival_bps": _bps(avg, state.arrival_px),
        "vs_interval_twap_bps": _bps(avg, twap),
        "vs_floor_bps": _bps(avg, spec.floor_px),
        "gross": plain(total.notional),
        "rounding": plain(state.rounding),
        "proceeds": plain(add(total.notional, -total.fees.get(spec.quote_asset, ZERO))),
        "fees": fees,
        "child_orders": total.children,
        "fills": total.fills,
        "quotes_seen": state.quotes_seen,
        "slices_planned": planned,
        "slices_done": {leg: min(done, planned[leg]) for leg, done in tried.items()},
        "slices_extra": {leg: max(0, done - planned[leg]) for leg, done in tried.items()},
        "by_venue": _by(state, 0),
        "by_method": _by(state, 1),
        "breaks": [{"venue": v, "name": n, "detail": found.detail} for (v, n), found in state.breaks.items()],
        "parked": [c.client_order_id for c in state.open.values() if c.status is ChildStatus.PARKED],
        "plan_hash": spec.plan_hash,
        "seed": spec.seed,
    }


def _by(state: Parent, part: int) -> dict[str, Any]:
    """Totals by venue (part 0) or by method (part 1) of the routes."""
    merged: dict[str, Tally] = {}
    for route, tally in sorted(state.routes.items()):
        into = merged.setdefault(route[part], Tally())
        into.cum_qty = add(into.cum_qty, tally.cum_qty)
        into.notional = add(into.notional, tally.notional)
        into.children += tally.children
        into.fills += tally.fills
        for asset, fee in tally.fees.items():
            into.fees[asset] = add(into.fees.get(asset, ZERO), fee)
    return {
        name: {
            "sold": plain(tally.cum_qty),
            "share_pct": _percent(tally.cum_qty, state.cum_qty),
            "avg_px": _px(_average(tally)),
            "gross": plain(tally.notional),
            "fees": {asset: plain(fee) for asset, fee in sorted(tally.fees.items())},
            "child_orders": tally.children,
            "fills": tally.fills,
        }
        for name, tally in merged.items()
    }


def _slices_planned(state: Parent) -> dict[str, int]:
    window_s = int((state.spec.ends_at - state.spec.starts_at).total_seconds())
    planned = {}
    for number, leg in enumerate(state.spec.legs):
        if leg["kind"] == "otc":
            planned[str(number)] = multiples(Decimal(leg["qty"]), Decimal(leg["clip"]))
        else:
            planned[str(number)] = leg["slices"] or max(1, window_s // leg["interval"])
    return planned


def _average(tally: Tally) -> Decimal | None:
    return RATIO.divide(tally.notional, tally.cum_qty) if tally.cum_qty else None


def _px(price: Decimal | None) -> str | None:
    return None if price is None else plain(price.quantize(Decimal("0.00000001")).normalize())


def _bps(price: Decimal | None, reference: Decimal | None) -> str | None:
    return None if price is None or reference is None else plain(bps_between(price, reference))


def _percent(part: Decimal, whole: Decimal) -> str:
    return plain(RATIO.divide(part * 100, whole).quantize(Decimal("0.01"))) if whole else "0.00"
