"""What must hold in every world, looked at from both sides: our record, and the mocked venues' own books.

The watch folds every line that becomes durable into a state of its own and checks after each one; it sees every
request as it leaves. Its last look, when the world is over, compares the record with the venues trade by trade.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import httpx

from adapters.mock.calls import Asked, Call
from adapters.mock.world import MockWorld
from executor.domain.events import ChildIntended, FillRecorded, QuoteCameLate, QuotesAsked
from executor.domain.money import ZERO
from executor.domain.orders import Child, ChildStatus, ParentStatus
from executor.domain.parent import Parent
from executor.domain.plan import Plan
from executor.errors import InvariantBroken
from executor.journal.line import Line, decode, encode
from executor.journal.sqlite import Row

_MOST_BREACHES = 10


@dataclass(frozen=True, slots=True)
class Execution:
    """A trade on the venue's own books. ``key`` is our client order id or, for a quote, the quote's id."""

    venue: str
    trade_id: str
    key: str
    qty: Decimal
    px: Decimal
    notional: Decimal
    fee: Decimal
    fee_asset: str


def executions(world: MockWorld) -> list[Execution]:
    """Every trade that both mocked venues have made for this account."""
    quote = world.spec.quote
    found = [
        Execution(
            venue,
            trade.trade_id,
            order.client_id,
            trade.qty,
            trade.px,
            trade.notional,
            trade.fee,
            trade.fee_asset,
        )
        for venue, exchange in world.exchanges.items()
        for order in exchange.orders.values()
        for trade in order.trades
    ]
    brokerage = world.apps["osl"].state.brokerage
    done = {quote_id: asked for quote_id, asked in brokerage.quotes.items() if asked.traded}
    # The brokerage books trades in the order in which their quotes were accepted, under an id made from the quote's.
    by_trade = {brokerage.trade_id(quote_id): asked for quote_id, asked in done.items()}
    for trade in brokerage.trades:
        asked = by_trade[trade.trade_id]
        found.append(Execution("osl", trade.trade_id, asked.quote_id, trade.qty, asked.px, trade.amount, ZERO, quote))
    for order_id, quote_id, qty, amount in world.apps["hashkey"].state.face.rfq.executed():
        found.append(Execution("hashkey", order_id, quote_id, qty, amount / qty, amount, ZERO, quote))
    return found


class Checker:
    """The watch over one world."""

    def __init__(self, world: MockWorld, plan: Plan) -> None:
        self.state = Parent()
        self.breaches: list[str] = []
        self.lines: list[str] = []
        self._world = world
        self._plan = plan
        self._sends: Counter[str] = Counter()
        self._fills: dict[tuple[str, str], FillRecorded] = {}
        self._quotes_recorded: set[str] = set()
        self._quotes_answered: dict[str, int] = {}
        self._clean = True

    def breach(self, what: str) -> None:
        """Note that something broke that must always hold."""
        if len(self.breaches) < _MOST_BREACHES:
            self.breaches.append(what)

    # --- as it goes -------------------------------------------------------------------------------------------------

    def durable(self, rows: Sequence[Row]) -> None:
        """Lines have become part of the record."""
        for row in rows:
            self.lines.append(row.line)
            line = decode(row.line)
            if encode(line) != row.line:
                self.breach(f"version {line.version} does not read back as it was written")
            if line.stream.startswith("parent/"):
                self._apply(line)
                self._check()

    def _apply(self, line: Line) -> None:
        event = line.event
        try:
            self.state.apply(event, line.at)
        except InvariantBroken as broken:
            self.breach(f"the record contradicts itself at version {line.version}: {broken}")
        if isinstance(event, FillRecorded):
            key = (event.venue, event.trade_id)
            if key in self._fills:
                self.breach(f"trade {event.trade_id} of {event.venue} is recorded twice")
            self._fills[key] = event
        elif isinstance(event, QuotesAsked):
            self._quotes_recorded |= {answer.quote_id for answer in event.answers if answer.quote_id}
        elif isinstance(event, QuoteCameLate):
            self._quotes_recorded.add(event.answer.quote_id)
        elif isinstance(event, ChildIntended) and event.limit_px < self._plan.floor_px:
            self.breach(f"{event.client_order_id} was intended at {event.limit_px}, under the floor")

    def _check(self) -> None:
        state = self.state
        if state.created is None:
            return
        if state.cum_qty + state.exposure_qty > self._plan.qty:
            self.breach(f"sold and exposed {state.cum_qty + state.exposure_qty} of {self._plan.qty}")
        if state.breach:
            self.breach(f"the fold reports: {state.breach}")
        sold = self.sold()
        if sold > self._plan.qty:
            self.breach(f"the venues sold {sold} of {self._plan.qty}")

    def sold(self) -> Decimal:
        """What left both venues' purses for good, by their own books."""
        orders = (order for exchange in self._world.exchanges.values() for order in exchange.orders.values())
        total = sum((order.cum_qty for order in orders), ZERO)
        total += sum((trade.qty for trade in self._world.apps["osl"].state.brokerage.trades), ZERO)
        return total + sum((qty for _, _, qty, _ in self._world.apps["hashkey"].state.face.rfq.executed()), ZERO)

    # --- on the wire ------------------------------------------------------------------------------------------------

    def sent(self, process: int, what: Asked) -> None:
        """A request leaves: an order only after its intent, at its limit, once and no more often than recorded."""
        if what.call is Call.PLACE:
            self._placing(process, what)
        elif what.call is Call.ACCEPT:
            children = [child for child in self.state.children.values() if child.quote_id == what.quote_id]
            if not children:
                self.breach("a quote was accepted without a durable intent")
                return
            if len(children) > 1:
                self.breach("one quote stands behind two children")
            if children[0].status is ChildStatus.CLOSED:
                self.breach(f"{children[0].client_order_id}: its quote was accepted after the record closed it")

    def _placing(self, process: int, what: Asked) -> None:
        child = self.state.children.get(what.client_id)
        if child is None:
            self.breach(f"{what.client_id} was sent by process {process} without a durable intent")
            return
        self._sends[what.client_id] += 1
        if what.venue == "osl" and self._sends[what.client_id] > 1:
            self.breach(f"{what.client_id} was sent again at a venue that does not say that it refuses a known id")
        if self._sends[what.client_id] > child.sends:
            self.breach(f"{what.client_id} was sent {self._sends[what.client_id]} times, recorded {child.sends}")
        if child.status is ChildStatus.CLOSED:
            self.breach(f"{what.client_id} was sent by process {process} after the record closed it")
        if (what.qty, what.px) != (child.qty, child.limit_px):
            self.breach(f"{what.client_id} was sent for {what.qty} at {what.px}, not as intended")
        if what.px < self._plan.floor_px:
            self.breach(f"{what.client_id} was sent at {what.px}, under the floor {self._plan.floor_px}")

    def answered(self, process: int, what: Asked, response: httpx.Response, *, genuine: bool) -> None:
        """An answer arrives: a quote that was read whole must come to stand in the record."""
        if what.call is not Call.QUOTE or not genuine or response.status_code != 200:
            return
        told = response.json()
        quote_id = told.get("quoteId") or told.get("quoteResponse", {}).get("quoteId")
        if quote_id:
            self._quotes_answered[str(quote_id)] = process

    def broke(self, error: Exception) -> None:
        """A mock failed: what follows proves nothing about the program."""
        self.breach(f"the mocked venue failed: {type(error).__name__}: {error}")

    # --- at the end -------------------------------------------------------------------------------------------------

    def last_look(self, excused: Iterable[int]) -> None:
        """Everything that can only be said when the world is over. ``excused`` are processes that ended in mid-air:
        what they had just heard may be lost with them."""
        self._compare_trades()
        self._compare_cash()
        self._one_order_per_id()
        self._nothing_left_open()
        gone = set(excused)
        for quote_id, process in self._quotes_answered.items():
            if quote_id not in self._quotes_recorded and process not in gone:
                self.breach(f"process {process} was given a quote ({quote_id[:24]}) that is not in the record")
        if not self.breaches:  # a record that is known to be broken need not fold at all
            self._refold()

    def _child_of(self, one: Execution) -> Child | None:
        children = self.state.children.values()
        return self.state.children.get(one.key) or next((c for c in children if c.quote_id == one.key), None)

    def _compare_trades(self) -> None:
        halted = self.state.status is ParentStatus.HALTED
        real = {(one.venue, one.trade_id): one for one in executions(self._world)}
        for key, one in real.items():
            if one.px < self._plan.floor_px and one.notional < one.qty * self._plan.floor_px - 1:
                self.breach(f"trade {one.trade_id} of {one.venue} was made at {one.px}, under the floor")
            ours = self._fills.get(key)
            if ours is None:
                self._clean = False
                child = self._child_of(one)
                reported = child is not None and (
                    child.status is ChildStatus.PARKED or (halted and child.status is not ChildStatus.CLOSED)
                )
                if not reported:
                    status = f"{child.client_order_id} is {child.status}: {child.outcome}" if child else "no child"
                    self.breach(f"trade {one.trade_id} of {one.venue} ({one.qty}) is not in the record; {status}")
            elif (ours.qty, ours.notional, ours.fee, ours.fee_asset) != (one.qty, one.notional, one.fee, one.fee_asset):
                self.breach(f"trade {one.trade_id} of {one.venue} is recorded as {ours}, it was {one}")
            elif self.state.children[ours.client_order_id].method == "book" and ours.px != one.px:
                self.breach(f"trade {one.trade_id} of {one.venue} is recorded at {ours.px}, it was at {one.px}")
        for venue, trade_id in self._fills.keys() - real.keys():
            self.breach(f"trade {trade_id} of {venue} is in the record and was never made")

    def _compare_cash(self) -> None:
        quote, held = self._world.spec.quote, ZERO
        for venue in self._world.exchanges:
            held += self._world.cash(venue)
        made = sum((e.notional - (e.fee if e.fee_asset == quote else ZERO) for e in executions(self._world)), ZERO)
        if held != made:
            self.breach(f"the mocked venues hold {held} {quote}, their trades made {made}")
        recorded = self.state.total.notional - self.state.total.fees.get(quote, ZERO)
        if self._clean and held != recorded:
            self.breach(f"the venues hold {held} {quote}, the record says {recorded}")

    def _one_order_per_id(self) -> None:
        for venue, exchange in self._world.exchanges.items():
            ids = Counter(order.client_id for order in exchange.orders.values())
            for client_id, count in ids.items():
                if count > 1:
                    self.breach(f"{venue} has {count} orders with the id {client_id}")
                if client_id not in self.state.children:
                    self.breach(f"{venue} has an order {client_id} that is not in the record")

    def _nothing_left_open(self) -> None:
        state = self.state
        done = state.status in (ParentStatus.COMPLETED, ParentStatus.ENDED)
        for child in state.open.values():
            if done or (child.status is not ChildStatus.PARKED and state.status is not ParentStatus.HALTED):
                self.breach(f"{child.client_order_id} is {child.status} at the end ({state.status})")
        for venue, exchange in self._world.exchanges.items():
            for order in exchange.open_orders():
                if order.client_id not in state.open:
                    self.breach(f"{order.client_id} still rests at {venue}, the record calls it ended")

    def _refold(self) -> None:
        again = Parent()
        for text in self.lines:
            line = decode(text)
            if line.stream.startswith("parent/"):
                again.apply(line.event, line.at)
        if summary(again) != summary(self.state):
            self.breach("the record folds to another state the second time")

    def agrees(self, state: Parent) -> None:
        """Compare with the state that the last process ended with."""
        if summary(state) != summary(self.state):
            self.breach("the last process holds another state than its record folds to")


def summary(state: Parent) -> tuple[object, ...]:
    """What two folds of the same record must have in common."""
    children = tuple((c.client_order_id, c.status, c.cum_qty, c.cum_fee, c.sends) for c in state.children.values())
    return state.version, state.status, state.cum_qty, state.exposure_qty, state.total.notional, children
