"""What each event does to the ledger: pure functions from an event to the posting set it stands for.

A paper whose own figures do not add up is booked as it stands; what is missing goes to ``unexplained``, so that every
set sums to zero and nothing is smoothed over.
"""

from collections.abc import Sequence
from decimal import Decimal

from executor.domain import ledger as accounts
from executor.domain.case_events import CaseOpened, HoldingMoved
from executor.domain.events import FillRecorded
from executor.domain.ledger import Posting
from executor.domain.money import EXACT, ZERO, add, times
from executor.domain.settlement_events import (
    BankCredited,
    CaseAccountCredited,
    CoinsPooled,
    DepositPosted,
    DepositReleased,
    FiatWithdrawn,
    FxConverted,
    PoolAllocated,
    PoolShare,
    ProceedsDelivered,
    ShareReceived,
)
from executor.errors import RecordBroken

# The account in which coins of each state stand.
HOLDING_ACCOUNTS = {
    "accepted": accounts.CUSTODY,
    "in_transit": accounts.COINS_IN_TRANSIT,
    "credited": accounts.VENUE_ASSET,
    "reserved": accounts.RESERVED,
    "sold": accounts.SOLD,
    "recalled": accounts.RECALLED,
    "returned": accounts.RETURNED,
}


def minus(amount: Decimal) -> Decimal:
    """The exact opposite."""
    return EXACT.minus(amount)


def moved(source: str, target: str, currency: str, amount: Decimal) -> list[Posting]:
    """``amount`` goes from one account to another."""
    return [Posting(source, currency, minus(amount)), Posting(target, currency, amount)] if amount else []


def fill_postings(fill: FillRecorded, asset: str, quote: str) -> list[Posting]:
    """A sale: coins from ``reserved`` to ``sold``; price times quantity to ``proceeds``, what the venue states to its
    cash, the difference to ``rounding``; the fee out of what it was taken from."""
    exact = times(fill.px, fill.qty)
    cash = accounts.VENUE_CASH + fill.venue
    postings = [
        Posting(accounts.RESERVED, asset, minus(fill.qty)),
        Posting(accounts.SOLD, asset, fill.qty),
        Posting(accounts.PROCEEDS, quote, minus(exact)),
        Posting(cash, quote, fill.notional),
    ]
    if exact != fill.notional:
        postings.append(Posting(accounts.ROUNDING, quote, EXACT.subtract(exact, fill.notional)))
    if fill.fee:
        payer = accounts.RESERVED if fill.fee_asset == asset else cash
        postings += moved(payer, accounts.FEES_TRADING, fill.fee_asset, fill.fee)
    return postings


def opening(event: CaseOpened) -> list[Posting]:
    """What was entrusted stands in custody."""
    return [
        posting
        for holding in event.mandate["holdings"]
        for posting in moved(accounts.ENTRUSTED, accounts.CUSTODY, holding["asset"], Decimal(holding["qty"]))
    ]


def holding(event: HoldingMoved) -> list[Posting]:
    """Coins change place. That coins were sold, or kept as a fee, is told by fills; a person's word for it is compared
    with them and moves nothing."""
    if event.to_state in ("sold", "fees"):
        return []
    try:
        source, target = HOLDING_ACCOUNTS[event.from_state], HOLDING_ACCOUNTS[event.to_state]
    except KeyError as state:
        raise RecordBroken(f"coins of {event.asset} were moved to or from {state}, which is no state") from None
    return moved(source, target, event.asset, event.qty)


def _split(source: str, currency: str, amount: Decimal, parts: Sequence[tuple[str, Decimal]]) -> list[Posting]:
    """``amount`` leaves ``source`` for ``parts``; what they do not account for is unexplained."""
    rest = amount
    postings = [Posting(source, currency, minus(amount))]
    for account, part in parts:
        rest = EXACT.subtract(rest, part)
        postings.append(Posting(account, currency, part))
    postings.append(Posting(accounts.UNEXPLAINED, currency, rest))
    return [posting for posting in postings if posting.amount]


def withdrawal(event: FiatWithdrawn) -> list[Posting]:
    """Venue cash leaves for the bank."""
    parts = [
        (accounts.FEES_WITHDRAWAL, event.fee),
        (accounts.ROUNDING, event.rounding),
        (accounts.CASH_IN_TRANSIT, event.net),
    ]
    return _split(accounts.VENUE_CASH + event.venue, event.currency, event.amount, parts)


def bank(event: BankCredited) -> list[Posting]:
    """Money arrives at the bank."""
    parts = [(accounts.FEES_BANK, event.charge), (accounts.BANK, event.net)]
    return _split(accounts.CASH_IN_TRANSIT, event.currency, event.amount, parts)


def conversion(event: FxConverted) -> list[Posting]:
    """Foreign money goes into ``fx``, its exact counter-value comes out; rounding and charge stand by themselves."""
    exact = times(event.amount, event.rate)
    parts = [
        (accounts.ROUNDING, EXACT.subtract(exact, event.gross)),
        (accounts.FEES_CONVERSION, event.charge),
        (accounts.CONVERTED, event.net),
    ]
    return [
        *moved(accounts.BANK, accounts.FX, event.currency, event.amount),
        *_split(accounts.FX, event.to_currency, exact, parts),
    ]


def case_account(event: CaseAccountCredited) -> list[Posting]:
    """Money reaches the account of the case."""
    parts = [(accounts.FEES_BANK, event.charge), (accounts.CASE_ACCOUNT, event.net)]
    return _split(accounts.CONVERTED, event.currency, event.amount, parts)


def delivery(event: ProceedsDelivered) -> list[Posting]:
    """Money goes to the treasury or back to the victims."""
    target = accounts.VICTIMS if event.to == "victims" else accounts.TREASURY
    return moved(accounts.CASE_ACCOUNT, target, event.currency, event.amount)


def deposit(event: DepositPosted | DepositReleased) -> list[Posting]:
    """The institution's deposit comes in or goes back."""
    way = (accounts.INSTITUTION, accounts.DEPOSIT_HELD)
    source, target = way if isinstance(event, DepositPosted) else (way[1], way[0])
    return moved(source, target, event.currency, event.amount)


def pooled(event: CoinsPooled) -> list[Posting]:
    """Coins are set aside for a pool."""
    return moved(accounts.VENUE_ASSET, accounts.RESERVED, event.asset, event.qty)


def share_received(event: ShareReceived) -> list[Posting]:
    """A member's part of a pooled sale, booked like a fill; unsold coins come back."""
    share = event.share
    postings = moved(accounts.RESERVED, accounts.SOLD, event.asset, share.qty)
    postings += moved(accounts.RESERVED, accounts.VENUE_ASSET, event.asset, event.unsold)
    for part in share.gross:
        postings += moved(accounts.PROCEEDS, accounts.VENUE_CASH + part.venue, part.currency, part.amount)
    for part in share.rounding:
        postings += moved(accounts.VENUE_CASH + part.venue, accounts.ROUNDING, part.currency, part.amount)
    for part in share.fees:
        payer = accounts.RESERVED if part.currency == event.asset else accounts.VENUE_CASH + part.venue
        postings += moved(payer, accounts.FEES_TRADING, part.currency, part.amount)
    return postings


def pool_allocated(event: PoolAllocated) -> list[Posting]:
    """The pool hands its cash and what it has not sold to the member cases."""
    cash: dict[tuple[str, str], Decimal] = {}
    for share in event.shares:
        for key, amount in share_cash(share, event.asset).items():
            cash[key] = add(cash.get(key, ZERO), amount)
    postings: list[Posting] = []
    for state, qty in event.unsold.items():
        postings += moved(HOLDING_ACCOUNTS[state], accounts.ALLOCATED, event.asset, qty)
    for (venue, currency), amount in sorted(cash.items()):
        postings += moved(accounts.VENUE_CASH + venue, accounts.ALLOCATED, currency, amount)
    return postings


def coin_fees(share: PoolShare, asset: str) -> Decimal:
    """What venues kept of the coins of a share as their fees."""
    kept = ZERO
    for part in share.fees:
        kept = add(kept, part.amount) if part.currency == asset else kept
    return kept


def share_cash(share: PoolShare, asset: str) -> dict[tuple[str, str], Decimal]:
    """What a share comes to in money: gross less rounding less fees, by venue and currency."""
    cash: dict[tuple[str, str], Decimal] = {}
    for parts, sign in ((share.gross, 1), (share.rounding, -1), (share.fees, -1)):
        for part in parts:
            if part.currency != asset:
                key = (part.venue, part.currency)
                cash[key] = add(cash.get(key, ZERO), times(part.amount, Decimal(sign)))
    return cash
