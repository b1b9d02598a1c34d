"""The best of enough quotes, or another one under a rule that two people have signed: what the engine lets through.

Guards `quotes.best` and `quotes.number` of the gate: the tests that put another choice in the place of the engine's own
fail when the gate does not look at the recorded round."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.clock import LoopClock
from adapters.venue import Quote, Rejected, RejectReason
from executor.domain.canonical import digest
from executor.domain.case_events import ChangeAgreed, ChangeProposed, KeyRevoked, PersonEnrolled
from executor.domain.events import ChildIntended, ParentWaiting, QuoteCameLate, QuotesAsked
from executor.domain.ids import frozen_plan, plan_hash
from executor.domain.plan import Affiliate, Mandate, Plan
from executor.domain.preferences import preference_values
from executor.domain.signing import change_message, public_hex, sign
from executor.engine import rfq
from executor.engine.rehearsal import _STAND_INS
from executor.engine.runner import Runner
from executor.errors import ExecutorError, RuleRefused
from executor.guards import best_quote
from executor.guards.verdict import ALLOW
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.strategy.quotes import Choice
from tests.approved import approve, write
from tests.engine.rig import OTC, START, MemoryStore, Ran, exact, mandate, plan, virtual
from tests.engine.scripted_venue import ScriptedVenue

D = Decimal
OPERATOR, CHECKER, RISK = _STAND_INS


def two() -> tuple[ScriptedVenue, ScriptedVenue]:
    """Alpha pays 100000, beta 100500: 49.75 basis points more."""
    alpha, beta = (ScriptedVenue(LoopClock(START), name) for name in ("alpha", "beta"))
    beta.quote_px = D(100_500)
    return alpha, beta


def signed(
    asked: Plan, desk: str = "alpha", bps: str = "50", hours: int = 1, by: tuple[str, ...] = (CHECKER, RISK)
) -> list[Any]:
    """The operator asks for a preference and ``by`` agree to it."""
    found = plan_hash(frozen_plan("CASE-1", asked.model_dump(mode="json")))
    values = preference_values("CASE-1", found, desk, D(bps), START + timedelta(hours=hours), "it settles today")
    change = digest(values)
    events: list[Any] = [ChangeProposed(change_hash=change, change=values, who=OPERATOR)]
    for person in by:
        key = _STAND_INS[person][1]
        signature = sign(key, change_message("CASE-1", change))
        events.append(ChangeAgreed(change_hash=change, person=person, public_key=public_hex(key), signature=signature))
    return events


async def run(
    *venues: ScriptedVenue, rules: Any = (), people: Any = (), affiliates: tuple[str, ...] = (), **leg: object
) -> Ran:
    asked, case = plan(OTC | leg, venues=[each.name for each in venues]), mandate()
    related = tuple(Affiliate(name=name, relation="sister company") for name in affiliates)
    case = Mandate.model_validate(case.model_copy(update={"affiliates": related}).model_dump())
    store, lines = MemoryStore(), list[Line]()
    approve(store, case, asked, START)
    write(store, "case/CASE-1", "CASE-1", list(rules(asked)) if rules else [], START)
    write(store, "people", "", list(people), START)
    one = Runner(case, asked, venues, Journal(store, threaded=False), venues[0].clock, observer=lines.append)
    fault: ExecutorError | None = None
    try:
        await one.run()
    except ExecutorError as error:
        fault = error
    return Ran(one.state, fault, lines)


@virtual
async def test_a_preferred_desk_is_taken_before_a_better_one_and_the_record_says_why() -> None:
    alpha, beta = two()
    end = await run(alpha, beta, rules=signed)
    rounds = end.events(QuotesAsked)
    assert [(each.chosen_venue, bool(each.preference)) for each in rounds] == [("alpha", True)] * 2
    assert "not the best of 2 live quotes" in rounds[0].why
    assert f"signed by {CHECKER}, {RISK}: it settles today" in rounds[0].why
    exact(end.state, alpha, beta)
    assert beta.accepted == []


@pytest.mark.parametrize(
    "rules",
    [
        lambda asked: signed(asked, bps="49"),
        lambda asked: signed(asked, by=(CHECKER,)),
        lambda asked: signed(asked, by=(CHECKER, OPERATOR)),
        lambda asked: signed(asked, hours=-1),
    ],
    ids=["beyond its bound", "one signature", "the asker's own signature", "expired"],
)
@virtual
async def test_without_a_rule_in_force_the_best_is_taken(rules: Any) -> None:
    alpha, beta = two()
    end = await run(alpha, beta, rules=rules)
    assert [each.chosen_venue for each in end.events(QuotesAsked)] == ["beta", "beta"]
    assert alpha.accepted == []


@virtual
async def test_a_revoked_key_takes_its_signature_from_the_rule() -> None:
    """The plan still has both of its approvals by other keys, or nothing would be sold at all."""
    alpha, beta = two()
    spare = Ed25519PrivateKey.from_private_bytes(bytes([9] * 32))
    end = await run(alpha, beta, rules=lambda asked: _signed_by_spare(asked, spare), people=_spare_revoked(spare))
    assert [each.chosen_venue for each in end.events(QuotesAsked)] == ["beta", "beta"]
    exact(end.state, alpha, beta)


def _signed_by_spare(asked: Plan, spare: Any) -> list[Any]:
    *others, last = signed(asked)
    message = change_message("CASE-1", last.change_hash)
    return [
        *others,
        ChangeAgreed(
            change_hash=last.change_hash, person=RISK, public_key=public_hex(spare), signature=sign(spare, message)
        ),
    ]


def _spare_revoked(spare: Any) -> list[Any]:
    key = public_hex(spare)
    return [
        PersonEnrolled(person=RISK, name="stand-in", public_key=key, who="admin", rehearsal=True),
        KeyRevoked(person=RISK, public_key=key, voids=[], who="admin", why="lost"),
    ]


def worst(quotes: list[Quote], left: Any, **_: Any) -> Choice:
    """A choice that someone put in the place of the engine's own."""
    return Choice(min(quotes, key=lambda each: each.notional), "", "a friend")


@virtual
async def test_a_quote_that_is_not_the_best_is_not_accepted_whoever_chooses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfq, "choose", worst)
    alpha, beta = two()
    end = await run(alpha, beta)
    assert (alpha.accepted, beta.accepted, end.events(ChildIntended)) == ([], [], [])
    assert {each.rule for each in end.events(ParentWaiting)} == {"quotes.best"}
    assert "50000.0 at alpha is not the best quote, 50250.0 at beta" in end.events(ParentWaiting)[0].reason


@virtual
async def test_without_the_guard_the_same_choice_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the gate does not look at the recorded round, and every clip goes to the friend for less."""
    monkeypatch.setattr(rfq, "choose", worst)
    monkeypatch.setattr(best_quote, "check", lambda *_: ALLOW)
    alpha, beta = two()
    await run(alpha, beta)
    assert (len(alpha.accepted), beta.accepted) == (2, [])


@virtual
async def test_with_a_signed_rule_the_same_choice_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfq, "choose", worst)
    alpha, beta = two()
    end = await run(alpha, beta, rules=signed)
    exact(end.state, alpha, beta)
    assert len(alpha.accepted) == 2


@virtual
async def test_one_quote_of_two_that_the_plan_wants_is_not_accepted_whoever_chooses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rfq, "choose", worst)
    alpha, beta = two()
    beta.quote_errors.append(Rejected("beta", "none", reason=RejectReason.NO_PRICE))
    end = await run(alpha, beta, min_quotes=2)
    assert isinstance(end.fault, RuleRefused)
    assert "quotes.number: 1 quotes can be accepted, the plan wants 2" in str(end.fault)
    assert alpha.accepted == []


@virtual
async def test_a_quote_that_is_not_in_the_record_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """More money than the record of the round shows: a quote made up by whoever calls the engine."""

    def invented(quotes: list[Quote], left: Any, **_: Any) -> Choice:
        return Choice(Quote(**{n: getattr(quotes[0], n) for n in Quote.__slots__} | {"notional": D(60_000)}), "", "")

    monkeypatch.setattr(rfq, "choose", invented)
    alpha = ScriptedVenue(LoopClock(START))
    end = await run(alpha)
    assert "quotes.record: the record of the last round holds no such quote of alpha" in str(end.fault)
    assert alpha.accepted == []


@virtual
async def test_a_desk_in_the_register_of_affiliates_may_not_buy() -> None:
    """Where the venue's answer names the desk, the best quote of a sister company is kept, named and left out."""
    alpha, beta = two()
    beta.counterparty = "Sister Desk"
    end = await run(alpha, beta, affiliates=("SISTER DESK",))
    assert len(alpha.accepted) == 2
    answer = end.events(QuotesAsked)[0].answers[1]
    assert (answer.venue, answer.counterparty, answer.left_out) == ("beta", "Sister Desk", "conflict")
    assert "Sister Desk stands in the register of affiliates" in end.events(QuotesAsked)[0].why
    exact(end.state, alpha, beta)


@virtual
async def test_a_desk_in_the_register_does_not_count_as_competition() -> None:
    alpha, beta = two()
    beta.counterparty = "Sister Desk"
    end = await run(alpha, beta, affiliates=("sister desk",), min_quotes=2)
    assert (alpha.accepted, beta.accepted) == ([], [])
    assert {each.rule for each in end.events(ParentWaiting)} == {"quotes"}


@virtual
async def test_a_desk_in_the_register_does_not_buy_whoever_chooses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfq, "choose", worst)
    monkeypatch.setattr(rfq.QuoteOrders, "_left_out", lambda *_: None)
    alpha = ScriptedVenue(LoopClock(START))
    alpha.counterparty = "Sister Desk"
    end = await run(alpha, affiliates=("sister desk",))
    assert "conflict: Sister Desk stands in the register of affiliates and may not buy" in str(end.fault)
    assert alpha.accepted == []


@virtual
async def test_without_the_guard_a_desk_in_the_register_buys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of both: neither the round nor the gate compares the desk with the register."""
    monkeypatch.setattr(best_quote, "check", lambda *_: ALLOW)
    monkeypatch.setattr(rfq.QuoteOrders, "_left_out", lambda *_: None)
    alpha = ScriptedVenue(LoopClock(START))
    alpha.counterparty = "Sister Desk"
    await run(alpha, affiliates=("sister desk",))
    assert len(alpha.accepted) == 2


@virtual
async def test_every_answer_keeps_its_times_also_one_for_another_size() -> None:
    alpha, beta = two()
    beta.quote_qty = D("0.4")
    end = await run(alpha, beta)
    answer = end.events(QuotesAsked)[0].answers[1]
    assert (answer.left_out, answer.qty, answer.px) == ("size", D("0.4"), D(100_500))
    assert None not in (answer.created_at, answer.expires_at, answer.received_at)


@virtual
async def test_a_desk_that_is_slow_is_not_waited_for_and_its_late_answer_is_kept() -> None:
    """The others' quotes would run out of life meanwhile: the best of those that came in time is taken."""
    alpha, beta = two()
    beta.quote_takes = timedelta(seconds=9)
    end = await run(alpha, beta)
    exact(end.state, alpha, beta)
    assert beta.accepted == []
    (first, *_), (late, *_) = end.events(QuotesAsked), end.events(QuoteCameLate)
    assert (first.answers[1].left_out, first.answers[1].refusal) == ("late", "no answer within 0:00:04")
    assert (late.answer.quote_id, late.answer.px, late.answer.left_out) == ("beta-q1", D(100_500), "late")
    assert late.answer.received_at == first.asked_at + timedelta(seconds=9)
    assert len(end.events(QuoteCameLate)) == 2


@virtual
async def test_a_desk_that_is_slow_is_no_competition() -> None:
    alpha, beta = two()
    beta.quote_takes = timedelta(seconds=9)
    end = await run(alpha, beta, min_quotes=2)
    assert (alpha.accepted, beta.accepted) == ([], [])
    assert {each.rule for each in end.events(ParentWaiting)} == {"quotes"}
