"""Runs parent orders over the real adapters and the mocked venues under virtual time, with people who act on them.

The mocked venues' own books (``orders``, wallets) are the truth that the record is compared with. Every process and
every person has a connection of its own to the journal, as in life.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from adapters.clock import LoopClock
from adapters.mock.exchange import MockOrder, Wallet
from adapters.mock.keys import API_KEY, SECRET
from adapters.mock.world import Credit, MockWorld, WorldSpec
from adapters.registry import adapter
from adapters.venue import OrderRef, Unknown, Venue, VenueError
from config.settings import TEMPLATES, adapter_settings, load_profile
from executor.domain.control import Hold
from executor.domain.events import ControlCleared, ControlSet, ExplainAsked, ResumeAsked, SettleAsked
from executor.domain.orders import ChildStatus
from executor.domain.parent import Parent
from executor.domain.plan import Mandate, Plan
from executor.engine.control import CONTROL_STREAM, acts_stream, append_as_person
from executor.engine.kill import kill
from executor.engine.runner import Runner
from executor.engine.tuning import Tuning
from executor.errors import ExecutorError
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.sqlite import SqliteStore
from tests.approved import approve

D = Decimal
START = datetime(2026, 3, 2, 1, tzinfo=UTC)
VENUES = ("osl", "hashkey")
TWAP: dict[str, Any] = {
    "kind": "twap",
    "qty": "1",
    "slices": 10,
    "size_jitter": "0",
    "time_jitter": "0",
    "style": "cross",
    "catch_up": "3",
    "min_notional": "10",
}
REST = TWAP | {"style": "rest_then_cross", "rest_for": "40s"}


def plan(*legs: dict[str, Any], **changes: Any) -> Plan:
    """One BTC in ten slices, one a minute, at both venues, not under 90000."""
    legs = legs or (TWAP,)
    values: dict[str, Any] = {
        "asset": "BTC",
        "quote_asset": "USD",
        "qty": sum(D(leg["qty"]) for leg in legs),
        "floor_px": "90000",
        "venues": list(VENUES),
        "duration": "10m",
        "seed": 7,
        "legs": list(legs),
    }
    return Plan.model_validate(values | changes)


def mandate(case: str = "CASE-1") -> Mandate:
    """A case with more coins in every purse than any plan here sells."""
    words = dict.fromkeys(("authority", "institution", "legal_basis", "proceeds_account", "plan"), "x")
    purses = (("osl", "exchange"), ("osl", "brokerage"), ("hashkey", "trading"))
    credited = [{"venue": venue, "account": account, "asset": "BTC", "qty": "100"} for venue, account in purses]
    holding = {"asset": "BTC", "network": "bitcoin", "qty": "300"}
    return Mandate.model_validate({"case_id": case, "holdings": [holding], "credited": credited} | words)


class Bent:
    """A venue as the real adapter sees it, except where a test replaces a method."""

    def __init__(self, inner: Venue, **replaced: Any) -> None:
        self.inner = inner
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Stage:
    """One market, two mocked venues, one journal file."""

    def __init__(self, folder: Path, *, start_px: str = "100000", seed: int = 7) -> None:
        self.clock = LoopClock(START)
        credits = [Credit(c.venue, c.account, c.asset, c.qty) for c in mandate().credited]
        spec = WorldSpec("BTC", "USD", seed, START - timedelta(minutes=1), D(start_px), credits)
        self.world = MockWorld(spec, self.clock)
        self.path = folder / "journal.sqlite"
        self.lines: list[Line] = []
        self.sent: list[tuple[datetime, str, httpx.Request]] = []
        self._runs: list[Runner] = []

    # --- processes ----------------------------------------------------------------------------------------------

    def journal(self) -> Journal:
        """A connection of its own to the journal."""
        return Journal(SqliteStore(self.path), threaded=False)

    def venue(self, name: str) -> Venue:
        """A real adapter with its own connection to a mocked venue; every request is noted in ``sent``."""

        async def note(request: httpx.Request) -> None:
            self.sent.append((self.clock.now(), name, request))

        profile = load_profile(TEMPLATES / f"{name}-mock.toml")
        settings = adapter_settings(profile, {"api_key": SecretStr(API_KEY), "secret": SecretStr(SECRET)})
        client = self.world.client(name)
        client.event_hooks["request"].append(note)
        return adapter(profile.adapter)(settings, client, self.clock)

    def runner(
        self,
        asked: Plan | None = None,
        *,
        case: str = "CASE-1",
        bend: Callable[[Venue], Venue] = lambda venue: venue,
        tuning: Tuning | None = None,
    ) -> Runner:
        """A process that is about to run ``asked``."""
        asked = asked or plan()
        venues = [bend(self.venue(name)) for name in asked.venues]
        tuning = tuning or Tuning(reconcile=timedelta(minutes=2))
        store = SqliteStore(self.path)
        approve(store, mandate(case), asked, START)
        journal = Journal(store, threaded=False)
        one = Runner(mandate(case), asked, venues, journal, self.clock, observer=self.lines.append, tuning=tuning)
        self._runs.append(one)
        return one

    async def ran(self, asked: Plan | None = None, **how: Any) -> tuple[Parent, ExecutorError | None]:
        """Run to the end, whatever it is."""
        return await ended(self.runner(asked, **how))

    # --- time and people ----------------------------------------------------------------------------------------

    async def at(self, seconds: float) -> None:
        """Wait until ``seconds`` after the start."""
        await self.clock.sleep_until(START + timedelta(seconds=seconds))

    async def _person(self, act: Callable[[Journal], Awaitable[None]]) -> None:
        journal = self.journal()
        await act(journal)
        await journal.aclose()

    async def pause(self, scope: str, *, cancel: bool = False) -> None:
        """A person pauses ``scope``."""
        held = ControlSet(scope=scope, action="pause", cancel=cancel, who="Li", why="lunch")
        await self._person(lambda journal: append_as_person(journal, CONTROL_STREAM, "", held, self.clock))

    async def kill(self, scope: str) -> None:
        """A person kills ``scope``."""
        held = ControlSet(scope=scope, action="kill", cancel=True, who="Li", why="fire")
        await self._person(lambda journal: kill(journal, self.clock, held))

    async def resume(self, scope: str) -> None:
        """A person clears the hold on ``scope``."""
        free = ControlCleared(scope=scope, who="Wang", why="over")
        await self._person(lambda journal: append_as_person(journal, CONTROL_STREAM, "", free, self.clock))

    async def act(self, parent: str, act: SettleAsked | ExplainAsked | ResumeAsked) -> None:
        """A person acts on a parent order."""
        await self._person(lambda journal: append_as_person(journal, acts_stream(parent), "CASE-1", act, self.clock))

    def holds(self) -> list[Hold]:
        """The holds in force on everything, for comparison."""
        store = SqliteStore(self.path)
        found = store.holds(["all", "case/CASE-1", "venue/osl", "venue/hashkey"])
        store.close()
        return found

    # --- the truth ----------------------------------------------------------------------------------------------

    def orders(self, venue: str = "", since: datetime = START) -> list[MockOrder]:
        """What the mocked venues have taken since a moment, by their own books."""
        return [
            order
            for name, exchange in self.world.exchanges.items()
            for order in exchange.orders.values()
            if venue in ("", name) and order.created_at >= since
        ]

    def sold(self) -> Decimal:
        """What the mocked venues' order books have sold for us."""
        return sum((order.cum_qty for order in self.orders()), D(0))

    def purse(self, venue: str) -> Wallet:
        """The coins in the purse that pays for book orders."""
        return self.world.exchanges[venue].wallet("BTC")

    def events(self, *kinds: type) -> list[Any]:
        """What was made durable by the processes."""
        return [line.event for line in self.lines if isinstance(line.event, kinds)]

    def exact(self, state: Parent, qty: str = "1") -> None:
        """All is sold, once, and record and venues agree to the last digit."""
        trades = {trade.trade_id for order in self.orders() for trade in order.trades}
        assert (state.status.value, state.cum_qty, state.exposure_qty) == ("completed", D(qty), D(0))
        assert self.sold() == D(qty)
        assert trades == {trade for child in state.children.values() for trade in child.trade_ids}
        assert state.total.notional - state.total.fees["USD"] == sum(self.world.cash(name) for name in VENUES)


async def ended(one: Runner) -> tuple[Parent, ExecutorError | None]:
    """Run to the end, whatever it is."""
    try:
        await one.run()
    except ExecutorError as error:
        return one.state, error
    finally:
        await one.aclose()
    return one.state, None


@asynccontextmanager
async def running(*runners: Runner) -> Any:
    """The runs go on in the background; yields their tasks and ends with them."""
    tasks = [asyncio.create_task(ended(one)) for one in runners]
    try:
        yield tasks[0] if len(tasks) == 1 else tasks
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


def resting(state: Parent, venue: str = "") -> list[str]:
    """Orders that the record holds to be live."""
    return [
        child.client_order_id
        for child in state.open.values()
        if child.status is ChildStatus.WORKING and venue in ("", child.venue)
    ]


def dead(venue: Venue, *names: str, error: VenueError | None = None) -> Venue:
    """``venue`` with these methods out of order."""
    fault = error or Unknown(venue.name, "no answer")

    async def fails(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(10)  # what a client waits for before it gives up
        raise fault

    return Bent(venue, **dict.fromkeys(names, fails))


def refs(orders: Sequence[MockOrder]) -> list[OrderRef]:
    """How the venue is asked about its orders."""
    return [OrderRef(order.client_id, order.symbol, order.order_id) for order in orders]
