"""The report states nothing that the record does not hold: small records, and the sentences that they may not have."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from executor.domain.case_events import HoldingMoved, PlanFrozen
from executor.domain.events import ChildParked, ChildRejected, ChildUnknown, ParentWaiting, ParentWorking
from executor.journal.line import Line
from executor.report.blocks import Section
from executor.report.casefile import CaseFile, casefile
from executor.report.sections_case import intake, plan
from executor.report.sections_incidents import incidents
from executor.report.sections_money import deposit
from executor.report.words import Words
from tests.domain.events_made import AT, D, closed, created, filled, intended

PARENT, CASE = "parent/abcdefghij", "case/CASE-1"


def record(*told: tuple[str, Any]) -> CaseFile:
    """A case of these events by stream, a second apart."""
    versions: dict[str, int] = {}
    lines = []
    for second, (stream, event) in enumerate(told):
        versions[stream] = versions.get(stream, 0) + 1
        at = AT + timedelta(seconds=second)
        lines.append(Line(stream=stream, version=versions[stream], case_id="CASE-1", at=at, event=event))
    return casefile("CASE-1", lines)


def sale(*events: Any) -> CaseFile:
    """A case of one parent order."""
    return record((PARENT, created()), *((PARENT, event) for event in events))


def said(made: Callable[[CaseFile, Words], Section], case: CaseFile, language: str = "en") -> str:
    return " ".join(each for each in made(case, Words(language)).blocks if isinstance(each, str))


def unknown(number: int) -> ChildUnknown:
    return ChildUnknown(client_order_id=f"abcdefghij-{number}", message="no answer in time")


def moved(to_state: str) -> HoldingMoved:
    return HoldingMoved(asset="BTC", qty=D(1), from_state="accepted", to_state=to_state, evidence={}, who="op")


def test_that_two_people_must_approve_is_a_rule_and_not_what_they_did() -> None:
    frozen = PlanFrozen(plan_hash="cd" * 32, frozen={}, drafter="zhang", expires_at=AT + timedelta(days=1))
    case = record((CASE, frozen))
    assert "may be executed only after two people other than its drafter have approved it" in said(plan, case)
    assert "方可执行" in said(plan, case, "zh")


def test_no_deposit_was_paid_where_the_record_holds_none() -> None:
    assert said(deposit, sale()) == "The record holds no deposit."


def test_coins_on_their_way_are_not_said_to_be_credited() -> None:
    assert said(intake, record((CASE, moved("in_transit")))).startswith("These transfers have been recorded so far")
    assert "credited at licensed Hong Kong venues" in said(intake, record((CASE, moved("credited"))))


def test_an_order_that_rests_may_be_filled_while_the_price_holds_the_sale_back() -> None:
    waited = sale(
        intended(1, "5", post_only=True), ParentWaiting(rule="floor", reason=""), filled(1, "t", "5"), ParentWorking()
    )
    assert "Nothing was sold" not in said(incidents, waited)
    assert "No order was sent meanwhile" in said(incidents, waited)


def test_orders_without_an_answer_are_counted_once_each_with_what_became_of_them() -> None:
    parked = ChildParked(client_order_id="abcdefghij-1", reason="asking did not settle it")
    gone = ChildRejected(client_order_id="abcdefghij-3", reason="", code="", message="")
    case = sale(
        intended(1, "1"), unknown(1), unknown(1), parked, intended(2, "2"), unknown(2), filled(2, "t", "2"),
        closed(2, "2"), intended(3, "2"), gone,
    )  # fmt: skip
    assert case.unknowns() == (1, 1)
    assert "did not answer at once: 2. Of these, ended since: 1; still open at the end of the record: 1." in said(
        incidents, case
    )
    assert "共 2 笔，其中 1 笔已了结，截至记录终点尚未了结 1 笔" in said(incidents, case, "zh")
    assert "answer at once" not in said(incidents, sale())


@pytest.mark.parametrize(
    ("rule", "en", "zh"),
    [
        ("quotes.best", "not the best quote", "非最优报价"),
        ("venue.hours", "outside the venue's hours", "平台非交易时段"),
        ("cap.order_value", "cap (Value of an order, at most)", "卖出限额（单笔委托金额上限）"),
    ],
)
def test_rules_that_hold_the_sale_back_have_words_of_their_own(rule: str, en: str, zh: str) -> None:
    assert (Words("en").rule(rule), Words("zh").rule(rule)) == (en, zh)
