"""One RFQ clip: ask every dealer at once, keep every answer, take the best price, accept it exactly once."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import cast

import msgspec

from adapters.clock import Clock
from adapters.leave import asking
from adapters.venue import Fill, Quote, Rejected, RfqVenue, Unauthorized, VenueError
from executor.domain.events import (
    ChildAcknowledged,
    ChildClosed,
    ChildIntended,
    ChildNotSent,
    ChildUnknown,
    QuoteAnswer,
    QuoteCameLate,
    QuotesAsked,
    Top,
)
from executor.domain.ids import client_order_id
from executor.domain.money import ZERO
from executor.domain.orders import Child
from executor.domain.parent import Parent
from executor.domain.plan import OtcLeg
from executor.engine.child import outcome_of, recorded
from executor.engine.desk import Desk
from executor.engine.parent_log import ParentLog
from executor.engine.stop import Stop
from executor.errors import GuardHalts, NotNow, RuleRefused
from executor.guards import floor
from executor.guards.verdict import Action
from executor.strategy.quotes import Choice, LeftOut, choose, key, left_out


class QuoteOrders:
    """Asks for quotes and accepts them, for one parent."""

    def __init__(self, log: ParentLog, desk: Desk, clock: Clock, patience: timedelta, stop: Stop) -> None:
        self._log = log
        self._desk = desk
        self._clock = clock
        self._patience = patience
        self._stop = stop

    async def clip(
        self, number: int, leg: OtcLeg, piece: int, qty: Decimal, tops: list[Top], held: Collection[str] = ()
    ) -> tuple[Choice, Child | None]:
        """Ask for ``qty`` at every RFQ venue but the ``held`` ones, record all answers and the choice, and accept the
        chosen quote. The child's outcome may be unknown: the caller resolves it before anything else is asked. Who has
        not answered in time is not waited for; a late answer is recorded when it comes."""
        asked_at = self._clock.now()
        mine = [n for n, s in self._desk.seats.items() if s.venue.traits.rfq and (not leg.venues or n in leg.venues)]
        asked = {
            name: asyncio.create_task(self._ask(name, qty))
            for name in mine
            if name not in held and name not in self._log.state.broken
        }
        try:
            if asked:
                wait = self._patience.total_seconds()
                await asyncio.wait(asked.values(), timeout=wait, return_when=asyncio.FIRST_EXCEPTION)
            late = [name for name, task in asked.items() if not task.done()]
            answers = [self._late(name) if name in late else task.result() for name, task in asked.items()]
            choice = self._choose(leg, qty, [quote for _, quote in answers if quote is not None])
            said = [_judged(answer, choice.left_out) for answer, _ in answers]
            await self._log.record(_round(number, piece, qty, asked_at, said, choice, tops))
            child = await self._take(number, piece, choice.quote, tops)
            for name in late:
                answer, _ = await asked[name]
                words = f"it came after {self._patience}, when the choice was made"
                answer = msgspec.structs.replace(answer, left_out="late", left_why=words)
                await self._log.record(QuoteCameLate(leg=number, slice=piece, answer=answer))
            return choice, child
        finally:
            for task in asked.values():
                task.cancel()
            await asyncio.gather(*asked.values(), return_exceptions=True)

    def _late(self, name: str) -> tuple[QuoteAnswer, Quote | None]:
        words = f"no answer within {self._patience}"
        return QuoteAnswer(venue=name, refusal=words, left_out="late", left_why=words), None

    async def _take(self, number: int, piece: int, chosen: Quote | None, tops: list[Top]) -> Child | None:
        """Accept the chosen quote, if there is one and nothing forbids it."""
        if chosen is None:
            return None
        intent = await self._log.intend(chosen.venue, lambda state: self._intent(number, piece, chosen, state, tops))
        if intent is None:
            return None
        child = self._log.state.children[intent.client_order_id]
        await self.accept(child, chosen)
        return child

    def _choose(self, leg: OtcLeg, qty: Decimal, quotes: Sequence[Quote]) -> Choice:
        """The quote to take. Without a lowest price none is, and all are kept all the same."""
        undefined: NotNow | None = None
        try:
            limit = self._limit(leg, qty, quotes)
        except NotNow as none:
            limit, undefined = ZERO, none
        found = {key(quote): self._left_out(quote, qty, limit) for quote in quotes}
        left = {name: why for name, why in found.items() if why is not None}
        if undefined is not None:
            return Choice(None, undefined.rule, str(undefined), "", left)
        rules = self._log.gate.preferences(self._clock.now())
        return choose(quotes, left, min_quotes=leg.min_quotes, preferences=rules)

    def _limit(self, leg: OtcLeg, qty: Decimal, quotes: Sequence[Quote]) -> Decimal:
        """The lowest price for a clip of ``qty``, by the strictest of the venues that quote. Raises ``NotNow``."""
        now = self._clock.now()
        bounds = [self._log.lowest(quote.venue, qty, now, quote=True) for quote in quotes]
        own = leg.limit_px or self._log.state.spec.floor_px
        return max([own, *(bound.px for bound in bounds if bound is not None)])

    def _left_out(self, quote: Quote, qty: Decimal, limit: Decimal) -> LeftOut | None:
        """Why this quote cannot be taken however good it is; ``None`` if it can."""
        if self._log.gate.affiliate(quote.counterparty):
            return LeftOut("conflict", f"{quote.counterparty} stands in the register of affiliates and may not buy")
        if shut := self._desk.shut(quote.venue, "rfq"):
            return LeftOut("hours", shut)
        most = self._log.gate.order_value(self._clock.now())
        if most is not None and quote.notional > most:
            return LeftOut("order_value", "it is worth more than one order may be")
        if self._desk.free_qty(quote.venue, "rfq", self._log.state) < qty:
            return LeftOut("purse", "too little is credited there")
        traits = self._rfq(quote.venue).traits.rfq
        assert traits is not None  # only such venues are asked
        return left_out(quote, limit, self._desk.venue_now(quote.venue), traits.min_life_left)

    def _rfq(self, name: str) -> RfqVenue:
        return cast(RfqVenue, self._desk.seats[name].venue)

    async def _ask(self, name: str, qty: Decimal) -> tuple[QuoteAnswer, Quote | None]:
        spec = self._log.state.spec
        try:
            quote = await self._rfq(name).quote(spec.asset, spec.quote_asset, qty)
        except VenueError as error:
            if isinstance(error, Unauthorized):
                raise GuardHalts("venue.unauthorized", str(error)) from None
            return QuoteAnswer(venue=name, received_at=self._clock.now(), refusal=str(error)), None
        # A price for another size is no answer to what was asked.
        other = "" if quote.qty == qty else f"quoted {quote.qty}, asked {qty}"
        answer = QuoteAnswer(
            venue=name,
            quote_id=quote.quote_id,
            px=quote.px,
            notional=quote.notional,
            created_at=quote.created_at,
            expires_at=quote.expires_at,
            received_at=self._clock.now(),
            executable=quote.executable,
            counterparty=quote.counterparty,
            qty=quote.qty if other else None,
            refusal=other,
            left_out="size" if other else "",
            left_why=other,
        )
        return answer, None if other else quote

    def _intent(self, leg: int, piece: int, quote: Quote, state: Parent, tops: list[Top]) -> ChildIntended | None:
        if quote.qty > state.leg_leaves(leg) or quote.venue in state.broken:
            return None
        verdict = floor.check(quote.px, state.spec.floor_px)
        if verdict.action is not Action.ALLOW:
            raise RuleRefused(f"{verdict.rule}: {verdict.reason}")
        number = state.last_number + 1
        return ChildIntended(
            client_order_id=client_order_id(state.spec.parent_id, number),
            number=number,
            leg=leg,
            slice=piece,
            venue=quote.venue,
            method="rfq",
            symbol=self._desk.seats[quote.venue].symbol,
            qty=quote.qty,
            limit_px=quote.px,
            time_in_force="FOK",
            post_only=False,
            tops=tops,
            quote_id=quote.quote_id,
            notional=quote.notional,
            quote_expires_at=quote.expires_at,
        )

    async def accept(self, child: Child, quote: Quote) -> None:
        """Send the acceptance, once, if the quote still has the life that it needs, and record the outcome."""
        if not self._alive(child.venue, quote.expires_at):
            message = "the quote ran out of life before it was accepted"
            await self._log.record(ChildNotSent(client_order_id=child.client_order_id, message=message))
            return
        try:
            with asking(partial(self._log.why_not, child, self._stop)):
                fill = await self._rfq(child.venue).accept(quote, child.client_order_id)
        except VenueError as error:
            await self._log.record(outcome_of(child.client_order_id, error))
            if isinstance(error, Unauthorized):
                raise GuardHalts("venue.unauthorized", str(error)) from None
            if isinstance(error, Rejected):
                await self._desk.refresh(child.venue, self._log.state)
            return
        if (child.venue, fill.trade_id) in self._log.state.trades:
            message = f"the venue answers with trade {fill.trade_id}, which another order has made"
            await self._log.record(ChildUnknown(client_order_id=child.client_order_id, message=message))
            return
        await self.book(child, fill)

    def _alive(self, name: str, expires_at: datetime) -> bool:
        traits = self._rfq(name).traits.rfq
        return traits is not None and expires_at - self._desk.venue_now(name) >= traits.min_life_left

    async def book(self, child: Child, fill: Fill) -> None:
        """Record an executed quote: acknowledgement, fill and end in one write."""
        await self._log.record(
            ChildAcknowledged(
                client_order_id=child.client_order_id, venue_order_id=fill.venue_order_id, venue_status="EXECUTED"
            ),
            recorded(child, fill),
            ChildClosed(client_order_id=child.client_order_id, venue_status="EXECUTED", cum_qty=fill.qty),
        )
        if self._log.state.breach:
            raise GuardHalts("invariant", self._log.state.breach)


def _round(
    leg: int, piece: int, qty: Decimal, at: datetime, said: list[QuoteAnswer], choice: Choice, tops: list[Top]
) -> QuotesAsked:
    chosen = choice.quote
    return QuotesAsked(
        leg=leg,
        slice=piece,
        qty=qty,
        asked_at=at,
        answers=said,
        chosen=chosen.quote_id if chosen else "",
        chosen_venue=chosen.venue if chosen else "",
        preference=choice.preference,
        why=choice.why,
        tops=tops,
    )


def _judged(answer: QuoteAnswer, left: Mapping[tuple[str, str], LeftOut]) -> QuoteAnswer:
    """The answer with why it could not be taken, if it could not."""
    found = left.get((answer.venue, answer.quote_id))
    return answer if found is None else msgspec.structs.replace(answer, left_out=found.rule, left_why=found.why)
