"""No order and no quote below the floor. Binds the limit price, so that no fill can be under it."""

from decimal import Decimal

from executor.guards.verdict import ALLOW, Verdict, refuse


def check(limit_px: Decimal, floor_px: Decimal) -> Verdict:
    """Refuse a limit price or a quoted price under the floor."""
    if limit_px < floor_px:
        return refuse("floor", f"price {limit_px} is under the floor {floor_px}")
    return ALLOW
