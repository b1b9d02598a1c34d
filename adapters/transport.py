"""HTTP to a venue: one place that knows which failures prove that nothing was sent, and what may be sent again.

``read`` is for calls without effect: it is tried again a few times. ``write`` is for calls that place, cancel or
accept: it puts exactly one request on the wire, ever. Both sign at the moment of sending, through the ``build``
callback, so that a retry carries a fresh timestamp. Rate limits are waited for before signing.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Never, Protocol

import httpx

from adapters.clock import Clock
from adapters.leave import why_not_now
from adapters.venue import Halted, NotSent, Throttled, Unknown

READ_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.25  # before a reading is tried again; twice as long before the next
SIMULATED = "x-simulated-venue"
"""The header that a simulated venue puts on each of its answers. A real one does not know it. What stand-ins approve in
a rehearsal is sold only where it was seen."""

_SECONDS = re.compile(r"[0-9]{1,6}")
_LONGEST_PAUSE = timedelta(minutes=30)

# Raised by httpx before a byte of the request can have left: connecting, resolving, TLS, or waiting for a free
# connection. Everything else may have happened after the venue had read the request.
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. ``data`` is the parsed JSON (numbers with a point as ``Decimal``) if ``is_json``."""

    status: int
    headers: httpx.Headers
    body: bytes
    is_json: bool
    data: object = None


class _Unusable(Exception):
    """A reading brought no usable answer; ``__str__`` says why."""


class Transport:
    """Signed requests to one venue under its rate limits.

    Requests of a kind (queries, orders) are spaced evenly at the documented rate: there are no bursts, so that any
    window of any length holds the limit.
    """

    def __init__(
        self,
        venue: str,
        client: httpx.AsyncClient,
        clock: Clock,
        *,
        queries_per_second: Decimal,
        orders_per_second: Decimal,
        timeout: timedelta,
        throttle_pause: timedelta,
    ) -> None:
        self._venue = venue
        self._client = client
        self._clock = clock
        self._account = client.account if isinstance(client, SharingClient) else _Alone()
        self._queries = self._account.turns("queries", queries_per_second)
        self._orders = self._account.turns("orders", orders_per_second)
        self._timeout_s = timeout.total_seconds()
        self._throttle_pause = throttle_pause
        self._closed_until: float | None = None  # by the event loop's clock, which nobody sets back
        self.simulated = False  # the far end has said so of itself

    async def read(self, build: Callable[[], httpx.Request], *, weight: int = 1) -> Answer:
        """Send a request that has no effect, up to ``READ_ATTEMPTS`` times. Answers of 5xx and bodies that are no
        JSON count as no answer. Raises ``NotSent``, ``Throttled`` or ``Halted``."""
        told = ""
        for attempt in range(READ_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
            try:
                return await self._read_once(build, weight)
            except _Unusable as none:
                told = str(none)
        raise NotSent(self._venue, f"no usable answer after {READ_ATTEMPTS} attempts: {told}")

    async def write(self, build: Callable[[], httpx.Request], *, not_after: datetime | None = None) -> Answer:
        """Send a request that may have an effect, exactly once. Returns only an answer below 500 with a JSON body
        (or an empty one: ``is_json`` false). Raises ``NotSent``, ``Unknown``, ``Throttled``, ``Halted``. ``not_after``
        and :func:`adapters.leave.asking` hold it back when its turn has come."""
        self._leave_alone(await self._orders.acquire())
        self._refuse_while_closed()
        if held := why_not_now():
            raise NotSent(self._venue, f"held back while it waited for its turn: {held}")
        # Last, since the question may have taken its time.
        if not_after is not None and self._clock.now() > not_after:
            raise NotSent(self._venue, f"not sent by {not_after.isoformat()}: too late to be sent at all")
        try:
            answer = await self._send(build())
        except _BEFORE_SENDING as error:
            raise NotSent(self._venue, f"could not connect: {_name(error)}") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unknown(self._venue, f"sent, but no answer: {_name(error)}") from None
        if answer.status >= 500:
            raise Unknown(self._venue, "the venue failed while it handled the request", code=str(answer.status))
        if not answer.is_json and answer.body:
            raise Unknown(self._venue, "the answer is not JSON", code=str(answer.status))
        return answer

    async def _read_once(self, build: Callable[[], httpx.Request], weight: int) -> Answer:
        for _ in range(weight):
            self._leave_alone(await self._queries.acquire())
        self._refuse_while_closed()
        try:
            answer = await self._send(build())
        except (httpx.HTTPError, TimeoutError) as error:
            raise _Unusable(_name(error)) from None
        if answer.status >= 500:
            raise _Unusable(f"HTTP {answer.status}")
        if not answer.is_json:
            raise _Unusable(f"HTTP {answer.status} with a body that is not JSON")
        return answer

    async def _send(self, request: httpx.Request) -> Answer:
        async with asyncio.timeout(self._timeout_s):
            response = await self._client.send(request)
        self.simulated = self.simulated or SIMULATED in response.headers
        if response.status_code in (418, 429):
            self._close(response)
        status, headers, body = response.status_code, response.headers, response.content
        try:
            # The bytes themselves: JSON is UTF-8, and guessing the charset from the headers costs more than reading it.
            data = json.loads(body, parse_float=Decimal) if body else None
        except (ValueError, ArithmeticError, RecursionError):  # numbers and depths that no venue means are none either
            return Answer(status, headers, body, is_json=False)
        return Answer(status, headers, body, is_json=bool(body), data=data)

    def pause(self, least: timedelta) -> None:
        """Send nothing for ``least``, nor let others that use the account: for venues that say "too many requests" in
        the body of an answer."""
        self._leave_alone(least)
        self._account.pause(least)

    def _leave_alone(self, least: timedelta) -> None:
        if least > timedelta(0):
            until = asyncio.get_running_loop().time() + least.total_seconds()
            self._closed_until = until if self._closed_until is None else max(self._closed_until, until)

    def _close(self, response: httpx.Response) -> Never:
        """The edge refused us: send nothing at all until the pause is over, so that we are not banned for going on."""
        said = response.headers.get("retry-after", "")
        # A number of seconds, and not for longer than can be borne: for as long nothing can be cancelled either.
        asked = timedelta(seconds=int(said)) if _SECONDS.fullmatch(said) else self._throttle_pause
        pause = min(asked, _LONGEST_PAUSE)
        self.pause(pause)
        if response.status_code == 418:
            raise Halted(
                self._venue,
                f"this address is banned for going on after a rate limit; quiet for {pause}",
                code="418",
            )
        raise Throttled(self._venue, "rate limit", code="429", retry_after=pause)

    def _refuse_while_closed(self) -> None:
        if self._closed_until is None:
            return
        left = self._closed_until - asyncio.get_running_loop().time()
        if left > 0:
            pause = timedelta(seconds=left)
            raise Throttled(self._venue, "waiting out a rate limit", code="429", retry_after=pause)
        self._closed_until = None


class Turns(Protocol):
    """Lets requests of one kind through at a rate."""

    async def acquire(self) -> timedelta:
        """Wait for this request's turn; for how long the account must still be left alone, usually not at all."""


class Account(Protocol):
    """A venue's account, as all see it that use it."""

    def turns(self, kind: str, per_second: Decimal) -> Turns:
        """The turns that they take together for requests of one kind."""

    def pause(self, least: timedelta) -> None:
        """The venue wants to be left alone by all of them for ``least``."""


class SharingClient(httpx.AsyncClient):
    """A client whose ``account`` is used by other processes too."""

    def __init__(self, account: Account, **options: Any) -> None:
        super().__init__(**options)
        self.account = account


class _Alone:
    """An account that nobody else uses."""

    def turns(self, _kind: str, per_second: Decimal) -> Turns:
        return Spacing(per_second)

    def pause(self, least: timedelta) -> None: ...


class Spacing:
    """Lets one request through per interval of ``1 / rate`` seconds, in the order in which they came. There are no
    bursts, so that a window of any length and any start holds the rate."""

    def __init__(self, per_second: Decimal) -> None:
        self._interval_s = (1 / per_second).__float__()
        self._next = 0.0

    async def acquire(self) -> timedelta:
        """Wait for this request's turn."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._interval_s
        if turn > now:
            await asyncio.sleep(turn - now)
        return timedelta(0)


def _name(error: Exception) -> str:
    # httpx puts URLs, and with them signatures, into some messages: the class is all that is told.
    return type(error).__name__
