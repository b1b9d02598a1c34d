"""The gates in front of the mocked HashKey: keys, signatures over the raw bytes, the clock, and the rates."""

import hashlib
import hmac
from collections import deque
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from adapters.clock import Clock
from adapters.mock.hashkey_rows import ApiError, ms

_ORDER_RATE, _QUERY_RATE = 10, 2  # per second and key
_SUSPENDED = timedelta(seconds=60)
_PATIENCE = 20  # requests while suspended before the address is banned


class Gate:
    """What every private request must pass. Rates are only kept when ``limit_rates`` is set."""

    def __init__(self, clock: Clock, *, api_key: str, secret: str, limit_rates: bool) -> None:
        self._clock = clock
        self._api_key = api_key
        self._secret = secret
        self._limit_rates = limit_rates
        self._seen: dict[str, deque[datetime]] = {"order": deque(), "query": deque()}
        self._suspended_until: datetime | None = None
        self._ignored = 0

    def authenticate(self, key: str, query: str, body: str) -> dict[str, str]:
        """The parameters of a request that is signed and in time. Both places may carry parameters; when both do,
        those of the query count."""
        if key != self._api_key:
            raise ApiError("0102", "Invalid APIKey")
        message, _, signature = (query + body).rpartition("&signature=")
        params = dict(parse_qsl(query or body))
        if not message or "&" in signature:
            raise ApiError("0001", "Required field signature is missing or invalid")
        proper = hmac.new(self._secret.encode(), message.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(proper, signature.lower()):
            raise ApiError("0002", "Incorrect signature")
        stamp, window = needed(params, "timestamp"), params.get("recvWindow", "5000")
        if not (stamp.isdigit() and window.isdigit()):
            raise ApiError("-1004", "Bad request")
        behind = ms(self._clock.now()) - int(stamp)
        if not -1000 < behind <= int(window):
            raise ApiError("-1021", "Timestamp for this request is outside of the recvWindow")
        return params

    def count(self, kind: str) -> None:
        """Refuse what is over the documented rates, if the mock was told to."""
        if not self._limit_rates:
            return
        now = self._clock.now()
        if self._suspended_until is not None and now < self._suspended_until:
            self._ignored += 1
            raise ApiError(
                "", "banned" if self._ignored > _PATIENCE else "suspended", 418 if self._ignored > _PATIENCE else 429
            )
        window = self._seen[kind]
        while window and window[0] <= now - timedelta(seconds=1):
            window.popleft()
        window.append(now)
        if len(window) > (_ORDER_RATE if kind == "order" else _QUERY_RATE):
            self._suspended_until = now + _SUSPENDED
            self._ignored = 0
            raise ApiError("", "too many requests", 429)


def needed(params: dict[str, str], name: str) -> str:
    """A required parameter."""
    if not params.get(name):
        raise ApiError("0001", f"Required field {name} is missing or invalid")
    return params[name]
