"""The venues of one run, started and ready: instruments, purses, and what the market looks like on all of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from adapters.clock import Clock
from adapters.venue import (
    Balance,
    Book,
    Instrument,
    Permissions,
    Rejected,
    Unauthorized,
    Venue,
    VenueError,
)
from executor.domain.events import PurseGap, Top
from executor.domain.money import RATIO, ZERO
from executor.domain.orders import ChildStatus
from executor.domain.parent import Parent
from executor.domain.plan import Guards
from executor.engine.at_once import all_at_once
from executor.engine.neighbours import Neighbours
from executor.engine.prices import Grid
from executor.errors import CredentialsRefused, GuardHalts, RuleRefused, VenueUnreachable
from executor.guards import venue_rules
from executor.guards.market_watch import MarketWatch
from executor.guards.verdict import ALLOW, Action, Verdict
from executor.log_events import LogEvent
from executor.market.reference import SourcePrice
from executor.strategy.feasibility import VenueFacts
from executor.strategy.route import Offer

log = structlog.get_logger()

_PX_GRID = Decimal("0.00000001")


@dataclass(slots=True)
class Seat:
    """One venue as this run uses it. ``free_at_start`` maps purse to the quantity it could deliver when the run began,
    and ``used_at_start`` maps method to what this parent had sold and exposed there by then. ``signs_within``: so long
    after its decision an order may still be signed. ``accounts``: by method, the purse that pays for it."""

    venue: Venue
    symbol: str
    instrument: Instrument | None
    clock_offset: timedelta
    free_at_start: dict[str, Decimal]
    totals_at_start: dict[str, Decimal]
    used_at_start: dict[str, Decimal]
    signs_within: timedelta
    accounts: dict[str, str]


class Desk:
    """Read-only use of the venues. Orders are sent by :mod:`executor.engine.child` and :mod:`executor.engine.rfq`."""

    def __init__(
        self, venues: Sequence[Venue], clock: Clock, guards: Guards, neighbours: Neighbours | None = None
    ) -> None:
        self.venues: Mapping[str, Venue] = {venue.name: venue for venue in venues}
        self.seats: dict[str, Seat] = {}
        self._clock = clock
        self._guards = guards
        self._neighbours = neighbours
        self._watch = MarketWatch(guards)
        self._asset = ""
        self._keeping_hours = False  # true with a venue that is closed at times
        self._usable: Mapping[str, Book] = {}  # what the last look found
        self._mids: list[SourcePrice] | None = []  # of it, once they were asked for
        self.read_between = (clock.now(), clock.now())  # the balances with which it was opened

    async def open(self, asset: str, quote_asset: str, only: Collection[str] | None = None) -> None:
        """Start every venue, or ``only`` these, read instruments and balances. Raises ``CredentialsRefused`` (at a real
        venue also for a key that might withdraw) or ``VenueUnreachable``."""
        self._asset = asset
        began: list[datetime] = []
        for name, venue in self.venues.items():
            if only is not None and name not in only:
                continue
            try:
                await venue.start()
                if not venue.simulated:
                    refuse_unsafe_key(name, await venue.permissions())
                symbol = venue.symbol(asset, quote_asset)
                instruments = await venue.instruments()
                began.append(self._clock.now())
                balances = await venue.balances()
                self.read_between = (began[0], self._clock.now())
                offset = await venue.clock_offset()
            except Unauthorized as error:
                raise CredentialsRefused(f"{error}; check the key of {name} and its permissions") from None
            except Rejected as error:
                raise RuleRefused(f"{error}; no order was sent") from None
            except VenueError as error:
                raise VenueUnreachable(f"{error}; no order was sent") from None
            free, totals, traits = _free(balances, asset), _totals(balances, asset), venue.traits
            if traits.hours is not None or (traits.rfq is not None and traits.rfq.hours is not None):
                self._keeping_hours = True
            accounts = {"book": traits.order_account, "rfq": traits.rfq.account if traits.rfq is not None else ""}
            self.seats[name] = Seat(
                venue, symbol, instruments.get(symbol), offset, free, totals, {}, traits.signs_within, accounts
            )
            log.info(LogEvent.VENUE_READY, venue=name, symbol=symbol)

    def mark_used(self, state: Parent) -> None:
        """Remember what the parent had used of each purse when the balances were read."""
        for name, seat in self.seats.items():
            seat.used_at_start = {method: _used(state, name, method) for method in ("book", "rfq")}

    def venue_now(self, name: str) -> datetime:
        """The venue's own time, by the offset measured when it was started."""
        return self._clock.now() + self.seats[name].clock_offset

    def account(self, name: str, method: str) -> str:
        """The purse that pays for ``method`` at this venue; empty if it has no such method."""
        return self.seats[name].accounts[method]

    def _methods(self, name: str, account: str) -> list[str]:
        return [method for method in ("book", "rfq") if self.account(name, method) == account]

    async def purse_gap(self, name: str, method: str, state: Parent) -> tuple[str, PurseGap | None]:
        """Balance arithmetic: empty if the purse holds exactly what it held before our first order less what the
        record says was sold from it, fees taken in coins included, with nothing locked beyond our known open orders;
        else the difference, also as numbers where it is known to be one."""
        account = self.account(name, method)
        before = state.purses.get((name, account))
        if before is None:
            return f"no balance of {account} was recorded before the first order", None
        methods = self._methods(name, account)
        elsewhere, most = self._sold_elsewhere(name, methods, state), self._most(name, account, methods, state)
        balances = await self.seats[name].venue.balances()
        found = [b for b in balances if b.asset == self._asset and b.account == account]
        total = sum((b.free + b.locked for b in found), ZERO)
        locked = sum((b.locked for b in found), ZERO)
        known = sum(
            (c.qty - c.cum_qty for c in state.open.values() if c.venue == name and c.status is ChildStatus.WORKING),
            state.locked_elsewhere.get((name, account), ZERO),
        )
        if elsewhere is None or elsewhere != self._sold_elsewhere(name, methods, state):
            if total == most and locked <= known:
                return "", None  # nothing has left it that is not in the record, whoever is selling
            return f"other parent orders are in flight at {name}: what {account} should hold cannot be said", None
        own = [state.routes[name, method] for method in methods if (name, method) in state.routes]
        sold = sum((tally.taken(self._asset) for tally in own), elsewhere)
        gap = PurseGap(account=account, total=total - (before - sold), locked=max(locked - known, ZERO))
        if gap.total:
            return f"{account} holds {total}, expected {before - sold}", gap
        if gap.locked:
            return f"{account} has {locked} locked, known open orders explain {known}", gap
        return "", None

    def _sold_elsewhere(self, name: str, methods: Sequence[str], state: Parent) -> Decimal | None:
        """What other parent orders sold from the same purse since ours began; ``None`` while that cannot be said."""
        return self._neighbours.sold_since(state, name, methods) if self._neighbours else ZERO

    def _most(self, name: str, account: str, methods: Sequence[str], state: Parent) -> Decimal | None:
        """The most that a purse can hold by the records of all; ``None`` if that cannot be said."""
        return self._neighbours.most(state, name, account, methods) if self._neighbours else None

    def known_trades(self, name: str, state: Parent) -> set[str]:
        """The trades of a venue that stand in our record, and the quotes in that of another parent order of the same
        asset."""
        others = self._neighbours.quotes_booked(state, name) if self._neighbours else set()
        return others | {trade_id for venue, trade_id in state.trades if venue == name}

    async def refresh(self, name: str, state: Parent) -> None:
        """Read the balances of one venue again (after it said that there is not enough)."""
        seat = self.seats[name]
        try:
            seat.free_at_start = _free(await seat.venue.balances(), self._asset)
        except VenueError as error:
            log.warning(LogEvent.VENUE_FAILED, venue=name, error=str(error))
            return
        seat.used_at_start = {method: _used(state, name, method) for method in ("book", "rfq")}

    async def reload(self, name: str) -> None:
        """Read the instrument of one venue again (after it refused a price or a size)."""
        seat = self.seats[name]
        try:
            seat.instrument = (await seat.venue.instruments()).get(seat.symbol)
        except VenueError as error:
            log.warning(LogEvent.VENUE_FAILED, venue=name, error=str(error))

    def free_qty(self, name: str, method: str, state: Parent) -> Decimal:
        """What the purse that pays for ``method`` at this venue can still deliver, by our own count since the start."""
        seat, since = self.seats[name], ZERO
        account = seat.accounts[method]
        for (venue, each), tally in state.routes.items():
            if venue == name and seat.accounts[each] == account:
                since += tally.cum_qty + tally.exposure_qty - seat.used_at_start.get(each, ZERO)
        return seat.free_at_start.get(account, ZERO) - since

    def shut(self, name: str, method: str) -> str:
        """Why the venue takes no orders, or its dealers no requests, at this hour; empty if they do."""
        traits = self.seats[name].venue.traits
        hours = traits.hours if method == "book" else traits.rfq.hours if traits.rfq is not None else None
        if hours is None or hours.open_at(self.venue_now(name)):
            return ""
        return f"{name} {'takes orders' if method == 'book' else 'gives quotes'} {hours}"

    def closed(self, method: str) -> dict[str, str]:
        """The venues that cannot be used at this hour, with why."""
        if not self._keeping_hours:
            return {}
        return {name: why for name in self.seats if (why := self.shut(name, method))}

    async def books(self) -> dict[str, Book]:
        """Every book that may be traded on, read at the same time, and what closed venues show. Raises ``GuardHalts``
        when the market as a whole cannot be trusted; a venue that is closed need show no market."""
        answers = await self._answers()
        shut = self.closed("book")
        looked_at = {name: book for name, book in answers.items() if name not in shut} if shut else answers
        usable, verdict = self._watch.look(looked_at, self._clock.now())
        if verdict is not ALLOW and verdict.action is Action.HALT:
            raise GuardHalts(verdict.rule, verdict.reason)
        self._usable, self._mids = usable, None
        if shut:
            usable = usable | {name: book for name in shut if (book := answers[name]) is not None and book.bids}
        return usable

    def mids(self) -> Sequence[SourcePrice]:
        """The mid of each usable book at the last look."""
        if self._mids is None:
            self._mids = [
                SourcePrice(name, (book.bids[0].px + book.asks[0].px) / 2, book.changed_at or book.received_at)
                for name, book in sorted(self._usable.items())
                if book.bids and book.asks
            ]
        return self._mids

    def grid(self, venue: str) -> Grid:
        """The tick of the venue's book and its fees."""
        instrument = self.seats[venue].instrument
        if instrument is None:
            raise RuleRefused(f"venue.pair: {venue} does not list the pair")
        rate = max(instrument.taker_fee, instrument.maker_fee)
        return Grid(instrument.tick_size, rate, instrument.min_order_fee if rate else ZERO)

    def judge(
        self, venue: str, qty: Decimal, limit_px: Decimal, time_in_force: str, now: datetime, *, post_only: bool
    ) -> Verdict:
        """What the venue's own rules say of such an order on its book now. Raises ``RuleRefused``."""
        seat = self.seats[venue]
        if seat.instrument is None:
            raise RuleRefused(f"venue.pair: {venue} does not list {seat.symbol}")
        return venue_rules.check(
            seat.instrument,
            seat.venue.traits,
            qty=qty,
            limit_px=limit_px,
            time_in_force=time_in_force,
            post_only=post_only,
            now=now + seat.clock_offset,
        )

    async def shown(self) -> dict[str, Book]:
        """Every book as it is shown, whether or not it may be traded on: for the record only."""
        return {name: book for name, book in (await self._answers()).items() if book is not None}

    async def check_clocks(self) -> None:
        """Measure every venue's clock again. Raises ``GuardHalts`` when one is too far from ours."""
        for name, seat in self.seats.items():
            try:
                seat.clock_offset = await seat.venue.clock_offset()
            except VenueError as error:
                log.warning(LogEvent.VENUE_FAILED, venue=name, error=str(error))
        self.check_offsets()

    def check_offsets(self) -> None:
        """Raise ``GuardHalts`` when a venue's clock, as last measured, is too far from ours."""
        for name, seat in self.seats.items():
            if abs(seat.clock_offset) > timedelta(seconds=self._guards.clock_offset):
                raise GuardHalts("clock", f"the clock of {name} is {seat.clock_offset} from ours")

    async def _answers(self) -> dict[str, Book | None]:
        names = list(self.seats)
        return dict(zip(names, await all_at_once([self._book(name) for name in names]), strict=True))

    async def _book(self, name: str) -> Book | None:
        seat = self.seats[name]
        try:
            return await seat.venue.book(seat.symbol)
        except VenueError as error:
            log.warning(LogEvent.VENUE_FAILED, venue=name, error=str(error))
            return None

    def offers(self, books: Mapping[str, Book], shut: Mapping[str, str], state: Parent) -> tuple[list[Offer], str]:
        """What may be traded on now, and why the other venues may not."""
        usable: list[Offer] = []
        reasons: list[str] = []
        for name, seat in self.seats.items():
            book = books.get(name)
            if book is None or seat.instrument is None:
                reasons.append(f"{name} shows no book that can be traded on")
                continue
            if name in shut:
                reasons.append(shut[name])
                continue
            if name in state.broken:
                broken = [f"{what} ({found.detail})" for (venue, what), found in state.breaks.items() if venue == name]
                reasons.append(f"{name} has unexplained breaks: {', '.join(broken)}")
                continue
            free = self.free_qty(name, "book", state)
            usable.append(Offer(name, seat.instrument, book, free, seat.venue.traits.time_in_force))
        return usable, "; ".join(reasons) if reasons else ""

    def facts(self, books: Mapping[str, Book]) -> list[VenueFacts]:
        """What the feasibility check needs to know of every venue."""
        return [
            VenueFacts(name, seat.venue.traits, seat.symbol, seat.instrument, books.get(name), seat.free_at_start)
            for name, seat in self.seats.items()
        ]

    async def aclose(self) -> None:
        """Release every connection."""
        for venue in self.venues.values():
            await venue.aclose()


def tops(books: Mapping[str, Book]) -> list[Top]:
    """The best prices of every book, for the record."""
    return [
        Top(
            venue=name,
            bid=book.bids[0].px if book.bids else None,
            bid_qty=book.bids[0].qty if book.bids else None,
            ask=book.asks[0].px if book.asks else None,
            ask_qty=book.asks[0].qty if book.asks else None,
        )
        for name, book in sorted(books.items())
    ]


def composite_mid(books: Mapping[str, Book]) -> Decimal | None:
    """The mean of the venues' mid prices, eight decimals; ``None`` when no venue shows both sides."""
    mids, count = ZERO, 0
    for book in books.values():
        if book.bids and book.asks:
            mids, count = mids + (book.bids[0].px + book.asks[0].px) / 2, count + 1
    return RATIO.divide(mids, count).quantize(_PX_GRID) if count else None


def refuse_unsafe_key(name: str, seen: Permissions) -> None:
    """Raise ``CredentialsRefused`` unless the key can be seen, or was confirmed, not to withdraw, and may trade."""
    if seen.trade is False:
        raise CredentialsRefused(f"{name}: the key may not trade; have the permission set")
    if seen.withdraw is not False:
        raise CredentialsRefused(
            f"{name}: the key may withdraw, or nobody has confirmed that it may not; use a key without that permission "
            "and confirm it in the profile (withdrawals_confirmed_off)"
        )


def _free(balances: Sequence[Balance], asset: str) -> dict[str, Decimal]:
    return {balance.account: balance.free for balance in balances if balance.asset == asset}


def _totals(balances: Sequence[Balance], asset: str) -> dict[str, Decimal]:
    return {balance.account: balance.free + balance.locked for balance in balances if balance.asset == asset}


def _used(state: Parent, venue: str, method: str) -> Decimal:
    tally = state.routes.get((venue, method))
    return tally.cum_qty + tally.exposure_qty if tally else ZERO
