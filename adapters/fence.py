"""The last look before something that sells leaves this process: is it still ours to send?

A process that was frozen, or cut off from the database that says what it owns, must not send what it had prepared.
Asking before the request is made is too early: a process can stop anywhere. So the question is put when the connection
is there, the request is signed, and its first byte is about to be written. What happens between that and the network is
bounded by the time for which the venue takes a signed request.

Only what places an order or accepts a quote is held back. Readings and cancellations always pass: taking an order off
is safe whoever does it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import httpx

from adapters.transport import Account, SharingClient
from adapters.venue import Fill, NewOrder, OrderReport, Quote, RfqVenue, Venue

_SELLING: ContextVar[bool] = ContextVar("selling", default=False)
_WRITING = ("http11.send_request_headers.started", "http2.send_request_headers.started")


class NoLongerOurs(httpx.ConnectError):
    """Nothing was sent: this process may not send orders now. Of the class that proves that nothing has left."""


class FencedClient(SharingClient):
    """A client that sends nothing that sells unless ``may_sell`` says so at that moment, and takes turns with the
    other processes that use the same account."""

    def __init__(self, may_sell: Callable[[], bool], account: Account, **options: Any) -> None:
        super().__init__(account, **options)
        self._may_sell = may_sell

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send, with the question put just before the first byte."""
        if _SELLING.get() and request.method != "GET":
            self._ask()
            request.extensions = {**request.extensions, "trace": self._trace}
        return await super().send(request, **options)

    async def _trace(self, event: str, _info: dict[str, Any]) -> None:
        if event in _WRITING:
            self._ask()

    def _ask(self) -> None:
        if not self._may_sell():
            raise NoLongerOurs("this process does not hold its parent orders now")


class FencedVenue:
    """A venue whose ``place`` and ``accept`` go through the fence of its client. All else is the venue's own."""

    def __init__(self, inner: Venue) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def place(self, order: NewOrder) -> OrderReport:
        """As the venue's own."""
        with _selling():
            return await self._inner.place(order)

    async def accept(self, quote: Quote, client_order_id: str) -> Fill:
        """As the venue's own."""
        with _selling():
            return await cast(RfqVenue, self._inner).accept(quote, client_order_id)


@contextmanager
def _selling() -> Iterator[None]:
    token = _SELLING.set(True)
    try:
        yield
    finally:
        _SELLING.reset(token)
