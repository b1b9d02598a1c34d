"""Signatures of OSL's three API families, and the ``tonce`` that the v3 family asks for.

The families sign differently, and each difference is a trap: v3 signs a path without its leading slash, a NUL byte and
the body; v4 signs method, path with slash and query, expiry and body without separators; the Institution API puts a
time in milliseconds first. v3 and v4 secrets are Base64 text and are decoded; the Institution secret is used as it is.

Source: OSL docs, "Calculate signature" (v3, v4) and "Authentication and signature" (Institution API).
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def sign_v4(secret: str, method: str, path_and_query: str, expires: int, body: str = "") -> str:
    """``api-signature`` of the exchange API. ``path_and_query`` begins with a slash and is exactly what is sent;
    ``expires`` is the ``api-expires`` header, Unix seconds in the future; ``body`` is empty if none is sent."""
    message = f"{method}{path_and_query}{expires}{body}".encode()
    return _base64_hmac(base64.b64decode(secret), message, hashlib.sha512)


def sign_v3(secret: str, path: str, body: str) -> str:
    """``Rest-Sign`` of the brokerage API. ``path`` has neither host nor leading slash (``api/3/retail/quote``);
    ``body`` is the JSON text that is sent, with its ``tonce``: a signature is good for one request."""
    message = f"{path}\0{body}".encode()
    return _base64_hmac(base64.b64decode(secret), message, hashlib.sha512)


def sign_institution(secret: str, timestamp_ms: int, method: str, path: str, query: str, body: str) -> str:
    """``ACCESS-SIGN`` of the Institution API. ``query`` includes its question mark, or is empty.

    Only the signer exists here: no endpoint that sells is documented for that API, and the entity behind it is not
    stated, so nothing in this program sends to it.
    """
    message = f"{timestamp_ms}{method}{path}{query}{body}".encode()
    return _base64_hmac(secret.encode(), message, hashlib.sha256)


class Tonce:
    """Unix time in microseconds that only moves forward, whatever the clock does.

    The guard lives as long as the process: OSL does not document whether it remembers the last value of a key across
    restarts, so a clock that was set back while the process was down must be right before it starts again.
    """

    def __init__(self) -> None:
        self._last = 0

    def next(self, now: datetime) -> int:
        """A value above all earlier ones; ``now`` is the venue's time."""
        self._last = max(self._last + 1, (now - _EPOCH) // _MICROSECOND)
        return self._last


def _base64_hmac(key: bytes, message: bytes, digest: Callable[..., "hashlib._Hash"]) -> str:
    return base64.b64encode(hmac.new(key, message, digest).digest()).decode()
