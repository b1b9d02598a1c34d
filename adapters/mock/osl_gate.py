"""The door of the mocked OSL: signatures over the raw bytes, expiry, tonce, and JSON as OSL writes it.

Written from the documentation and not from the adapter's signers, so that one can find the other wrong.
"""

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response

from adapters.clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FARTHEST_EXPIRY = timedelta(seconds=60)  # assumption: the maximum is not documented
_TONCE_WINDOW = timedelta(seconds=60)  # assumption: none is documented
_NUMBER = re.compile(r'"\\u0000([^"]*)"')


class Denied(Exception):
    """The request is refused at the door; ``response`` says so in the venue's words."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Gate:
    """One API key and what it must prove with each request."""

    def __init__(self, clock: Clock, api_key: str, secret: str) -> None:
        self._clock = clock
        self._api_key = api_key
        self._key = base64.b64decode(secret)
        self._last_tonce = 0

    async def v4(self, request: Request) -> bytes:
        """The body of a v4 request whose headers are in order, else ``Denied``."""
        body = await request.body()
        if request.headers.get("api-key") != self._api_key:
            raise Denied(v4_error("unknown api-key", "INVALID_API_KEY", 401))
        expires = request.headers.get("api-expires", "")
        left = _EPOCH + timedelta(seconds=int(expires)) - self._clock.now() if expires.isdigit() else timedelta(-1)
        if not timedelta(0) <= left <= _FARTHEST_EXPIRY:
            raise Denied(v4_error("api-expires is past or too far ahead", "EXPIRED", 401))
        query = request.scope["query_string"]
        path = request.scope["raw_path"] + (b"?" + query if query else b"")
        signed = request.method.encode() + path + expires.encode() + body
        if not self._matches(signed, request.headers.get("api-signature", "")):
            raise Denied(v4_error("signature not valid", "INVALID_SIGNATURE", 401))
        return body

    async def v3(self, request: Request) -> dict[str, object]:
        """The JSON body of a v3 request whose headers and ``tonce`` are in order, else ``Denied``."""
        body = await request.body()
        if request.headers.get("rest-key") != self._api_key:
            raise Denied(as_json({"error": "INVALID_API_KEY"}, 401))
        path = request.scope["raw_path"].lstrip(b"/")
        if not self._matches(path + b"\0" + body, request.headers.get("rest-sign", "")):
            raise Denied(as_json({"error": "INVALID_SIGNATURE"}, 401))
        asked = parsed(body)
        tonce = asked.get("tonce")
        if not isinstance(tonce, int) or tonce <= self._last_tonce:
            raise Denied(as_json({"error": "INVALID_TONCE"}, 401))
        if abs(_EPOCH + timedelta(microseconds=tonce) - self._clock.now()) > _TONCE_WINDOW:
            raise Denied(as_json({"error": "INVALID_TONCE"}, 401))
        self._last_tonce = tonce
        return asked

    def _matches(self, signed: bytes, signature: str) -> bool:
        right = base64.b64encode(hmac.new(self._key, signed, hashlib.sha512).digest()).decode()
        return hmac.compare_digest(right, signature)


def parsed(body: bytes) -> dict[str, object]:
    """The JSON object in ``body``, empty when it holds none."""
    try:
        asked = json.loads(body or b"{}", parse_float=Decimal)
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def as_json(data: object, status: int = 200) -> Response:
    """``data`` with every ``Decimal`` as a JSON number with a point, digit for digit."""
    text = json.dumps(data, default=lambda amount: "\0" + _pointed(amount))
    return Response(_NUMBER.sub(r"\1", text), status, media_type="application/json")


def v4_error(message: str, name: str, status: int = 400) -> Response:
    return as_json({"error": {"message": message, "name": name}}, status)


def ms(moment: datetime) -> int:
    """Unix milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(amount: Decimal) -> str:
    """Without an exponent and, as OSL's REST does, without trailing zeros."""
    return format(amount.normalize(), "f")


def _pointed(amount: Decimal) -> str:
    text = plain(amount)
    return text if "." in text else text + ".0"
