"""The wire between one process and one mocked venue, with planned faults.

A request that has left the process reaches the venue whatever becomes of the process: the delivery is a task of its
own, as packets are. A dead process sends nothing and hears nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

import httpx

from adapters.mock.answers import ANSWERS, rewritten
from adapters.mock.calls import Asked, Call, asked
from adapters.mock.faults import Fault, FaultKind, Faults
from adapters.mock.faulty_venue import VenueFaults

K = FaultKind
_HTML = "<html><head><title>502 Bad Gateway</title></head><body>cloud edge</body></html>"
_AFTER_TIMEOUT_S = 20  # longer than any client waits
_OUTAGE = httpx.Headers({"content-type": "text/html"})


class Watch(Protocol):
    """Whoever wants to see what goes over the wire."""

    def sent(self, process: int, what: Asked) -> None:
        """``process`` has put a request on the wire."""

    def answered(self, process: int, what: Asked, response: httpx.Response, *, genuine: bool) -> None:
        """An answer has reached ``process``; ``genuine`` when no fault has touched it."""

    def broke(self, error: Exception) -> None:
        """A mocked venue failed of itself: a fault of the mock, not of the program."""


class FaultyWire(httpx.AsyncBaseTransport):
    """``inner`` ends in the venue's app; ``one_way`` is the latency."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        venue: str,
        faults: Faults,
        venue_faults: VenueFaults,
        *,
        process: int,
        watch: Watch,
        one_way: timedelta,
        dies: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._inner = inner
        self._venue = venue
        self._faults = faults
        self._venue_faults = venue_faults
        self._process = process
        self._watch = watch
        self._one_way = one_way.total_seconds()
        self._dies = dies
        self._on_the_way: set[asyncio.Task[httpx.Response]] = set()
        self.dead = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.dead or self._dies("before a request"):
            raise asyncio.CancelledError
        what = asked(self._venue, request)
        self._watch.sent(self._process, what)
        planned = self._faults.armed(self._venue, what.call, frozenset(_WAYS))
        if not planned:
            return await self._plainly(request, what)
        way = _WAYS[planned[0].kind]
        return await way(self, request, what, planned[0])

    # --- parts ----------------------------------------------------------------------------------------------------

    async def _plainly(self, request: httpx.Request, what: Asked) -> httpx.Response:
        response = await asyncio.shield(self._leave(request, what))
        await asyncio.sleep(self._one_way)
        return self._arrive(response, what)

    def _arrive(self, response: httpx.Response, what: Asked, *, genuine: bool = True) -> httpx.Response:
        if self.dead or self._dies("after a request"):
            raise asyncio.CancelledError
        told = rewritten(self._faults, what, response)
        self._watch.answered(self._process, what, told, genuine=genuine and told is response)
        return told

    def _leave(self, request: httpx.Request, what: Asked, after: int | None = None) -> asyncio.Task[httpx.Response]:
        """The request is on its way and will be handled, whether or not anybody still waits for the answer."""
        task = asyncio.get_running_loop().create_task(self._deliver(request, what, after))
        self._on_the_way.add(task)
        task.add_done_callback(self._delivered)
        return task

    async def _deliver(self, request: httpx.Request, what: Asked, after: int | None) -> httpx.Response:
        await asyncio.sleep(self._one_way if after is None else after)
        return await self._venue_faults.handled(what, lambda: self._inner.handle_async_request(request))

    def _delivered(self, task: asyncio.Task[httpx.Response]) -> None:
        self._on_the_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and isinstance(error, Exception):
            self._watch.broke(error)

    async def _silence(self) -> httpx.Response:
        """Nothing ever comes; the client's own timeout ends it."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing comes")

    # --- the ways in which a request can fare -----------------------------------------------------------------------

    async def _response_lost(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        response = await asyncio.shield(self._leave(request, what))
        if response.status_code == 200:  # a refusal that gets lost is no order that was taken
            self._faults.hit(fault)
            return await self._silence()
        return self._arrive(response, what)

    async def _request_lost(self, _request: httpx.Request, _what: Asked, fault: Fault) -> httpx.Response:
        self._faults.hit(fault)
        return await self._silence()

    async def _late_request(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        """A proxy holds the request, the connection breaks, the request arrives after all within its lifetime."""
        self._faults.hit(fault)
        self._leave(request, what, after=fault.draws.between(1, 4))
        raise httpx.ReadError("connection reset by peer", request=request)

    async def _late_response(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        self._faults.hit(fault)
        response = await asyncio.shield(self._leave(request, what))
        await asyncio.sleep(fault.draws.between(2, 8))
        return self._arrive(response, what, genuine=False)

    async def _twice(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        """A proxy sends the request again when it is not content. Where the venue takes a second order with the same
        id, no client could be safe from such a proxy: there it is not done."""
        if what.venue == "osl" and what.call is Call.PLACE:
            return await self._plainly(request, what)
        self._faults.hit(fault)
        first = await asyncio.shield(self._leave(request, what))
        second = await asyncio.shield(self._leave(request, what))
        await asyncio.sleep(self._one_way)
        return self._arrive(fault.draws.pick((first, second)), what, genuine=False)

    async def _reset(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        self._faults.hit(fault)
        if fault.draws.chance(50):
            await asyncio.shield(self._leave(request, what))
        raise fault.draws.pick((httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError))("reset")

    async def _half_open(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        self._faults.hit(fault)
        if fault.draws.chance(50):
            await asyncio.shield(self._leave(request, what))
        return await self._silence()

    async def _body(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        """The venue has done its part; what comes back is no longer what it said."""
        response = await asyncio.shield(self._leave(request, what))
        await asyncio.sleep(self._one_way)
        text = response.content
        if not text:
            return self._arrive(response, what)
        self._faults.hit(fault)
        if fault.kind is K.HTML:
            spoiled = httpx.Response(200, headers=_OUTAGE, text=_HTML)
        else:
            spoiled = httpx.Response(response.status_code, content=text[: max(1, len(text) * 2 // 3)])
        return self._arrive(spoiled, what, genuine=False)

    async def _error_in_200(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        self._faults.hit(fault)
        if fault.draws.chance(50):
            await asyncio.shield(self._leave(request, what))
        await asyncio.sleep(self._one_way)
        if what.venue == "hashkey":
            said: dict[str, object] = {"code": "-1000", "msg": "An unknown error occurred"}
        elif what.call in (Call.QUOTE, Call.ACCEPT, Call.LEDGER):
            said = {"resultCode": "SYSTEM_ERROR"}
        else:
            said = {"error": {"message": "system error", "name": "SystemError"}}
        return self._arrive(httpx.Response(200, json=said), what, genuine=False)

    async def _edge(self, _request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        """Refused by something in front of the venue: nothing has reached it."""
        self._faults.hit(fault)
        await asyncio.sleep(self._one_way)
        status = {K.TOO_MANY: 429, K.BANNED: 418}.get(fault.kind) or fault.draws.pick((500, 502, 503, 504))
        headers = {"retry-after": str(fault.draws.between(1, 20))} if status < 500 else None
        return self._arrive(httpx.Response(status, headers=headers, text="edge"), what, genuine=False)

    async def _failed_after(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        self._faults.hit(fault)
        await asyncio.shield(self._leave(request, what))
        await asyncio.sleep(self._one_way)
        status = fault.draws.pick((500, 502, 503, 504))
        return self._arrive(httpx.Response(status, text=_HTML), what, genuine=False)

    async def _timeout(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        self._faults.hit(fault)
        response = await asyncio.shield(self._leave(request, what))
        await asyncio.sleep(_AFTER_TIMEOUT_S)
        return self._arrive(response, what, genuine=False)

    async def _slowly(self, request: httpx.Request, what: Asked, fault: Fault) -> httpx.Response:
        self._faults.hit(fault)
        response = await asyncio.shield(self._leave(request, what, after=fault.draws.below(4)))
        await asyncio.sleep(fault.draws.below(5))
        return self._arrive(response, what, genuine=False)


Way = Callable[[FaultyWire, httpx.Request, Asked, Fault], Awaitable[httpx.Response]]
_WAYS: dict[FaultKind, Way] = {
    K.RESPONSE_LOST: FaultyWire._response_lost,
    K.QUOTE_UNANSWERED: FaultyWire._response_lost,
    K.REQUEST_LOST: FaultyWire._request_lost,
    K.LATE_REQUEST: FaultyWire._late_request,
    K.LATE_RESPONSE: FaultyWire._late_response,
    K.DELIVERED_TWICE: FaultyWire._twice,
    K.RESET: FaultyWire._reset,
    K.HALF_OPEN: FaultyWire._half_open,
    K.TRUNCATED: FaultyWire._body,
    K.HTML: FaultyWire._body,
    K.OK_WITH_ERROR: FaultyWire._error_in_200,
    K.TOO_MANY: FaultyWire._edge,
    K.BANNED: FaultyWire._edge,
    K.FAILED_BEFORE: FaultyWire._edge,
    K.FAILED_AFTER: FaultyWire._failed_after,
    K.TIMEOUT: FaultyWire._timeout,
    K.SLOW: FaultyWire._slowly,
}
assert not ANSWERS & frozenset(_WAYS), "a fault works at one boundary"
