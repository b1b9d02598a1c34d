"""A second ledger for fills, made to share nothing with the first: whole numbers of the smallest part, no posting sets.

It is given a fill as whole numbers (satoshis, cents, hundred-millionths of a cent or of a coin) and keeps for each
account one integer in units of 10**-18. A sale touches it so:

    reserved   falls by the quantity, and by the fee if the fee is taken in coins
    sold       rises by the quantity
    proceeds   falls by price times quantity, exact
    cash       of the venue rises by the money stated, and falls by the fee if that is taken in money
    rounding   rises by price times quantity less the money stated
    fees       rise by the fee
"""

from collections import Counter
from decimal import Decimal
from typing import NamedTuple

SMALLEST = 18  # decimal places of the unit in which everything is counted


class Sale(NamedTuple):
    """One sale: quantity and fee in units of 10**-8, price of 10**-2, the money stated of 10**-10."""

    venue: str
    qty: int
    px: int
    stated: int
    fee: int
    fee_in: str


class Oracle:
    """Balances as whole numbers, by account and currency."""

    def __init__(self, asset: str, money: str) -> None:
        self.asset, self.money = asset, money
        self.held: Counter[tuple[str, str]] = Counter()

    def book(self, sale: Sale) -> None:
        """Book one sale."""
        held, asset, money = self.held, self.asset, self.money
        coins, fee = sale.qty * 10**10, sale.fee * 10**10
        worth, cash = sale.qty * sale.px * 10**8, sale.stated * 10**8
        held["reserved", asset] -= coins
        held["sold", asset] += coins
        held["proceeds", money] -= worth
        held["venue_cash:" + sale.venue, money] += cash
        held["rounding", money] += worth - cash
        held["fees:trading", sale.fee_in] += fee
        if sale.fee_in == asset:
            held["reserved", asset] -= fee
        else:
            held["venue_cash:" + sale.venue, sale.fee_in] -= fee

    def balances(self) -> dict[tuple[str, str], Decimal]:
        """Every account that is not empty, as exact numbers."""
        return {key: Decimal(f"{amount}e-{SMALLEST}") for key, amount in self.held.items() if amount}
