"""The last look before an order leaves: asked again when its first byte is about to be written, on a real socket."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import httpx
import pytest

from adapters.clock import SystemClock
from adapters.fence import FencedClient, FencedVenue
from adapters.transport import Spacing, Transport
from adapters.venue import NewOrder, NotSent, Venue


class Wire:
    """A server that counts what arrives, and a transport to it whose fence says what ``answers`` says, then no more."""

    def __init__(self, answers: list[bool]) -> None:
        self.answers = answers
        self.arrived: list[bytes] = []
        self.connections = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.arrived.append(head.split(b" ", 1)[0])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def run(self, act: Callable[["Client"], Awaitable[Any]]) -> Any:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        client = FencedClient(lambda: self.answers.pop(0) if self.answers else False, Alone(), timeout=5)
        try:
            return await act(Client(client, url))
        finally:
            await client.aclose()
            server.close()
            await server.wait_closed()


class Alone:
    """An account that nobody else uses."""

    def turns(self, _kind: str, per_second: Decimal) -> Spacing:
        return Spacing(per_second)

    def pause(self, least: timedelta) -> None: ...


class Client:
    """As much of a venue as the fence knows."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url
        rate = Decimal(1000)
        second = timedelta(seconds=1)
        self._transport = Transport(
            "venue",
            client,
            SystemClock(),
            queries_per_second=rate,
            orders_per_second=rate,
            timeout=5 * second,
            throttle_pause=second,
        )

    async def place(self, order: NewOrder | None) -> Any:
        return await self._transport.write(lambda: self._client.build_request("POST", self._url))

    async def cancel(self, ref: object) -> Any:
        return await self._transport.write(lambda: self._client.build_request("DELETE", self._url))

    async def look(self) -> Any:
        return await self._transport.read(lambda: self._client.build_request("GET", self._url))


async def place(client: Client) -> Any:
    return await FencedVenue(cast(Venue, client)).place(cast(NewOrder, None))


def test_an_order_passes_while_the_fence_is_open() -> None:
    wire = Wire([True, True])
    assert asyncio.run(wire.run(place)).status == 200
    assert wire.arrived == [b"POST"]
    assert wire.answers == []  # it was asked twice


@pytest.mark.parametrize("answers", [[False], [True, False]])
def test_nothing_arrives_when_it_closes_even_after_the_connection_was_made(answers: list[bool]) -> None:
    """The second case is a process that is stopped between signing and sending. With the question put only before the
    request is made the order arrives."""
    wire = Wire(list(answers))
    with pytest.raises(NotSent):
        asyncio.run(wire.run(place))
    assert wire.arrived == []
    assert wire.connections == len(answers) - 1


def test_readings_and_cancellations_always_pass() -> None:
    wire = Wire([])

    async def both(client: Client) -> None:
        venue = cast(Any, FencedVenue(cast(Venue, client)))
        await venue.look()
        await venue.cancel(None)

    asyncio.run(wire.run(both))
    assert wire.arrived == [b"GET", b"DELETE"]


def test_the_fence_is_for_the_one_order_only() -> None:
    """A cancellation beside an order that is being held back is not held back with it."""
    wire = Wire([])

    async def beside(client: Client) -> None:
        ends = await asyncio.gather(place(client), client.cancel(None), return_exceptions=True)
        assert isinstance(ends[0], NotSent)
        assert not isinstance(ends[1], BaseException)

    asyncio.run(wire.run(beside))
    assert wire.arrived == [b"DELETE"]
