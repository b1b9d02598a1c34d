"""Double entry in exact amounts: accounts, posting sets that sum to zero in each currency, and running balances.

Debits are above zero, credits below. A coin is a currency like any other; a sale meets it and the money in two halves
of one set, each of which sums to zero: coins go from ``reserved`` to ``sold``, money comes to ``venue_cash`` from
``proceeds``. Nothing here rounds.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from executor.domain.money import EXACT, ZERO, plain
from executor.errors import InvariantBroken

# Coins. Where they lie, and against it what the authority entrusted.
ENTRUSTED = "entrusted"
CUSTODY = "custody"
COINS_IN_TRANSIT = "coins_in_transit"
VENUE_ASSET = "venue_asset"
RESERVED = "reserved"
SOLD = "sold"
RECALLED = "recalled"
RETURNED = "returned"
# Money. ``venue_cash`` has one account for each venue.
VENUE_CASH = "venue_cash:"
PROCEEDS = "proceeds"
CASH_IN_TRANSIT = "cash_in_transit"
BANK = "bank"
FX = "fx"
CONVERTED = "converted"
CASE_ACCOUNT = "case_account"
TREASURY = "treasury"
VICTIMS = "victims"
ALLOCATED = "allocated"  # what a pool has handed to its member cases
DEPOSIT_HELD = "deposit_held"
INSTITUTION = "institution"
ROUNDING = "rounding"
UNEXPLAINED = "unexplained"  # what a paper says that does not add up: never left out, never smoothed
FEES_TRADING = "fees:trading"
FEES_WITHDRAWAL = "fees:withdrawal"
FEES_BANK = "fees:bank"
FEES_CONVERSION = "fees:conversion"

ACCOUNTS = (
    ENTRUSTED,
    CUSTODY,
    COINS_IN_TRANSIT,
    VENUE_ASSET,
    RESERVED,
    SOLD,
    RECALLED,
    RETURNED,
    PROCEEDS,
    CASH_IN_TRANSIT,
    BANK,
    FX,
    CONVERTED,
    CASE_ACCOUNT,
    TREASURY,
    VICTIMS,
    ALLOCATED,
    DEPOSIT_HELD,
    INSTITUTION,
    ROUNDING,
    UNEXPLAINED,
    FEES_TRADING,
    FEES_WITHDRAWAL,
    FEES_BANK,
    FEES_CONVERSION,
)


class Posting(NamedTuple):
    """One line of a posting set."""

    account: str
    currency: str
    amount: Decimal


def known_account(name: str) -> bool:
    """True for an account of this ledger."""
    return name in ACCOUNTS or (name.startswith(VENUE_CASH) and len(name) > len(VENUE_CASH))


def sums(postings: Iterable[Posting]) -> dict[str, Decimal]:
    """The sum of a posting set in each currency: all zero if it is good."""
    plus, found = EXACT.add, dict[str, Decimal]()
    for _, currency, amount in postings:
        found[currency] = plus(found[currency], amount) if currency in found else amount
    return found


def reversed_set(postings: Iterable[Posting]) -> list[Posting]:
    """The set that takes ``postings`` back."""
    return [Posting(account, currency, EXACT.minus(amount)) for account, currency, amount in postings]


class Ledger:
    """Running balances. Booking costs the same however much was booked before."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], Decimal] = {}

    def book(self, postings: Iterable[Posting]) -> None:
        """Add one set. Raises ``InvariantBroken``, and books nothing, unless it sums to zero in each currency."""
        lines = list(postings)
        for currency, total in sums(lines).items():
            if total:
                raise InvariantBroken(f"a posting set does not sum to zero: {plain(total)} {currency} in {lines}")
        plus, balances = EXACT.add, self.balances
        for account, currency, amount in lines:
            key = (account, currency)
            balances[key] = plus(balances[key], amount) if key in balances else amount

    def balance(self, account: str, currency: str) -> Decimal:
        """What stands on one account in one currency."""
        return self.balances.get((account, currency), ZERO)

    def under(self, account: str) -> dict[str, Decimal]:
        """What stands on an account, or on all accounts that begin with its name and a colon, by currency."""
        found: dict[str, Decimal] = {}
        for (name, currency), amount in self.balances.items():
            if amount and (name == account or (account.endswith(":") and name.startswith(account))):
                found[currency] = EXACT.add(found.get(currency, ZERO), amount)
        return found

    def trial_balance(self) -> Iterator[Posting]:
        """Every account that is not empty, in the order of names. In each currency they sum to zero."""
        for (account, currency), amount in sorted(self.balances.items()):
            if amount:
                yield Posting(account, currency, amount)
