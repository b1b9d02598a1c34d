"""A mocked HashKey on a socket, as a process of its own, that asks the journal about every order that arrives.

``python -m tests.failover.venues DOORS JOURNAL``. It has a door of its own for each worker, so that it knows who sent
what; it says their ports when it listens. An order whose intent is not durable at the moment at which it arrives
is a fault, and so is an id that comes twice. While the database is away the question is kept for later.
``GET /seen`` tells what was seen.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import psycopg
import uvicorn

from adapters.clock import SystemClock, steady
from adapters.mock.world import Credit, MockWorld, WorldSpec, world_start
from executor.cli.mock_venues import _listen

_PLACES = ("/api/v1/spot/order", "/api/v1.1/spot/order")
_INTENT = """
    SELECT count(*) FROM events
    WHERE stream = %s AND kind = 'ChildIntended' AND line::jsonb -> 'event' ->> 'client_order_id' = %s
"""


class Seen:
    """What arrived, and what the journal knew of it then."""

    def __init__(self, journal: str) -> None:
        self._url = journal.replace("+psycopg", "", 1)
        self._db: psycopg.Connection[Any] | None = None
        self._later: list[str] = []
        self.orders: list[tuple[str, str, int]] = []  # when it arrived, its id, and at which port
        self.requests: list[float] = []
        self.unjournalled: list[str] = []

    def order(self, client_order_id: str, port: int) -> None:
        """An order has arrived."""
        self.orders.append((datetime.now(UTC).isoformat(), client_order_id, port))
        self._later.append(client_order_id)
        self.ask()

    def ask(self) -> None:
        """Ask about everything that has not been asked about."""
        while self._later:
            try:
                if self._db is None:
                    self._db = psycopg.connect(self._url, autocommit=True, connect_timeout=2)
                stream = f"parent/{self._later[0].rpartition('-')[0]}"
                ((found,),) = self._db.execute(_INTENT, (stream, self._later[0])).fetchall()
            except psycopg.OperationalError:
                self._db = None
                return
            if not found:
                self.unjournalled.append(self._later[0])
            self._later.pop(0)


async def serve(doors: int, journal: str) -> None:
    """Serve until killed."""
    clock = SystemClock()
    credits = [Credit("hashkey", "trading", "BTC", Decimal(600))]
    start = world_start(clock.now())
    world = MockWorld(WorldSpec("BTC", "USD", 1, start, Decimal(100000), credits, latency=timedelta(0)), clock)
    seen, app = Seen(journal), world.apps["hashkey"]

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/seen":
            await _told(send, seen, world)
            return
        seen.requests.append(steady().total_seconds())
        if scope["method"] == "POST" and scope["path"] in _PLACES:
            message = await receive()

            async def again() -> Any:
                return message

            seen.order(parse_qs(message["body"].decode())["newClientOrderId"][0], scope["server"][1])
            await app(scope, again, send)
        else:
            await app(scope, receive, send)

    listeners = [_listen(0) for _ in range(doors)]
    sys.stdout.write(" ".join(str(each.getsockname()[1]) for each in listeners) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(watched, lifespan="off", log_config=None, access_log=False)
    await uvicorn.Server(config).serve(sockets=listeners)


def _busiest(moments: list[float]) -> int:
    """The most requests in any second."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


async def _told(send: Any, seen: Seen, world: MockWorld) -> None:
    seen.ask()
    exchange = world.exchanges["hashkey"]
    body = {
        "orders": seen.orders,
        "unjournalled": seen.unjournalled,
        "requests": len(seen.requests),
        "busiest_second": _busiest(seen.requests),
        "sold": {},
        "resting": [each.client_id for each in exchange.orders.values() if each.status.live],
        "trades": [],
        "coins": str(exchange.wallet("BTC").free + exchange.wallet("BTC").locked),
        "cash": str(world.cash("hashkey")),
    }
    for order in exchange.orders.values():
        parent = order.client_id.rpartition("-")[0]
        body["sold"][parent] = str(Decimal(body["sold"].get(parent, "0")) + order.cum_qty)
        body["trades"] += [trade.trade_id for trade in order.trades]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
