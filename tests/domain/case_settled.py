"""A whole case from entrustment to treasury, as the lines of its streams: two markets, two venues, a fee in coins.

10 BTC are sold for USD at osl and for HKD at hashkey; each currency is withdrawn, banked, approved and converted by
itself; the RMB go to the account of the case, are receipted by the police and delivered to the treasury."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from executor.domain.books import Books, books_of
from executor.domain.case_events import CaseOpened, HoldingMoved
from executor.domain.events import FillRecorded
from executor.domain.settlement_events import (
    BankCredited,
    CaseAccountCredited,
    Countersign,
    DepositPosted,
    DepositReleased,
    FiatWithdrawn,
    FxConverted,
    ProceedsDelivered,
    ReceiptRecorded,
    SafeApproved,
    StatementImported,
    StatementRow,
)
from tests.domain.events_made import AT, created, filled

D = Decimal
SECOND = Countersign(person="ch", public_key="00", signature="00")
ZERO = D(0)


@dataclass(frozen=True)
class Recorded:
    """A line of the record, as far as the books look at it."""

    stream: str
    version: int
    at: datetime
    event: Any


def opened(qty: str = "10") -> CaseOpened:
    mandate = {"holdings": [{"asset": "BTC", "qty": qty}], "deposit": {"amount": "7000000.00", "currency": "CNY"}}
    return CaseOpened(case_id="CASE-1", mandate=mandate, mandate_hash="00", who="op")


def coins(qty: str, source: str, target: str) -> HoldingMoved:
    return HoldingMoved(asset="BTC", qty=D(qty), from_state=source, to_state=target, evidence={"e": "1"}, who="op")


def sales() -> tuple[list[FillRecorded], list[FillRecorded]]:
    """Those in USD and those in HKD. The first is a quote: its money is cut to cents."""
    usd = [
        filled(1, "u1", "3.33333333", "95000.01", venue="osl", notional=D("316666.69"), fee=ZERO),
        filled(2, "u2", "2.66666666", "95100", venue="osl", fee=D("0.00000001"), fee_asset="BTC"),
    ]
    hkd = [
        filled(3, "h1", "3", "740000", venue="hashkey", fee=D("2220"), fee_asset="HKD"),
        filled(4, "h2", "1", "741000", venue="hashkey", fee=D("741.5"), fee_asset="HKD"),
    ]
    return usd, hkd


def paper(venue: str, fills: Sequence[FillRecorded], kind: str = "contract-note") -> StatementImported:
    """The venue's paper that says what the fills say."""
    rows = [
        StatementRow(
            trade_id=fill.trade_id,
            qty=fill.qty,
            px=fill.px,
            notional=fill.notional,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            at=fill.at,
        )
        for fill in fills
    ]
    return StatementImported(venue=venue, paper=kind, file="f.csv", sha256=venue, first_row=1, rows=rows, who="se")


def money() -> list[Any]:
    """The way of the money, every figure in agreement."""
    usd = D("316666.69") + D("2.66666666") * D(95_100)  # 570266.686 USD at osl
    hkd = D(3 * 740_000 + 741_000) - D("2961.5")
    first, second = D("570241.68") - D(20), hkd - D(150)
    gross = [(first * D("7.1234")).quantize(D("0.01")), (second * D("0.9131")).quantize(D("0.01"))]
    got = [gross[0] - D("55.10"), gross[1] - D("44.90")]
    total = sum(got, ZERO)
    common: dict[str, Any] = {"evidence": {"e": "1"}, "who": "se"}
    out: dict[str, Any] = common | {"to_account": "a", "second": SECOND}
    fx: dict[str, Any] = common | {"bank": "b", "to_currency": "CNY", "rounding": "half-up"}
    return [
        FiatWithdrawn(
            venue="osl", currency="USD", amount=usd, fee=D(25), rounding=usd % D("0.01"), net=first + 20, **out
        ),
        FiatWithdrawn(venue="hashkey", currency="HKD", amount=hkd, fee=D(100), rounding=ZERO, net=hkd - 100, **out),
        BankCredited(bank="b", currency="USD", amount=first + 20, charge=D(20), net=first, **common),
        BankCredited(bank="b", currency="HKD", amount=hkd - 100, charge=D(50), net=second, **common),
        SafeApproved(currency="USD", amount=first, **common),
        SafeApproved(currency="HKD", amount=second, **common),
        FxConverted(
            currency="USD", amount=first, rate=D("7.1234"), gross=gross[0], charge=D("55.10"), net=got[0], **fx
        ),
        FxConverted(
            currency="HKD", amount=second, rate=D("0.9131"), gross=gross[1], charge=D("44.90"), net=got[1], **fx
        ),
        CaseAccountCredited(account="a", currency="CNY", amount=total, charge=D(10), net=total - 10, **common),
        ReceiptRecorded(issuer="police", currency="CNY", amount=total - 10, **common),
        ProceedsDelivered(to="treasury", currency="CNY", amount=total - 10, **common),
    ]


def settled() -> list[Recorded]:
    """Every line of the case."""
    usd, hkd = sales()
    deposit: dict[str, Any] = {"amount": D("7000000.00"), "currency": "CNY", "evidence": {"e": "1"}, "who": "se"}
    events: list[Any] = [
        opened(),
        DepositPosted(form="cash", **deposit),
        coins("10", "accepted", "in_transit"),
        coins("10", "in_transit", "credited"),
        coins("10", "credited", "reserved"),
        coins("9.99999999", "reserved", "sold"),
        coins("0.00000001", "reserved", "fees"),
        paper("osl", usd),
        paper("hashkey", hkd),
        *money(),
        DepositReleased(receipt="case/CASE-1#19", second=SECOND, **deposit),
    ]
    streams = {
        "case/CASE-1": events,
        "parent/usd": [created(), *usd],
        "parent/hkd": [created(quote_asset="HKD"), *hkd],
    }
    return [
        Recorded(stream, version, AT + timedelta(minutes=version), event)
        for stream, found in streams.items()
        for version, event in enumerate(found, start=1)
    ]


def books(lines: Sequence[Recorded]) -> Books:
    return books_of(lines)
