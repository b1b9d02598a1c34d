"""Who may record which step of the settlement, and with what: the reasons for which a step is refused.

Money steps are recorded by the settlement role of the case, which is exclusive by person. What lets go of something
(money out of a venue, the deposit, an entry of the ledger, the shares of a pool) needs a second person besides: checker
or risk of the case, by a signature over exactly that event.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from executor.domain import ledger as accounts
from executor.domain.books import Books, not_yet_there
from executor.domain.canonical import digest
from executor.domain.case import Case
from executor.domain.case_events import CaseOpened, HoldingMoved
from executor.domain.currency import ROUNDINGS, UNITS, payable
from executor.domain.events import Event
from executor.domain.ledger import Posting, known_account, sums
from executor.domain.money import EXACT, ZERO, plain, times
from executor.domain.papers import adds_up
from executor.domain.people import APPROVERS, People, Role
from executor.domain.settlement_events import (
    BankCredited,
    CaseAccountCredited,
    CoinsPooled,
    Countersign,
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
)
from executor.domain.signing import verified

# The papers that each step must bring.
EVIDENCE: Mapping[type, tuple[str, ...]] = {
    DepositPosted: ("deposit_receipt",),
    DepositReleased: ("release_record",),
    FiatWithdrawn: ("withdrawal_advice",),
    BankCredited: ("bank_statement",),
    SafeApproved: ("approval_document",),
    FxConverted: ("conversion_slip",),
    CaseAccountCredited: ("credit_advice",),
    ReceiptRecorded: ("receipt",),
    ProceedsDelivered: ("delivery_record",),
}
ISSUERS = ("police", "court")
RECIPIENTS = ("treasury", "victims")
_PURPOSE = b"disposal-executor countersignature v1\n"


def countersign_message(case_id: str, event: Event) -> bytes:
    """The bytes that the second person signs: purpose, case, and the SHA-256 of the event's canonical form without the
    countersignature itself."""
    raw = msgspec.to_builtins(event, builtin_types=(Decimal, datetime))
    raw.pop("second", None)
    return _PURPOSE + f"{case_id}\n{digest(_spelled(raw))}\n".encode()


def _spelled(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    return [_spelled(item) for item in value] if isinstance(value, list | tuple) else value


def refuse_second(case: Case, people: People, event: Any) -> str:
    """Why the countersignature on ``event`` does not count; empty if it does."""
    second: Countersign = event.second
    if second.person == event.who:
        return f"{second.person} cannot countersign their own act"
    if case.roles.get(second.person) not in APPROVERS:
        return f"{second.person} is neither checker nor risk in this case"
    if people.speaks_for(second.public_key) != second.person:
        return f"the key does not speak for {second.person}: it is unknown, another's, or revoked"
    if not verified(second.public_key, countersign_message(case.case_id, event), second.signature):
        return "the countersignature does not fit this case and act"
    return ""


def refuse_settler(case: Case, who: str) -> str:
    """Why ``who`` may not record settlement; empty if they may."""
    if case.roles.get(who) is not Role.SETTLEMENT:
        return f"{who} does not have the role settlement in this case"
    return ""


def refuse_step(case: Case, books: Books, people: People, event: Any) -> str:
    """Why this step cannot be recorded; empty if it can."""
    checks: tuple[Callable[[], str], ...] = (
        lambda: refuse_settler(case, event.who),
        lambda: _refuse_evidence(books, event),
        lambda: _refuse_amounts(books, event),
        lambda: _refuse_words(case, people, event),
        lambda: _refuse_release(books, event) if isinstance(event, DepositReleased) else "",
        lambda: refuse_second(case, people, event) if hasattr(event, "second") else "",
    )
    return next((fault for check in checks if (fault := check())), "")


def _refuse_evidence(books: Books, event: Any) -> str:
    needed = EVIDENCE[type(event)]
    missing = [kind for kind in needed if not event.evidence.get(kind)]
    if missing:
        return f"evidence is missing: {', '.join(missing)}"
    for entry in books.standing():
        if type(entry.event) is type(event):
            twice = [kind for kind in needed if entry.event.evidence.get(kind) == event.evidence[kind]]
            if twice:
                return f"{twice[0]} {event.evidence[twice[0]]} is recorded already, as {entry.ref}"
    return ""


def _refuse_amounts(books: Books, event: Any) -> str:
    if event.currency not in UNITS:
        return f"banks are known to pay {', '.join(UNITS)}; {event.currency} is none of them"
    of_coins = isinstance(event, ReceiptRecorded) and event.amount == 0 and _all_returned(books)
    if event.amount <= 0 and not of_coins:
        return f"the amount {plain(event.amount)} is not above zero"
    paid = event.net if isinstance(event, FiatWithdrawn) else event.amount
    if not payable(paid, event.currency):
        return f"{plain(paid)} {event.currency} is no whole number of the smallest unit"
    if isinstance(event, FxConverted):
        return _refuse_conversion(event)
    if hasattr(event, "net") and event.net < 0:
        return f"what is left, {plain(event.net)} {event.currency}, is below zero"
    if not adds_up(event):
        return "the figures do not add up: amount less charges is not what is left; read the paper again"
    return ""


def _refuse_conversion(event: FxConverted) -> str:
    if event.to_currency not in UNITS or event.to_currency == event.currency:
        return f"{event.currency} cannot be converted to {event.to_currency}"
    if event.rounding not in ROUNDINGS:
        return f"roundings are {', '.join(ROUNDINGS)}"
    if event.rate <= 0:
        return "the rate is not above zero"
    if not adds_up(event):
        exact = plain(times(event.amount, event.rate))
        return (
            f"the figures do not add up: {plain(event.amount)} {event.currency} at {plain(event.rate)} are {exact} "
            f"{event.to_currency} before rounding ({event.rounding}) and charge; the rate is for one unit"
        )
    return ""


def _refuse_words(case: Case, people: People, event: Any) -> str:
    account = case.changes.proceeds_account(case.roles, people)
    if isinstance(event, CaseAccountCredited) and not account:
        return "an agreement to the last change of the account is void: two must agree to it again, or to another"
    if isinstance(event, CaseAccountCredited) and event.account != account:
        return f"proceeds go to '{account}', the account of this case, and to no other"
    if isinstance(event, ReceiptRecorded) and event.issuer not in ISSUERS:
        return f"a receipt comes from {' or '.join(ISSUERS)}"
    if isinstance(event, ProceedsDelivered) and event.to not in RECIPIENTS:
        return f"proceeds go to {' or '.join(RECIPIENTS)}"
    return ""


def _all_returned(books: Books) -> bool:
    """True where every coin that was entrusted went back. The receipt for that says zero."""
    returned = books.ledger.under(accounts.RETURNED)
    entrusted = books.ledger.under(accounts.ENTRUSTED)
    return bool(returned) and returned == {asset: EXACT.minus(amount) for asset, amount in entrusted.items()}


def _refuse_release(books: Books, event: DepositReleased) -> str:
    """The deposit goes back whole, on a receipt by police or court, when nothing is held or on its way any more. No
    source gives a rule for releasing a part."""
    entry = books.entries.get(event.receipt)
    if entry is None or not isinstance(entry.event, ReceiptRecorded) or event.receipt in books.corrected:
        return f"{event.receipt} is no receipt of police or court in the record; `executor settlement receipt` first"
    held = books.ledger.balance(accounts.DEPOSIT_HELD, event.currency)
    if event.amount != held:
        return f"the deposit is {plain(held)} {event.currency} and is released whole"
    # Account by account: what is too much on one and too little on another is not nothing.
    left = [f"{plain(amount)} {currency} ({account})" for account, currency, amount in not_yet_there(books.ledger)]
    if left:
        return f"the deposit still stands for {', '.join(left)} that are held or on their way"
    received, credited = _received(books)
    pooled = any(isinstance(entry.event, PoolFormed) for entry in books.standing())  # its members are credited, not it
    if received != credited and not pooled:
        both = sorted(received.keys() | credited.keys())
        said = ", ".join(
            f"{plain(received.get(each, ZERO))} of {plain(credited.get(each, ZERO))} {each}" for each in both
        )
        return f"receipts cover {said} credited to the account of the case"
    return ""


def _received(books: Books) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """What police or court have receipted, and what was credited to the account of the case, by currency."""
    received: dict[str, Decimal] = {}
    credited: dict[str, Decimal] = {}
    for entry in books.standing():
        event = entry.event
        if isinstance(event, ReceiptRecorded):
            if event.amount:  # that of returned coins says zero
                received[event.currency] = EXACT.add(received.get(event.currency, ZERO), event.amount)
        elif isinstance(event, CaseAccountCredited):
            credited[event.currency] = EXACT.add(credited.get(event.currency, ZERO), event.net)
    return received, credited


def refuse_correction(case: Case, books: Books, people: People, event: LedgerCorrected) -> str:
    """Why an entry cannot be taken back so; empty if it can."""
    fault = refuse_settler(case, event.who)
    if fault:
        return fault
    entry = books.entries.get(event.reverses)
    if entry is None:
        return f"the ledger has no entry {event.reverses}; `executor ledger show` lists them"
    if event.reverses in books.corrected:
        return f"{event.reverses} was reversed before, by {books.corrected[event.reverses]}"
    if isinstance(entry.event, CaseOpened | HoldingMoved):
        return "the inventory stands in the mandate, and coins are moved with `executor mandate move`"
    if isinstance(entry.event, CoinsPooled | PoolFormed | PoolAllocated | ShareReceived | LedgerCorrected):
        return "a pool is shared out once and a correction is final"
    postings = [Posting(each.account, each.currency, each.amount) for each in event.postings]
    unknown = [posting.account for posting in postings if not known_account(posting.account)]
    if unknown:
        return f"the ledger has no account {unknown[0]}"
    if any(sums(postings).values()):
        return "what is booked instead does not sum to zero in each currency"
    if not event.why:
        return "a correction needs a reason"
    return refuse_second(case, people, event)
