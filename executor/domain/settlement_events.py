"""The events of a case after its sale: the deposit, the money on its way to the treasury, venue papers, corrections.

They stand in ``case/ID`` beside the others. Each carries what a paper says, field by field, so that a paper that does
not add up is seen as such. Amounts are in units of the currency named; ``evidence`` maps a kind of paper to its
reference or hash.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from executor.domain.events import Event


class Countersign(msgspec.Struct, frozen=True, kw_only=True):
    """A second person's Ed25519 signature over purpose, case and the SHA-256 of the event without it."""

    person: str
    public_key: str
    signature: str


class DepositPosted(Event, frozen=True, kw_only=True):
    """The institution's performance deposit was paid in, or a guarantee was lodged (``form``)."""

    amount: Decimal
    currency: str
    form: str
    evidence: dict[str, str]
    who: str


class DepositReleased(Event, frozen=True, kw_only=True):
    """The deposit went back to the institution. ``receipt`` is the reference (``case/ID#VERSION``) of the receipt by
    police or court that it rests on."""

    amount: Decimal
    currency: str
    receipt: str
    evidence: dict[str, str]
    who: str
    second: Countersign


class FiatWithdrawn(Event, frozen=True, kw_only=True):
    """A venue paid money out: it debited ``amount``, kept ``fee`` and ``rounding`` (what lies below the smallest unit),
    and sent ``net`` to ``to_account``."""

    venue: str
    currency: str
    amount: Decimal
    fee: Decimal
    rounding: Decimal
    net: Decimal
    to_account: str
    evidence: dict[str, str]
    who: str
    second: Countersign


class BankCredited(Event, frozen=True, kw_only=True):
    """A bank received ``amount``, kept ``charge`` and credited ``net``."""

    bank: str
    currency: str
    amount: Decimal
    charge: Decimal
    net: Decimal
    evidence: dict[str, str]
    who: str


class SafeApproved(Event, frozen=True, kw_only=True):
    """The foreign-exchange authority (SAFE) approved that ``amount`` be brought in and converted."""

    currency: str
    amount: Decimal
    evidence: dict[str, str]
    who: str


class FxConverted(Event, frozen=True, kw_only=True):
    """A bank bought ``amount`` of ``currency`` at ``rate`` (``to_currency`` for one unit): ``gross`` is amount * rate
    rounded to the smallest unit as ``rounding`` says, ``net`` what is left of it after ``charge``."""

    bank: str
    currency: str
    amount: Decimal
    rate: Decimal
    to_currency: str
    gross: Decimal
    charge: Decimal
    net: Decimal
    rounding: str
    evidence: dict[str, str]
    who: str


class CaseAccountCredited(Event, frozen=True, kw_only=True):
    """Money reached the account of this case: ``amount`` came in, ``net`` was credited after ``charge``."""

    account: str
    currency: str
    amount: Decimal
    charge: Decimal
    net: Decimal
    evidence: dict[str, str]
    who: str


class ReceiptRecorded(Event, frozen=True, kw_only=True):
    """The ``issuer`` (police or court) confirmed in writing that it received ``amount`` of proceeds; zero where nothing
    was sold and it confirmed that all coins are back."""

    issuer: str
    currency: str
    amount: Decimal
    evidence: dict[str, str]
    who: str


class ProceedsDelivered(Event, frozen=True, kw_only=True):
    """The proceeds left the account of the case: ``to`` is ``treasury`` or ``victims``."""

    to: str
    currency: str
    amount: Decimal
    evidence: dict[str, str]
    who: str


class StatementRow(msgspec.Struct, frozen=True, kw_only=True):
    """One trade as a venue's statement or contract note has it. ``note`` is the number of the contract note, or
    empty."""

    trade_id: str
    qty: Decimal
    px: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime
    note: str = ""


class StatementImported(Event, frozen=True, kw_only=True):
    """Rows of a venue's paper: statement or contract note (``paper``). ``sha256`` is that of the file; a long file is
    kept in several events, the first row of which is number ``first_row`` (from 1)."""

    venue: str
    paper: str
    file: str
    sha256: str
    first_row: int
    rows: list[StatementRow]
    who: str


class PostingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a posting set: debits above zero, credits below."""

    account: str
    currency: str
    amount: Decimal


class LedgerCorrected(Event, frozen=True, kw_only=True):
    """The posting set of the event ``reverses`` (``STREAM#VERSION``) is taken back whole and ``postings`` are booked in
    its place, which sum to zero in each currency and may be none."""

    reverses: str
    postings: list[PostingEntry]
    why: str
    who: str
    second: Countersign


class PoolFormed(Event, frozen=True, kw_only=True):
    """The coins of this case are those of several: ``shares`` maps case to what it brought in, base units. Fixed before
    the first sale."""

    asset: str
    shares: dict[str, Decimal]
    who: str
    second: Countersign


class CoinsPooled(Event, frozen=True, kw_only=True):
    """Credited coins of this case are sold by the pool ``pool`` from now on; nobody else can reserve or recall them."""

    pool: str
    asset: str
    qty: Decimal
    who: str
    second: Countersign


class FeeShare(msgspec.Struct, frozen=True, kw_only=True):
    """A sum that arose at a venue, in one currency."""

    venue: str
    currency: str
    amount: Decimal


class PoolShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one case gets of a pooled sale: coins sold, ``gross`` and ``rounding`` in ``quote_asset`` at each venue, and
    its part of the fees. Cash is gross less rounding less fees."""

    case_id: str
    qty: Decimal
    gross: list[FeeShare]
    rounding: list[FeeShare]
    fees: list[FeeShare]


class PoolAllocated(Event, frozen=True, kw_only=True):
    """The pooled sale was shared out by largest remainder; stands in the pool's stream and covers every share.
    The ``unsold`` coins, by the state that they are in, are its members' again (an older record does not say so)."""

    asset: str
    shares: list[PoolShare]
    who: str
    unsold: dict[str, Decimal] = msgspec.field(default_factory=dict)


class ShareReceived(Event, frozen=True, kw_only=True):
    """The part of a pooled sale that belongs to this case; stands in the member's stream. ``source`` is the reference
    of the ``PoolAllocated`` it comes from; ``unsold`` coins come back from the pool."""

    pool: str
    source: str
    asset: str
    share: PoolShare
    unsold: Decimal
    who: str


SettlementEvent = (
    DepositPosted
    | DepositReleased
    | FiatWithdrawn
    | BankCredited
    | SafeApproved
    | FxConverted
    | CaseAccountCredited
    | ReceiptRecorded
    | ProceedsDelivered
    | StatementImported
    | LedgerCorrected
    | PoolFormed
    | CoinsPooled
    | PoolAllocated
    | ShareReceived
)
