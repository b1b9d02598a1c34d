"""The books of one case: a fold over all its lines, whichever stream they stand in, to posting sets and balances.

Lines of one stream come in order; streams may come in any order, except that a correction takes effect when both it and
what it reverses are known. Nothing is stored: the books are derived from the record each time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from executor.domain import ledger as accounts
from executor.domain import postings
from executor.domain.case_events import CaseOpened, HoldingMoved
from executor.domain.events import FillRecorded, ParentCreated
from executor.domain.ledger import Ledger, Posting, reversed_set
from executor.domain.money import ZERO, add
from executor.domain.settlement_events import (
    BankCredited,
    CaseAccountCredited,
    CoinsPooled,
    DepositPosted,
    DepositReleased,
    FiatWithdrawn,
    FxConverted,
    LedgerCorrected,
    PoolAllocated,
    PoolFormed,
    ProceedsDelivered,
    ReceiptRecorded,
    SafeApproved,
    ShareReceived,
    StatementImported,
)
from executor.errors import RecordBroken

_SETS: dict[type, Any] = {
    CaseOpened: postings.opening,
    HoldingMoved: postings.holding,
    FiatWithdrawn: postings.withdrawal,
    BankCredited: postings.bank,
    FxConverted: postings.conversion,
    CaseAccountCredited: postings.case_account,
    ProceedsDelivered: postings.delivery,
    DepositPosted: postings.deposit,
    DepositReleased: postings.deposit,
    CoinsPooled: postings.pooled,
    PoolAllocated: postings.pool_allocated,
    ShareReceived: postings.share_received,
}


def reference(stream: str, version: int) -> str:
    """How an event is named in the ledger and on the command line."""
    return f"{stream}#{version}"


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that the books have taken, and what it booked (nothing, for a paper that moves no money). ``corrects``
    is the reference of the entry that it takes back."""

    ref: str
    at: datetime
    event: Any
    postings: tuple[Posting, ...]
    corrects: str = ""


class Books:
    """The ledger of one case and the entries it is made of, by reference."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.entries: dict[str, Entry] = {}
        self.corrected: dict[str, str] = {}  # what was reversed, by what
        self.created: dict[str, ParentCreated] = {}  # by stream
        self._waiting: dict[str, Entry] = {}  # corrections of what has not been seen yet

    def take(self, stream: str, version: int, at: datetime, event: object) -> None:
        """Take the next line of a stream. Raises ``RecordBroken`` if it contradicts what came before."""
        ref = reference(stream, version)
        if isinstance(event, ParentCreated):
            self.created[stream] = event
        elif isinstance(event, FillRecorded):
            spec = self.created.get(stream)
            if spec is None:
                raise RecordBroken(f"{ref}: a fill before its parent order")
            self._book(Entry(ref, at, event, tuple(postings.fill_postings(event, spec.asset, spec.quote_asset))))
        elif isinstance(event, LedgerCorrected):
            replaced = tuple(Posting(each.account, each.currency, each.amount) for each in event.postings)
            entry = Entry(ref, at, event, replaced, event.reverses)
            if event.reverses in self.entries:
                self._correct(entry)
            else:
                self._waiting[event.reverses] = entry
        elif type(event) in _SETS:
            self._book(Entry(ref, at, event, tuple(_SETS[type(event)](event))))
        elif _kept(event):
            self._book(Entry(ref, at, event, ()))

    def _book(self, entry: Entry) -> None:
        self.ledger.book(entry.postings)
        self.entries[entry.ref] = entry
        if entry.ref in self._waiting:
            self._correct(self._waiting.pop(entry.ref))

    def _correct(self, correction: Entry) -> None:
        if correction.corrects in self.corrected:
            raise RecordBroken(f"{correction.ref}: {correction.corrects} was reversed before")
        booked = (*reversed_set(self.entries[correction.corrects].postings), *correction.postings)
        self.ledger.book(booked)
        self.corrected[correction.corrects] = correction.ref
        self.entries[correction.ref] = Entry(
            correction.ref, correction.at, correction.event, booked, correction.corrects
        )

    @property
    def dangling(self) -> list[str]:
        """Corrections of what the books do not have."""
        return [entry.ref for entry in self._waiting.values()]

    def standing(self) -> Iterator[Entry]:
        """Every entry that was not reversed, corrections included."""
        return (entry for ref, entry in self.entries.items() if ref not in self.corrected)


def books_of(lines: Iterable[Any], until: datetime | None = None) -> Books:
    """The books after all ``lines`` (with stream, version, at, event), or after those recorded at or before ``until``.
    Raises ``RecordBroken`` if a correction names what is not there."""
    books = Books()
    for line in lines:
        if until is None or line.at <= until:
            books.take(line.stream, line.version, line.at, line.event)
    if books.dangling:
        raise RecordBroken(f"{books.dangling[0]} corrects an entry that the record does not have")
    return books


# --- what cover is measured from -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CoverFacts:
    """What a deposit stands against, each by currency or asset: the ``deposit`` posted and not released; the ``coins``
    still held wherever they lie, and those of them that are ``reserved`` for a plan; the ``proceeds`` on their way,
    from the venue's cash to the account of the case."""

    deposit: dict[str, Decimal]
    coins: dict[str, Decimal]
    proceeds: dict[str, Decimal]
    reserved: dict[str, Decimal]


_COINS = (accounts.CUSTODY, accounts.COINS_IN_TRANSIT, accounts.VENUE_ASSET, accounts.RESERVED, accounts.RECALLED)
_MONEY = (accounts.VENUE_CASH, accounts.CASH_IN_TRANSIT, accounts.BANK, accounts.CONVERTED)


def cover_facts(ledger: Ledger) -> CoverFacts:
    """The facts of cover as the ledger has them. Proceeds are on their way until they are credited to the account of
    the case; coins until they are sold or returned."""
    return CoverFacts(
        deposit=ledger.under(accounts.DEPOSIT_HELD),
        coins=_total(ledger, _COINS),
        proceeds=_total(ledger, _MONEY),
        reserved=ledger.under(accounts.RESERVED),
    )


def not_yet_there(ledger: Ledger) -> Iterator[Posting]:
    """Every account on which coins are held or money is on its way, and what stands on it."""
    for posting in ledger.trial_balance():
        if posting.account in (*_COINS, *_MONEY) or posting.account.startswith(accounts.VENUE_CASH):
            yield posting


def _total(ledger: Ledger, names: tuple[str, ...]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for name in names:
        for currency, amount in ledger.under(name).items():
            total[currency] = add(total.get(currency, ZERO), amount)
    return {currency: amount for currency, amount in total.items() if amount}


def _kept(event: object) -> bool:
    return isinstance(event, PoolFormed | ReceiptRecorded | SafeApproved | StatementImported)
