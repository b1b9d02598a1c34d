"""Pooled sales: several cases sell together, and each gets its part by largest remainder, nothing lost.

The shares are fixed before the first sale. When the sale is over, each total is shared out in proportion to them by
the rule of :mod:`executor.domain.allocation`: the coins sold, in units no coarser than 10**-8; and at each venue price
times quantity, each fee, and the cash in whole units that a bank can pay (what lies below goes to the largest share).
The rounding of a case is what is left between these. All cases thus sell at one average price.
"""

from collections.abc import Mapping
from decimal import Decimal

from executor.domain import ledger as accounts
from executor.domain.allocation import finest, largest_remainder
from executor.domain.books import Books
from executor.domain.case import Case, HoldingState
from executor.domain.currency import UNITS
from executor.domain.events import FillRecorded, ParentCreated
from executor.domain.ledger import Posting
from executor.domain.money import EXACT, ZERO, add, plain
from executor.domain.people import People
from executor.domain.postings import HOLDING_ACCOUNTS
from executor.domain.settlement import refuse_second, refuse_settler
from executor.domain.settlement_events import CoinsPooled, FeeShare, PoolAllocated, PoolFormed, PoolShare

_COIN = Decimal("1E-8")  # shares are in no coarser unit, however the amounts are written
_GIVEN_BACK = (HoldingState.ACCEPTED, HoldingState.CREDITED)
_GONE = (HoldingState.SOLD, HoldingState.FEES)

Totals = dict[tuple[str, str], Decimal]  # by venue and currency


def formed(books: Books) -> PoolFormed | None:
    """How the pool was formed, if this case is one."""
    found = [entry.event for entry in books.standing() if isinstance(entry.event, PoolFormed)]
    return found[0] if found else None


def refuse_forming(case: Case, books: Books, people: People, event: PoolFormed) -> str:
    """Why the pool cannot be formed so; empty if it can."""
    if formed(books) is not None:
        return "the pool is formed already; shares are fixed once"
    if any(isinstance(entry.event, FillRecorded) for entry in books.entries.values()):
        return "shares are fixed before the first sale, and this case has sold"
    held = case.holdings.get(event.asset)
    total = sum(event.shares.values(), ZERO)
    if held is None or any(share <= 0 for share in event.shares.values()) or sum(held.values(), ZERO) != total:
        has = plain(sum(held.values(), ZERO)) if held else "0"
        return f"shares are above zero and sum to the inventory of the pool, {has} {event.asset}; these sum to {total}"
    if case.case_id in event.shares or len(event.shares) < 2:
        return "a pool has two or more member cases, and is none of them itself"
    return refuse_settler(case, event.who) or refuse_second(case, people, event)


def refuse_joining(case: Case, books: Books, people: People, event: CoinsPooled) -> str:
    """Why a member cannot give its coins to the pool; empty if it can."""
    if any(isinstance(entry.event, CoinsPooled) and entry.event.pool == event.pool for entry in books.standing()):
        return f"{case.case_id} has given its coins to {event.pool} already"
    return case.refuse_pooling(event) or refuse_settler(case, event.who) or refuse_second(case, people, event)


def refuse_allocation(case: Case, books: Books, event: PoolAllocated, finished: bool) -> str:
    """Why the pooled sale cannot be shared out now; empty if it can."""
    if any(isinstance(entry.event, PoolAllocated) for entry in books.standing()):
        return "the pooled sale is shared out already"
    if not finished:
        return "a parent order of the pool is not finished; what is sold is shared out once, at the end"
    if event != allocation(books, event.who):
        return "the pool has sold or moved coins meanwhile; run it again"
    elsewhere = {
        state.value: qty
        for state, qty in case.holdings[event.asset].items()
        if qty and state not in (*_GIVEN_BACK, *_GONE)
    }
    if elsewhere:
        where = ", ".join(f"{plain(qty)} {event.asset} {state}" for state, qty in elsewhere.items())
        return f"the pool still has {where}: what is on its way or promised cannot be given back yet"
    return refuse_settler(case, event.who)


def allocation(books: Books, who: str) -> PoolAllocated:
    """How the sales in the pool's books are shared out; if nothing was sold, nothing to each. Raises ``ValueError`` if
    the case is no pool."""
    pool = formed(books)
    if pool is None:
        raise ValueError("the case is no pool: `executor ledger pool form` comes first")
    qty, gross, rounding, fees = ZERO, Totals(), Totals(), Totals()
    for entry in books.entries.values():
        origin = books.entries[entry.corrects] if entry.corrects else entry
        if not isinstance(origin.event, FillRecorded):
            continue
        venue, market = origin.event.venue, books.created[origin.ref.partition("#")[0]]
        if market.asset != pool.asset:
            continue
        for posting in entry.postings:
            qty = add(qty, _take(posting, market, venue, gross, rounding, fees))
    coins = largest_remainder(qty, pool.shares, min(finest(qty, *pool.shares.values()), _COIN))
    worth, kept = _shared(gross, pool.shares), _shared(fees, pool.shares)
    _keep_coins(kept, fees, coins, pool)
    cash = _cash(gross, rounding, fees, pool)
    shares = []
    for case_id in sorted(pool.shares):
        mine = (worth[case_id], kept[case_id], cash[case_id])
        left = {key: _less(mine[0].get(key, ZERO), mine[1].get(key, ZERO), mine[2][key]) for key in mine[2]}
        parts = [_listed(each) for each in (mine[0], left, mine[1])]
        share = PoolShare(case_id=case_id, qty=coins[case_id], gross=parts[0], rounding=parts[1], fees=parts[2])
        shares.append(share)
    there = {state.value: books.ledger.balance(HOLDING_ACCOUNTS[state], pool.asset) for state in _GIVEN_BACK}
    unsold = {state: qty for state, qty in there.items() if qty}
    return PoolAllocated(asset=pool.asset, shares=shares, who=who, unsold=unsold)


def _take(
    posting: Posting, market: ParentCreated, venue: str, gross: Totals, rounding: Totals, fees: Totals
) -> Decimal:
    """Count one posting of a sale; the coins that it sells."""
    account, currency, amount = posting
    kept = {accounts.PROCEEDS: (gross, -1), accounts.ROUNDING: (rounding, 1), accounts.FEES_TRADING: (fees, 1)}
    if account in kept:
        into, sign = kept[account]
        key = (venue, currency)
        into[key] = add(into.get(key, ZERO), EXACT.multiply(amount, Decimal(sign)))
    return amount if account == accounts.SOLD and currency == market.asset else ZERO


def _shared(totals: Totals, shares: Mapping[str, Decimal]) -> dict[str, Totals]:
    """Each total shared out in its own finest unit, but no coarser than 10**-8."""
    found: dict[str, Totals] = {case_id: {} for case_id in shares}
    for key, total in totals.items():
        for case_id, part in largest_remainder(total, shares, min(finest(total), _COIN)).items():
            found[case_id][key] = part
    return found


def _keep_coins(kept: dict[str, Totals], fees: Totals, coins: Mapping[str, Decimal], pool: PoolFormed) -> None:
    """Share out the fees taken in coins by what each member has left of its own, which is in proportion to the shares
    but for the last unit, so that nobody gives more than it brought."""
    room = {case_id: EXACT.subtract(share, coins[case_id]) for case_id, share in pool.shares.items()}
    for key, total in fees.items():
        if key[1] != pool.asset or total > sum(room.values(), ZERO):
            continue  # no coins, or more than the pool has: then the reconciliation shows it
        able = {case_id: left for case_id, left in room.items() if left > 0}
        parts = largest_remainder(total, able, min(finest(total, *able.values()), _COIN))
        for case_id in room:
            kept[case_id][key] = parts.get(case_id, ZERO)
            room[case_id] = EXACT.subtract(room[case_id], kept[case_id][key])


def _cash(gross: Totals, rounding: Totals, fees: Totals, pool: PoolFormed) -> dict[str, Totals]:
    """The cash at each venue in whole units that a bank can pay; what lies below goes with the largest share."""
    found: dict[str, Totals] = {case_id: {} for case_id in pool.shares}
    largest = min(pool.shares, key=lambda case_id: (-pool.shares[case_id], case_id))
    for key in sorted(gross.keys() | rounding.keys() | fees.keys()):
        if key[1] == pool.asset:
            continue  # a fee taken in coins is no cash
        total = _less(gross.get(key, ZERO), rounding.get(key, ZERO), fees.get(key, ZERO))
        unit = UNITS.get(key[1], finest(total))
        below = EXACT.remainder(total, unit)
        for case_id, part in largest_remainder(EXACT.subtract(total, below), pool.shares, unit).items():
            found[case_id][key] = add(part, below) if case_id == largest else part
    return found


def _less(amount: Decimal, *others: Decimal) -> Decimal:
    for other in others:
        amount = EXACT.subtract(amount, other)
    return amount


def _listed(totals: Totals) -> list[FeeShare]:
    return [
        FeeShare(venue=venue, currency=currency, amount=amount)
        for (venue, currency), amount in sorted(totals.items())
        if amount
    ]
