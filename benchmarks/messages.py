"""The HTTP messages of a dry run: recorded on the wire, and sent again by a loop that does nothing else.

The bare loop builds each request, signs it and sends it at the same virtual moment to a fresh copy of the same mocked
venues. It has no engine, no journal, no adapter and no parsing. Since everything is deterministic it must get the very
same answers; if it does not, the two things that are compared are not the same work, and it says so.
"""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass

import httpx

from adapters.clock import Clock, LoopClock
from adapters.mock.keys import SECRET
from adapters.mock.world import MockWorld, WorldSpec
from adapters.osl_sign import sign_v3, sign_v4

_OF_THE_CLIENT = ("host", "accept", "accept-encoding", "connection", "user-agent", "content-length")


class DifferentAnswer(RuntimeError):
    """The bare loop was not answered as the dry run was."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request as it went over the wire, when, and a digest of its answer. The signature is left out."""

    at: float
    venue: str
    method: str
    url: str
    headers: dict[str, str]
    content: bytes
    answer: str


class RecordedWorld(MockWorld):
    """Mocked venues that keep every message that reaches them."""

    def __init__(self, spec: WorldSpec, clock: Clock) -> None:
        super().__init__(spec, clock)
        self.messages: list[Message] = []

    def client(self, venue: str) -> httpx.AsyncClient:
        """A client whose wire is listened to."""
        inner = super().client(venue)
        return httpx.AsyncClient(transport=_Tap(inner, venue, self.messages), timeout=httpx.Timeout(10))


class _Tap(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncClient, venue: str, messages: list[Message]) -> None:
        self._inner = inner
        self._venue = venue
        self._messages = messages

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        at = asyncio.get_running_loop().time()
        content = await request.aread()
        response = await self._inner._transport.handle_async_request(request)
        body = await response.aread()
        headers = {name: value for name, value in request.headers.items() if name not in _OF_THE_CLIENT}
        self._messages.append(
            _unsigned(
                Message(at, self._venue, request.method, str(request.url), headers, content, _digest(response, body))
            )
        )
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _digest(response: httpx.Response, body: bytes) -> str:
    return f"{response.status_code} {hashlib.sha256(body).hexdigest()}"


def _unsigned(message: Message) -> Message:
    """The message before it was signed."""
    headers = {name: value for name, value in message.headers.items() if name not in ("api-signature", "rest-sign")}
    url, _, _ = message.url.partition("&signature=")
    content, _, _ = message.content.partition(b"&signature=")
    return Message(message.at, message.venue, message.method, url, headers, content, message.answer)


def signed(message: Message, client: httpx.AsyncClient) -> httpx.Request:
    """Build the request and sign it as its family of calls wants it."""
    headers, url, content = dict(message.headers), message.url, message.content
    if "x-hk-apikey" in headers:
        total = content if content else url.partition("?")[2].encode()
        signature = hmac.new(SECRET.encode(), total, hashlib.sha256).hexdigest()
        if content:
            content += f"&signature={signature}".encode()
        else:
            url += f"&signature={signature}"
    request = client.build_request(message.method, url, headers=headers, content=content or None)
    if "api-expires" in headers:
        target = request.url.raw_path.decode("ascii")
        expires = int(headers["api-expires"])
        request.headers["api-signature"] = sign_v4(SECRET, message.method, target, expires, content.decode())
    elif "rest-key" in headers:
        path = request.url.raw_path.decode("ascii").lstrip("/")
        request.headers["rest-sign"] = sign_v3(SECRET, path, content.decode())
    return request


async def send_again(messages: list[Message], spec: WorldSpec) -> None:
    """Send every message at its moment to a fresh world. Raises ``DifferentAnswer``."""
    world = MockWorld(spec, LoopClock(spec.start))
    clients = {venue: world.client(venue) for venue in world.apps}
    loop = asyncio.get_running_loop()

    async def one(message: Message) -> None:
        client = clients[message.venue]
        response = await client.send(signed(message, client))
        if _digest(response, response.content) != message.answer:
            raise DifferentAnswer(f"{message.method} {message.url} at {message.at}: {response.text[:200]}")

    async with asyncio.TaskGroup() as sending:
        for message in sorted(messages, key=lambda each: each.at):
            wait = message.at - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            sending.create_task(one(message))
    for client in clients.values():
        await client.aclose()
