"""Fees that a venue took in coins from a pooled sale: shared out to the last unit, within what each brought."""

import random
from decimal import Decimal

from executor.domain.books import books_of
from executor.domain.pool import allocation
from executor.domain.postings import coin_fees
from executor.domain.settlement_events import PoolFormed
from tests.domain.case_settled import AT, SECOND, Recorded
from tests.domain.events_made import created, filled

D = Decimal
UNIT = D("0.00000001")


def test_nobody_gives_more_coins_than_it_brought() -> None:
    """A hundred pools that sell everything but the fee: sold and fee together are exactly what was brought."""
    draw = random.Random(41)
    for _ in range(100):
        shares = {f"C-{n}": draw.randint(1, 10**6) * UNIT for n in range(draw.randint(2, 5))}
        total = sum(shares.values(), D(0))
        fee = min(draw.randint(1, 50) * UNIT, total - 2 * UNIT)
        first = draw.randint(1, int((total - fee) / UNIT) - 1) * UNIT
        fills = [
            filled(1, "t1", str(first), "95000", venue="osl", fee=fee, fee_asset="BTC"),
            filled(2, "t2", str(total - fee - first), "95100", venue="hashkey", fee=D(0)),
        ]
        formed = PoolFormed(asset="BTC", shares=shares, who="se", second=SECOND)
        lines = [Recorded("case/POOL", 1, AT, formed)]
        lines += [Recorded("parent/p", n, AT, event) for n, event in enumerate([created(), *fills], start=1)]
        shared = allocation(books_of(lines), "se").shares
        gone = {share.case_id: share.qty + coin_fees(share, "BTC") for share in shared}
        assert gone == shares
        assert sum((coin_fees(share, "BTC") for share in shared), D(0)) == fee
        assert all(coin_fees(share, "BTC") >= 0 for share in shared)
