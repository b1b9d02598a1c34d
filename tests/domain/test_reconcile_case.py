"""Reconciliation to zero: an error of one satoshi or one cent anywhere is one break on its line; a gap is missing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from executor.domain.books import books_of
from executor.domain.ledger import sums
from executor.domain.postings import fill_postings
from executor.domain.reconcile_case import COIN_STEPS, DEPOSIT_STEPS, MONEY_STEPS, Verdict, reconcile_case
from executor.domain.settlement_events import LedgerCorrected, PostingEntry
from tests.domain.case_settled import AT, SECOND, D, Recorded, coins, opened, paper, sales, settled

LATER = AT + timedelta(hours=1)
LINES = [*COIN_STEPS, *MONEY_STEPS[1:], "statement", *DEPOSIT_STEPS]
CASE = settled()


def verdict(lines: list[Recorded]) -> Verdict:
    books = books_of(lines)
    assert not any(sums(books.ledger.trial_balance()).values())
    return reconcile_case(books, LATER)


def test_a_whole_case_is_zero() -> None:
    found = verdict(CASE)
    assert [line.name for line in found.lines] == LINES
    assert found.zero, found.lines
    assert found.matching.queue == []


def test_the_ledger_of_a_whole_case_holds_nothing_on_the_way() -> None:
    """What is left stands where things end; in each currency it sums to zero."""
    ledger = books_of(CASE).ledger
    left = {line.account for line in ledger.trial_balance()}
    ends = {"entrusted", "sold", "proceeds", "fx", "rounding", "treasury"}
    assert left - ends == {"fees:bank", "fees:conversion", "fees:trading", "fees:withdrawal"}


# Which line an error in a field must break: by kind of event, then by field if they differ.
LINE_OF = {
    "CaseOpened": "inventory",
    "DepositPosted": "deposit_posted",
    "DepositReleased": "deposit_released",
    "FillRecorded": "fills",
    "StatementImported": "statement",
    "FiatWithdrawn": "withdrawal",
    "BankCredited": "bank",
    "SafeApproved": "safe",
    "FxConverted": "conversion",
    "CaseAccountCredited": "case_account",
    "ReceiptRecorded": "receipt",
    "ProceedsDelivered": "delivery",
}
COIN_LINE = {"in_transit": "sent", "credited": "credited", "reserved": "reserved", "sold": "sold", "fees": "sold"}
SATOSHI, CENT = D("0.00000001"), D("0.01")


def _step(field: str, event: Any) -> Decimal:
    if field == "rate":
        return D("0.0001")
    if field == "qty" or (field == "fee" and getattr(event, "fee_asset", "") == "BTC"):
        return SATOSHI
    return CENT


def _errors() -> list[Any]:
    """Every amount in every line, one step up and one step down, with the line on which it must show."""
    found = []
    for place, line in enumerate(CASE):
        event, kind = line.event, type(line.event).__name__
        name = COIN_LINE[event.to_state] if kind == "HoldingMoved" else LINE_OF.get(kind, "")
        if not name:
            continue
        for sign in (1, -1):
            for field, changed in _changed(event, sign):
                mutated = [*CASE[:place], replace(line, event=changed), *CASE[place + 1 :]]
                found.append(pytest.param(mutated, name, id=f"{line.stream}#{line.version} {kind} {field} {sign:+d}"))
    return found


def _changed(event: Any, sign: int) -> list[tuple[str, Any]]:
    if type(event).__name__ == "CaseOpened":
        (holding,), deposit = event.mandate["holdings"], event.mandate["deposit"]
        more = {"holdings": [holding | {"qty": str(D(holding["qty"]) + sign * SATOSHI)}]}
        return [("holdings", msgspec.structs.replace(event, mandate=event.mandate | more | {"deposit": deposit}))]
    if type(event).__name__ == "StatementImported":
        return [
            (f"rows[{number}].{field}", _row_changed(event, number, changed))
            for number, row in enumerate(event.rows)
            for field, changed in _changed(row, sign)
        ]
    return [
        (field, msgspec.structs.replace(event, **{field: getattr(event, field) + sign * _step(field, event)}))
        for field in event.__struct_fields__
        if isinstance(getattr(event, field), Decimal)
    ]


def _row_changed(event: Any, number: int, row: Any) -> Any:
    return msgspec.structs.replace(event, rows=[*event.rows[:number], row, *event.rows[number + 1 :]])


@pytest.mark.parametrize(("lines", "name"), _errors())
def test_one_satoshi_or_one_cent_is_one_break_on_its_line(lines: list[Recorded], name: str) -> None:
    found = verdict(lines)
    assert [line.name for line in found.breaks] == [name], found.lines
    assert not found.missing


def test_another_deposit_in_the_mandate_shows_where_it_was_paid_in() -> None:
    opened = CASE[0].event
    deposit = opened.mandate["deposit"] | {"amount": "7000000.01"}
    other = msgspec.structs.replace(opened, mandate=opened.mandate | {"deposit": deposit})
    found = verdict([replace(CASE[0], event=other), *CASE[1:]])
    assert [line.name for line in found.breaks] == ["deposit_posted"]


def test_a_contract_note_that_is_overdue_is_a_break_and_one_that_is_not_is_none() -> None:
    """Only a statement came from osl; the trades are of Monday, 23 November 2026, so notes are due on the 25th."""
    usd, _ = sales()
    lines = [line for line in CASE if getattr(line.event, "venue", "") != "osl" or line.stream != "case/CASE-1"]
    lines += [line for line in CASE if type(line.event).__name__ == "FiatWithdrawn" and line.event.venue == "osl"]
    lines.append(Recorded("case/CASE-1", 90, AT, paper("osl", usd, "statement")))
    books = books_of(lines)
    assert reconcile_case(books, AT + timedelta(days=2)).zero
    (broken,) = reconcile_case(books, AT + timedelta(days=3)).breaks
    assert (broken.name, broken.residual) == ("statement", {})
    assert broken.details[0] == "osl u1: contract note overdue, was due by 2026-11-25 in Hong Kong"
    assert len(broken.details) == 2
    assert reconcile_case(books, AT + timedelta(days=3), {AT.date() + timedelta(days=1)}).zero  # a holiday between


# --- what is missing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in LINES if name not in ("fills", "deposit_agreed")])
def test_a_step_that_was_left_out_is_missing_and_nothing_else(name: str) -> None:
    """All papers of one step are left out: that line is missing, whatever the others say stays as it is."""
    kinds = {line: kind for kind, line in LINE_OF.items()}
    lines = [
        line
        for line in CASE
        if not (
            type(line.event).__name__ == kinds.get(name) or COIN_LINE.get(getattr(line.event, "to_state", "")) == name
        )
    ]
    found = verdict(lines)
    also = ["deposit_agreed"] if name == "inventory" else []  # both stand in the mandate
    assert [line.name for line in found.missing] == [name, *also]
    assert not found.breaks


def test_after_the_sale_everything_else_is_missing() -> None:
    """Nothing is assumed; what waits is named where it waits."""
    sale = [line for line in CASE if line.stream != "case/CASE-1" or line.version <= 6]
    found = verdict(sale)
    assert [line.name for line in found.missing] == [*MONEY_STEPS[1:], "statement", "deposit_released"]
    waits = next(line for line in found.lines if line.name == "withdrawal")
    assert waits.residual == {"USD": D("570266.689366"), "HKD": D("2958038.5")}


def test_real_losses_between_two_papers_stand_on_the_later_one() -> None:
    """A cent that left the venue and never came to the bank, every later paper in agreement with that."""
    lines = [line for line in CASE if type(line.event).__name__ not in ("SafeApproved", "FxConverted")]
    place = next(n for n, line in enumerate(lines) if type(line.event).__name__ == "BankCredited")
    bank = lines[place].event
    short = msgspec.structs.replace(bank, amount=bank.amount - CENT, net=bank.net - CENT)
    found = verdict([*lines[:place], replace(lines[place], event=short), *lines[place + 1 :]])
    assert [(line.name, line.residual) for line in found.breaks] == [("bank", {"USD": CENT})]


def test_money_withdrawn_from_the_wrong_venue_shows() -> None:
    lines = []
    for line in CASE:
        other = line.event
        if type(other).__name__ == "FiatWithdrawn" and other.currency == "USD":
            other = msgspec.structs.replace(other, venue="hashkey")
        lines.append(replace(line, event=other))
    assert [line.name for line in verdict(lines).breaks] == ["withdrawal"]


def test_a_fill_that_is_missing_and_one_too_many() -> None:
    lost = [line for line in CASE if getattr(line.event, "trade_id", "") != "h2"]
    assert [line.name for line in verdict(lost).breaks] == ["fills"]
    fill = next(line for line in CASE if getattr(line.event, "trade_id", "") == "h2")
    again = replace(fill, version=9, event=msgspec.structs.replace(fill.event, trade_id="h3"))
    assert [line.name for line in verdict([*CASE, again]).breaks] == ["fills"]


def test_a_corrected_fill_is_what_counts() -> None:
    """A fill is recorded with a cent too much of fee; reversed and booked anew, the case is zero again."""
    place = next(n for n, line in enumerate(CASE) if getattr(line.event, "trade_id", "") == "h1")
    fill = CASE[place]
    wrong = replace(fill, event=msgspec.structs.replace(fill.event, fee=fill.event.fee + CENT))
    lines = [*CASE[:place], wrong, *CASE[place + 1 :]]
    assert [line.name for line in verdict(lines).breaks] == ["fills"]
    instead = [
        PostingEntry(account=each.account, currency=each.currency, amount=each.amount)
        for each in fill_postings(fill.event, "BTC", "HKD")
    ]
    ref = f"{fill.stream}#{fill.version}"
    correction = LedgerCorrected(reverses=ref, postings=instead, why="note", who="se", second=SECOND)
    assert verdict([*lines, Recorded("case/CASE-1", 99, AT, correction)]).zero


def test_recalled_coins_are_followed_until_they_are_back() -> None:
    """Missing until they are returned; a break if one satoshi is not."""
    steps = ("accepted", "in_transit", "credited")
    way = [opened(), *(coins("10", source, target) for source, target in pairwise(steps))]
    recall = coins("10", "credited", "recalled")
    for back, status in ((None, "missing"), ("9.99999999", "break"), ("10", "ok")):
        events = [*way, recall, *([coins(back, "recalled", "returned")] if back else [])]
        found = verdict([Recorded("case/CASE-1", n, AT, event) for n, event in enumerate(events, start=1)])
        lines = {line.name: line for line in found.lines}
        assert lines["returned"].status == status
        assert lines["credited"].status == "ok"


def test_coins_that_went_back_need_no_sale() -> None:
    """All coins returned in kind: nothing is missing but the deposit's way back."""
    events = [opened(), CASE[1].event, coins("10", "accepted", "returned")]
    found = verdict([Recorded("case/CASE-1", n, AT, event) for n, event in enumerate(events, start=1)])
    assert not found.breaks
    assert [line.name for line in found.missing] == ["deposit_released"]


def test_a_fee_taken_in_coins_is_booked_and_leaves_nothing_over() -> None:
    lines = settled()
    whole = books_of(lines)
    assert reconcile_case(whole, AT).zero
    assert whole.ledger.balance("fees:trading", "BTC") == D("0.00000001")
    assert whole.ledger.balance("reserved", "BTC") == 0
    assert whole.ledger.balance("sold", "BTC") == D("9.99999999")
    without = [line for line in lines if getattr(line.event, "to_state", "") != "fees"]
    (broken,) = reconcile_case(books_of(without), AT).breaks
    assert (broken.name, broken.residual) == ("sold", {"BTC": D("0.00000001")})
