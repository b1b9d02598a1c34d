"""How good the quotes were: each round with every answer, losers and refusals too."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from executor.domain.events import (
    ChildAcknowledged,
    ChildIntended,
    ChildNotSent,
    ChildRejected,
    Event,
    FillRecorded,
    QuoteAnswer,
    QuotesAsked,
    SliceStarted,
)
from executor.domain.money import ZERO
from executor.report.market_seen import composite


@dataclass(frozen=True, slots=True)
class Answer:
    """One venue's answer: a price only where it gave one, a ``rank`` only where that could be taken."""

    venue: str
    px: Fraction | None
    spread_bps: Fraction | None
    rank: int | None
    response_s: Fraction | None
    chosen: bool
    refusal: str
    left_out: str = ""


@dataclass(slots=True)
class Round:
    """One round of requests: the mid when it was asked, every answer, how far the best led the second, how long the
    venue held us, and whether it executed (``None``: nothing was accepted)."""

    asked_at: datetime
    leg: int
    qty: Fraction
    mid: Fraction | None
    why: str
    answers: list[Answer]
    cover_bps: Fraction | None
    chosen: str
    hold_s: Fraction | None = None
    executed: bool | None = None
    intent: str = field(default="", repr=False)


def rounds_of(events: Iterable[tuple[datetime, Event]]) -> list[Round]:
    """Every round of quotes. A record that does not hold the market of the round itself has that of the slice."""
    rounds: list[Round] = []
    by_quote: dict[tuple[str, str], Round] = {}  # by venue and id: ids are each venue's own
    by_order: dict[str, tuple[Round, datetime]] = {}
    sliced: Fraction | None = None
    for at, event in events:
        if isinstance(event, SliceStarted):
            sliced = None if event.mid_px is None else Fraction(event.mid_px)
        elif isinstance(event, QuotesAsked):
            mid = composite(event.tops)
            made = _round(event, sliced if mid is None else Fraction(mid))
            rounds.append(made)
            by_quote |= {(answer.venue, answer.quote_id): made for answer in event.answers if _chosen(answer, event)}
        elif isinstance(event, ChildIntended) and (event.venue, event.quote_id) in by_quote:
            accepted = by_quote[event.venue, event.quote_id]
            by_order[event.client_order_id] = (accepted, at)
            accepted.executed = False
        elif isinstance(event, ChildAcknowledged | ChildRejected | FillRecorded):
            _answered(by_order.get(event.client_order_id), at, executed=isinstance(event, FillRecorded))
        elif isinstance(event, ChildNotSent) and event.client_order_id in by_order:
            by_order[event.client_order_id][0].executed = None  # the venue was not asked for it
    return rounds


def _answered(held: tuple[Round, datetime] | None, at: datetime, *, executed: bool) -> None:
    if held is None:
        return
    found, since = held
    if found.hold_s is None:
        found.hold_s = _seconds(at - since)
    found.executed = found.executed or executed


def _round(event: QuotesAsked, mid: Fraction | None) -> Round:
    priced = [(px, answer) for answer in event.answers if (px := _net(answer, event)) is not None]
    best = sorted(((px, a) for px, a in priced if a.executable and not a.left_out), key=lambda each: -each[0])
    ranks = {(answer.venue, answer.quote_id): place for place, (_, answer) in enumerate(best, start=1)}
    answers = []
    for answer in event.answers:
        px = _net(answer, event)
        spread = None if px is None or mid is None else (mid - px) * 10_000 / mid
        took = None if answer.received_at is None else _seconds(answer.received_at - event.asked_at)
        rank, chosen = ranks.get((answer.venue, answer.quote_id)), _chosen(answer, event)
        answers.append(Answer(answer.venue, px, spread, rank, took, chosen, answer.refusal, answer.left_out))
    cover = (best[0][0] - best[1][0]) * 10_000 / best[0][0] if len(best) > 1 else None
    qty = Fraction(event.qty)
    return Round(event.asked_at, event.leg, qty, mid, event.why, answers, cover, event.chosen)


def _chosen(answer: QuoteAnswer, event: QuotesAsked) -> bool:
    """True for the answer that was taken. Older records name it by its id alone."""
    return bool(event.chosen) and answer.quote_id == event.chosen and event.chosen_venue in ("", answer.venue)


def _net(answer: QuoteAnswer, event: QuotesAsked) -> Fraction | None:
    """The price that the promised money says, for the quantity that was quoted; ``None`` for what is no quote."""
    qty = answer.qty or event.qty
    if not answer.quote_id or answer.px is None or qty == ZERO:
        return None
    return Fraction(answer.px) if answer.notional is None else Fraction(answer.notional) / Fraction(qty)


def _seconds(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 1_000_000)
