"""Which spans of time are counted in a journal, and how a plan has its own counted from its first order on.

Two steps, each one append to the stream ``counting``, at exactly the next version. First the terms are named: every
intent names the version of the stream that it was made under, so all later ones count, whatever their plan. Then what
was ordered before is read from the journal and added: an intent that does not carry a counter was written before it was
named. An order that is being written meanwhile either has seen the new version or is waited for. No cap rests on a term
before that. Whoever dies between the two leaves the second to the next who needs it.
"""

import contextlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from adapters.clock import Clock
from executor.domain.counting import CountingFilled, CountingNamed, Sale, counted_at
from executor.domain.events import ChildIntended
from executor.domain.money import BPS, EXACT, ONE, ZERO, add, times
from executor.domain.orders import ChildStatus
from executor.domain.parent import Parent
from executor.domain.reservation import Reservation
from executor.errors import TakenOver
from executor.journal.journal import Journal
from executor.journal.line import Line

COUNTING_STREAM = "counting"


class Counting:
    """The terms of one journal, as last read. ``own`` are those of the plan that this is for."""

    def __init__(self, journal: Journal, own: frozenset[str]) -> None:
        self.own = own
        self.named: set[str] = set()
        self._filled: set[str] = set()
        self._journal = journal
        self._read_up_to(0)

    def _read_up_to(self, version: int) -> None:
        """``rests_on``: the stream that was read, and its last version. ``terms``: all that an order counts under.
        ``ready``: true once caps may rest on what is counted."""
        self._version = version
        self.rests_on: Mapping[str, int] = {COUNTING_STREAM: version}
        self.terms = self.own | self.named
        self.ready = self.own <= self._filled

    def reread(self) -> None:
        """Read what was written since the last look."""
        for line in self._journal.read(COUNTING_STREAM, after=self._version):
            if isinstance(line.event, CountingNamed):
                self.named |= set(line.event.terms)
            elif isinstance(line.event, CountingFilled):
                self._filled |= set(line.event.terms)
            self._read_up_to(line.version)

    async def begin(self, clock: Clock) -> None:
        """Have everything counted that the plan's caps rest on."""
        self.reread()
        while not self.ready:
            await self.step(clock.now())

    async def step(self, now: datetime) -> None:
        """Do the next of the two steps, unless another process was quicker."""
        unnamed = sorted(self.own - self.named)
        event: CountingNamed | CountingFilled
        if unnamed:
            event = CountingNamed(terms=unnamed)
        else:
            missing = sorted(self.own - self._filled)
            self._journal.wait_for_appends()
            event = CountingFilled(terms=missing, counted=ordered_before(self._journal, missing, now))
        taken = event.counted if isinstance(event, CountingFilled) else {}
        line = Line(stream=COUNTING_STREAM, version=self._version + 1, case_id="", at=now, event=event)
        with contextlib.suppress(TakenOver):  # another was quicker with this or something else: it is looked at again
            await self._journal.append([line], reserve=[Reservation(name, amount) for name, amount in taken.items()])
        self.reread()


def ordered_before(journal: Journal, terms: Iterable[str], now: datetime) -> dict[str, Decimal]:
    """What stands under ``terms``, in spans that are not over, for orders whose intents do not count there."""
    found: dict[str, Decimal] = {}
    for stream in journal.streams("parent/"):
        for name, amount in _of_parent(journal, stream, list(terms), now).items():
            found[name] = add(found.get(name, ZERO), amount)
    return {name: amount for name, amount in sorted(found.items()) if amount}


def _of_parent(journal: Journal, stream: str, terms: list[str], now: datetime) -> dict[str, Decimal]:
    state, intents, ends = Parent(), dict[str, ChildIntended](), dict[str, datetime]()
    for line in journal.read(stream):
        before = set(state.open)
        state.apply(line.event, line.at)
        if isinstance(line.event, ChildIntended):
            intents[line.event.client_order_id] = line.event
        ends |= dict.fromkeys(before - state.open.keys(), line.at)
    if state.created is None:
        return {}
    sale = Sale(state.spec.case_id, state.spec.asset, state.spec.quote_asset, state.spec.qty)
    found: dict[str, Decimal] = {}
    for name, child in state.children.items():
        counts_at = {each.counter for each in child.reserved}
        for counter in counted_at(terms, sale, child.venue, child.intended_at, ends.get(name, now)).values():
            if counter.name in counts_at or counter.ends_at <= now:
                continue
            closed = child.status is ChildStatus.CLOSED
            if counter.unit == "qty":
                amount = child.cum_qty if closed else child.qty
            else:
                amount = child.cum_notional if closed else _most_value(state, intents[name])
            found[counter.name] = add(found.get(counter.name, ZERO), amount)
    return found


def _most_value(state: Parent, intent: ChildIntended) -> Decimal:
    """The most that an open order can bring, by the bound of its own plan on how far the market may run."""
    if intent.notional is not None:
        return intent.notional
    run = Decimal(state.spec.plan["guards"]["fast_move_bps"])
    return times(worth(intent), ONE + EXACT.divide(run, BPS))


def worth(intent: ChildIntended) -> Decimal:
    """What the order is worth: the money of a quote, else the quantity at its limit or the best bid seen, if higher."""
    if intent.notional is not None:
        return intent.notional
    bids = [top.bid for top in intent.tops if top.venue == intent.venue and top.bid is not None]
    return times(intent.qty, max([intent.limit_px, *bids]))
