"""One connection to a venue for all parent orders of a worker.

It is started once. Readings that several ask for at the same time are made once: who asks while one is under way waits
for the next, which begins after all of them asked, so that nobody is told what was true before the question.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from adapters.venue import Balance, Book, Instrument, OrderReport, Venue

T = TypeVar("T")


class SharedVenue:
    """``inner`` for many. What is not below is the venue's own."""

    def __init__(self, inner: Venue) -> None:
        self._inner = inner
        self._started = False
        self._together: dict[str, _Together] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def start(self) -> None:
        """Start it if nobody has."""
        await self._once("start", self._start)

    async def _start(self) -> None:
        if not self._started:
            await self._inner.start()
            self._started = True

    async def clock_offset(self) -> timedelta:
        """As the venue's own, together with whoever asks."""
        return await self._once("clock", self._inner.clock_offset)

    async def instruments(self) -> dict[str, Instrument]:
        """As the venue's own, together with whoever asks."""
        return await self._once("instruments", self._inner.instruments)

    async def balances(self) -> list[Balance]:
        """As the venue's own, together with whoever asks."""
        return await self._once("balances", self._inner.balances)

    async def book(self, symbol: str) -> Book:
        """As the venue's own, together with whoever asks."""
        return await self._once(f"book {symbol}", lambda: self._inner.book(symbol))

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        """As the venue's own, together with whoever asks."""
        return await self._once(f"open {symbol}", lambda: self._inner.open_orders(symbol))

    async def aclose(self) -> None:
        """Nothing: it belongs to the worker, which closes it with :meth:`really_close`."""

    async def really_close(self) -> None:
        """Release the connection."""
        await self._inner.aclose()

    async def _once(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        together = self._together.setdefault(what, _Together())
        return cast(T, await together.ask(ask))


class _Together:
    """At most one reading is under way and one is waiting to begin, whoever asks."""

    def __init__(self) -> None:
        self._now: asyncio.Task[Any] | None = None
        self._next: asyncio.Task[Any] | None = None

    async def ask(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._now, ask))
        # One that is cancelled while it waits must not take the answer from the others.
        return await asyncio.shield(self._next)

    async def _after(self, before: asyncio.Task[Any] | None, ask: Callable[[], Awaitable[Any]]) -> Any:
        if before is not None:
            await asyncio.wait([before])
        self._now, self._next = self._next, None
        return await ask()
