"""Every answer of a mocked venue says that it is one, so that nobody can take a real venue for a rehearsal's."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SIMULATED = "x-simulated-venue"


class SaysSimulated:
    """Puts the header on each answer of ``app``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def said(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[SIMULATED] = "yes"
            await send(message)

        await self._app(scope, receive, said if scope["type"] == "http" else send)
