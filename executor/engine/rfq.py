"""One RFQ clip: ask every dealer at once, keep every answer, take the best price, accept it exactly once."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import cast

from adapters.clock import Clock
from adapters.venue import Fill, Quote, Rejected, RfqVenue, Unauthorized, VenueError
from executor.domain.events import (
    ChildAcknowledged,
    ChildClosed,
    ChildIntended,
    ChildNotSent,
    ChildUnknown,
    QuoteAnswer,
    QuotesAsked,
    Top,
)
from executor.domain.ids import client_order_id
from executor.domain.orders import Child
from executor.domain.parent import Parent
from executor.domain.plan import OtcLeg
from executor.engine.at_once import all_at_once
from executor.engine.child import outcome_of, recorded
from executor.engine.desk import Desk
from executor.engine.parent_log import ParentLog
from executor.errors import GuardHalts, NotNow, RuleRefused
from executor.guards import floor
from executor.guards.verdict import Action
from executor.strategy.quotes import Choice, choose


class QuoteOrders:
    """Asks for quotes and accepts them, for one parent."""

    def __init__(self, log: ParentLog, desk: Desk, clock: Clock) -> None:
        self._log = log
        self._desk = desk
        self._clock = clock

    async def clip(
        self, number: int, leg: OtcLeg, piece: int, qty: Decimal, tops: list[Top], held: Collection[str] = ()
    ) -> tuple[Choice, Child | None]:
        """Ask for ``qty`` at every RFQ venue but the ``held`` ones, record all answers and the choice, and accept the
        chosen quote. The child's outcome may be unknown: the caller resolves it before anything else is asked."""
        asked_at = self._clock.now()
        mine = [n for n, s in self._desk.seats.items() if s.venue.traits.rfq and (not leg.venues or n in leg.venues)]
        seats = [n for n in mine if n not in held and not self._log.state.broken(n)]
        answers = await all_at_once([self._ask(name, qty) for name in seats])
        quotes = [quote for _, quote in answers if quote is not None]
        choice = self._choose(leg, qty, quotes, seats)
        chosen = choice.quote
        await self._log.record(
            QuotesAsked(
                leg=number,
                slice=piece,
                qty=qty,
                asked_at=asked_at,
                answers=[answer for answer, _ in answers],
                chosen=chosen.quote_id if chosen else "",
                why=choice.why,
                tops=tops,
            )
        )
        if chosen is None:
            return choice, None
        intent = await self._log.intend(chosen.venue, lambda state: self._intent(number, piece, chosen, state, tops))
        if intent is None:
            return choice, None
        child = self._log.state.children[intent.client_order_id]
        await self.accept(child, chosen)
        return choice, child

    def _choose(self, leg: OtcLeg, qty: Decimal, quotes: Sequence[Quote], seats: Sequence[str]) -> Choice:
        """The quote to take. Without a lowest price none is, and all are kept all the same."""
        try:
            limit = self._limit(leg, qty, quotes)
        except NotNow as undefined:
            return Choice(None, undefined.rule, str(undefined))
        barred = {quote.quote_id: why for quote in quotes if (why := self._barred(quote, qty))}
        choice = choose(
            [quote for quote in quotes if quote.quote_id not in barred],
            limit_px=limit,
            min_quotes=leg.min_quotes,
            now_at={name: self._desk.venue_now(name) for name in seats},
            min_life_left={name: self._rfq(name).traits.rfq.min_life_left for name in seats},  # type: ignore[union-attr]
        )
        left = [f"{q.notional} at {q.venue} left out: {barred[q.quote_id]}" for q in quotes if q.quote_id in barred]
        return replace(choice, why="; ".join([choice.why, *left]))

    def _limit(self, leg: OtcLeg, qty: Decimal, quotes: Sequence[Quote]) -> Decimal:
        """The lowest price for a clip of ``qty``, by the strictest of the venues that quote. Raises ``NotNow``."""
        bounds = [self._log.lowest(quote.venue, qty, quote=True) for quote in quotes]
        own = leg.limit_px or self._log.state.spec.floor_px
        return max([own, *(bound.px for bound in bounds if bound is not None)])

    def _barred(self, quote: Quote, qty: Decimal) -> str:
        """Why this quote cannot be taken however good it is; empty if it can."""
        if self._desk.free_qty(quote.venue, "rfq", self._log.state) < qty:
            return "too little is credited there"
        most = self._log.gate.order_value
        return "it is worth more than one order may be" if most is not None and quote.notional > most else ""

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
        answer = QuoteAnswer(
            venue=name,
            quote_id=quote.quote_id,
            px=quote.px,
            notional=quote.notional,
            created_at=quote.created_at,
            expires_at=quote.expires_at,
            received_at=self._clock.now(),
            executable=quote.executable,
        )
        if quote.qty != qty:
            # A price for another size is no answer to what was asked.
            return QuoteAnswer(venue=name, quote_id=quote.quote_id, refusal=f"quoted {quote.qty}, asked {qty}"), None
        return answer, quote

    def _intent(self, leg: int, piece: int, quote: Quote, state: Parent, tops: list[Top]) -> ChildIntended | None:
        if quote.qty > state.leg_leaves(leg) or state.broken(quote.venue):
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
