"""One test for each way in which a request for quote can go. A quote's id is its own idempotency key."""

from datetime import timedelta
from decimal import Decimal

import pytest

from adapters.clock import LoopClock
from adapters.venue import NotSent, Rejected, RejectReason, Unauthorized, Unknown
from executor.domain.events import (
    ChildParked,
    ChildRejected,
    ChildResolved,
    ChildUnknown,
    ParentHalted,
    ParentWaiting,
    QuotesAsked,
)
from executor.domain.orders import ParentStatus
from tests.engine.rig import OTC, START, Ran, exact, plan, ran, virtual
from tests.engine.scripted_venue import ScriptedVenue, Step

D = Decimal
NO_ANSWER = Unknown("alpha", "no answer")


def venue(*steps: Step, name: str = "alpha", free: str = "1") -> ScriptedVenue:
    return ScriptedVenue(LoopClock(START), name, free=free, script=steps)


async def asked(*venues: ScriptedVenue, **leg: object) -> Ran:
    return await ran(*venues, asked=plan(OTC | leg, venues=[one.name for one in venues]))


@virtual
async def test_every_answer_is_kept_and_the_best_is_taken() -> None:
    """Losers too: the record shows that the better quote won."""
    alpha, beta = venue(), venue(name="beta")
    beta.quote_px = D(100_500)
    end = await asked(alpha, beta)
    rounds = end.events(QuotesAsked)
    assert [round_.chosen for round_ in rounds] == ["beta-q1", "beta-q2"]
    assert all({answer.venue for answer in round_.answers} == {"alpha", "beta"} for round_ in rounds)
    exact(end.state, alpha, beta)


@virtual
async def test_two_venues_may_use_the_same_quote_id() -> None:
    """Ids are each venue's own: the better of two quotes of one id is taken, at its own venue."""
    alpha, beta = venue(), venue(name="beta")
    alpha.quote_px = D(100_500)
    named = beta.quote

    async def same(base: str, quote: str, qty: Decimal):  # type: ignore[no-untyped-def]
        found = await named(base, quote, qty)
        return found.__class__(
            **{n: getattr(found, n) for n in found.__slots__} | {"quote_id": f"alpha-q{beta.quotes}"}
        )

    beta.quote = same  # type: ignore[method-assign]
    end = await asked(alpha, beta)
    assert (len(alpha.accepted), len(beta.accepted)) == (2, 0)
    exact(end.state, alpha, beta)


@virtual
async def test_an_acceptance_without_answer_is_repeated_with_the_same_quote_id_and_trades_once() -> None:
    alpha = venue(Step(error=NO_ANSWER))
    end = await asked(alpha)
    assert end.events(ChildUnknown)
    assert alpha.accepted == ["alpha-q1", "alpha-q1", "alpha-q2"]
    exact(end.state, alpha)


@virtual
async def test_an_acceptance_that_never_arrived_trades_when_repeated() -> None:
    alpha = venue(Step(error=NO_ANSWER, effect=False), Step(error=NO_ANSWER, effect=False))
    end = await asked(alpha)
    assert alpha.accepted == ["alpha-q1"] * 3 + ["alpha-q2"]
    exact(end.state, alpha)


@pytest.mark.parametrize("has_ids", [True, False])
@virtual
async def test_a_trade_is_found_in_the_ledger_when_the_repetition_is_refused(has_ids: bool) -> None:
    """A refusal after an unanswered acceptance proves nothing about the first one: the ledger does, by quote id or,
    where it has none, by the exact amounts."""
    expired = Rejected("alpha", "expired", reason=RejectReason.EXPIRED)
    alpha = venue(Step(error=NO_ANSWER), Step(error=expired))
    alpha.ledger_has_ids = has_ids
    end = await asked(alpha)
    assert end.events(ChildRejected) == []
    exact(end.state, alpha)


@virtual
async def test_a_quote_that_never_traded_ends_absent_after_the_quiet_period() -> None:
    gone = Rejected("alpha", "expired", reason=RejectReason.EXPIRED)
    alpha = venue(Step(error=NO_ANSWER, effect=False), Step(error=gone, effect=False))
    end = await asked(alpha)
    assert [event.found for event in end.events(ChildResolved)] == [False]
    times = [line.at for line in end.lines if isinstance(line.event, ChildUnknown | ChildResolved)]
    assert times[-1] - times[-2] >= alpha.traits.quiet_period
    exact(end.state, alpha)


@virtual
async def test_a_ledger_that_cannot_be_read_shows_no_absence() -> None:
    """Guards the proof of absence: failed readings are not empty ones. The trade that the ledger hides for a while is
    found when it answers again."""
    gone = Rejected("alpha", "expired", reason=RejectReason.EXPIRED)
    alpha = venue(Step(error=NO_ANSWER), Step(error=gone))
    alpha.ledger_errors.extend([NotSent("alpha", "busy")] * 6)
    end = await asked(alpha)
    assert end.events(ChildParked) == []
    exact(end.state, alpha)


@virtual
async def test_a_ledger_that_never_answers_parks_the_quote() -> None:
    gone = Rejected("alpha", "expired", reason=RejectReason.EXPIRED)
    alpha = venue(Step(error=NO_ANSWER), Step(error=gone), free="2")
    alpha.ledger_errors.extend([NotSent("alpha", "busy")] * 1000)
    end = await asked(alpha)
    assert "no usable answer about the quote" in end.events(ChildParked)[0].reason
    assert alpha.sold <= D(1)
    assert end.state.exposure_qty == D("0.5")


@virtual
async def test_last_look_a_refused_acceptance_ends_the_child_and_the_next_clip_asks_again() -> None:
    alpha = venue(Step(error=Rejected("alpha", "price moved", reason=RejectReason.NO_PRICE), effect=False))
    end = await asked(alpha)
    assert [event.reason for event in end.events(ChildRejected)] == ["no_price"]
    assert alpha.accepted == ["alpha-q1", "alpha-q2", "alpha-q3"]
    exact(end.state, alpha)


@virtual
async def test_a_quote_that_expired_on_the_way_is_not_accepted_again() -> None:
    alpha = venue(Step(error=Rejected("alpha", "late", reason=RejectReason.EXPIRED), effect=False))
    end = await asked(alpha)
    assert len(set(alpha.accepted)) == len(alpha.accepted) == 3
    exact(end.state, alpha)


@virtual
async def test_a_quote_with_too_little_life_is_never_accepted() -> None:
    alpha = venue()
    alpha.quote_life = timedelta(seconds=1)
    end = await asked(alpha)
    assert alpha.accepted == []
    assert [event.rule for event in end.events(ParentWaiting)] == ["quotes"]
    assert end.state.status is ParentStatus.ENDED
    exact(end.state, alpha, qty="0")


@virtual
async def test_a_price_for_another_size_is_no_answer() -> None:
    alpha = venue()
    alpha.quote_qty = D("0.4")
    end = await asked(alpha)
    assert alpha.accepted == []
    assert end.events(QuotesAsked)[0].answers[0].refusal == "quoted 0.4, asked 0.5"


@virtual
async def test_too_few_quotes_wait_and_go_on_when_there_are_enough() -> None:
    alpha, beta = venue(), venue(name="beta")
    beta.quote_errors.extend([Rejected("beta", "none", reason=RejectReason.NO_PRICE)] * 2)
    end = await asked(alpha, beta, min_quotes=2)
    assert [event.rule for event in end.events(ParentWaiting)] == ["quotes"]
    assert "beta: none" in end.events(QuotesAsked)[0].answers[1].refusal
    exact(end.state, alpha, beta)


@virtual
async def test_a_quote_under_the_floor_waits_until_the_window_is_over() -> None:
    """Guards the floor for quotes: it is asked and recorded, and never accepted."""
    alpha = venue()
    alpha.quote_px = D("89999.99")
    end = await asked(alpha)
    assert alpha.accepted == []
    assert [event.rule for event in end.events(ParentWaiting)] == ["floor"]
    assert end.state.status is ParentStatus.ENDED


@pytest.mark.parametrize("where", ["quote", "accept"])
@virtual
async def test_unauthorized_halts(where: str) -> None:
    error = Unauthorized("alpha", "key")
    alpha = venue(*([Step(error=error, effect=False)] if where == "accept" else []))
    if where == "quote":
        alpha.quote_errors.append(error)
    end = await asked(alpha)
    assert [event.rule for event in end.events(ParentHalted)] == ["venue.unauthorized"]
    exact(end.state, alpha, qty="0")
