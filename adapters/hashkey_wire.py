"""HashKey's wire: settings, signatures, and the step from an HTTP answer to data or an error of the taxonomy."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from adapters.clock import Clock
from adapters.hashkey_errors import CLOCK_REFUSED, SUCCESS, THROTTLE_PAUSE, VENUE, Action, classify, code_of, text_of
from adapters.transport import Answer, Transport
from adapters.venue import NotSent, Rejected, RejectReason, Throttled, Unauthorized, Unknown

ClientType = Literal["retail", "pi", "corporate", "omnibus"]
Params = dict[str, str]

PRODUCTION = "https://api-pro.hashkey.com"
SANDBOX = "https://api-pro.sim.hashkeydev.com"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# How the venue canonicalises reserved characters before it checks a signature is not documented, so nothing that
# would need encoding is ever sent. The comma is only used in a list of order ids.
_PATH = re.compile(r"/[A-Za-z0-9_./-]+")
_PLAIN = re.compile(r"[A-Za-z0-9_.,-]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT = timedelta(milliseconds=500)  # its half is well within the second by which our clock may lead
_MEASUREMENTS = 4


@dataclass(frozen=True, slots=True)
class HashKeySettings:
    """What an operator decides about one HashKey account.

    ``account_id`` is the trading account, the only one that the key may see. ``client_type`` picks the flag of
    ``exchangeInfo`` that must allow a pair. ``rfq_accept_path`` is the call that HashKey has given this client to
    execute a quote; it is not in the public documents, and without it quotes are only asked and recorded.
    ``taker_fee``/``maker_fee``
    (fractions) are used only where ``vipInfo`` states no rate. ``withdrawals_confirmed_off`` says that a person has
    seen in HashKey's console that the key has no withdrawal permission: no documented call shows it.

    ``min_order_fee`` (quote asset) is what HashKey takes at least of an order that is fully executed, USD 1.99 by its
    notice of 2025-07-30, which no call tells; price rules that bind after fees count it.

    ``quiet_period`` and ``looks`` are our choice: the delay between a lost answer and the order's visibility is not
    documented, and thirty seconds is six times the window in which a signed request stays valid. The rates are the
    lower of two conflicting statements (2/s and 5/s queries, 10/s and 20/s orders); the higher is the bound, since who
    keeps going over it is blocked by address. The mock on this machine, which tests hurry, has no such bound, and its
    ``quiet_period`` may be shorter than ``recv_window_ms``.

    ``SITES`` is where HashKey documents each kind of profile to be; ``base_url`` may be nowhere else. ``api-glb`` is
    another company (HashKey Global).
    """

    SITES: ClassVar[Mapping[str, frozenset[str]]] = {
        "production": frozenset({PRODUCTION}),
        "sandbox": frozenset({SANDBOX}),
    }

    api_key: SecretStr
    secret: SecretStr
    client_type: ClientType
    base_url: str = PRODUCTION
    account_id: str | None = None
    rfq_accept_path: str | None = None
    withdrawals_confirmed_off: bool = False
    taker_fee: Decimal | None = None
    maker_fee: Decimal | None = None
    min_order_fee: Decimal = Decimal("1.99")
    recv_window_ms: int = 5000
    quiet_period: timedelta = timedelta(seconds=30)
    looks: int = 5
    fills_page: int = 200
    rfq_settle_patience: timedelta = timedelta(seconds=10)
    queries_per_second: Decimal = Decimal(2)
    orders_per_second: Decimal = Decimal(10)
    timeout: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if self.looks < 2 or self.quiet_period < timedelta(seconds=1):
            raise ValueError("looks must be 2 or more and quiet_period one second or more: one look proves nothing")
        if self.recv_window_ms < 1 or self.fills_page < 1:
            raise ValueError("recv_window_ms and fills_page must be 1 or more")
        if self.timeout <= timedelta(0) or self.rfq_settle_patience < timedelta(0):
            raise ValueError("timeout must be more than nothing, and rfq_settle_patience not negative")
        if self.queries_per_second <= 0 or self.orders_per_second <= 0:
            raise ValueError("queries_per_second and orders_per_second must be more than 0")
        if urlsplit(self.base_url).hostname not in LOOPBACK:
            self._hold_to_the_documents()
        if any(rate is not None and not 0 <= rate < 1 for rate in (self.taker_fee, self.maker_fee)):
            raise ValueError("taker_fee and maker_fee must be fractions, 0 or more and below 1: 0.29 % is 0.0029")
        if self.min_order_fee < 0:
            raise ValueError("min_order_fee must be 0 or more")
        if self.rfq_accept_path is not None and not _PATH.fullmatch(self.rfq_accept_path):
            raise ValueError(
                "rfq_accept_path must begin with / and hold letters, digits and _ . - / only: it is joined to the "
                "host, and the key goes where that leads; leave it out if HashKey has not named one"
            )

    def _hold_to_the_documents(self) -> None:
        """What the venue documents and the mock does not ask."""
        if self.quiet_period // timedelta(milliseconds=1) < self.recv_window_ms:
            raise ValueError(
                "quiet_period must not be shorter than recv_window_ms: until then a delayed request may still be taken"
            )
        if self.queries_per_second > 5 or self.orders_per_second > 20:
            raise ValueError("queries_per_second must be 5 at most, orders_per_second 20: HashKey documents no more")


def sign(secret: SecretStr, total_params: str) -> str:
    """Lowercase hex HMAC-SHA256 over the query string followed directly by the body (HashKey docs, Authentication)."""
    return hmac.new(secret.get_secret_value().encode(), total_params.encode(), hashlib.sha256).hexdigest()


def encode(params: Params) -> str:
    """``k=v&k=v`` of plain characters; the very bytes that are signed and sent."""
    for name, value in params.items():
        if not _PLAIN.fullmatch(value):
            raise Rejected(
                VENUE,
                f"{name} holds a character whose signature is not documented; only A-Z a-z 0-9 _ - . are sent",
                reason=RejectReason.INVALID,
            )
    return "&".join(f"{name}={value}" for name, value in params.items())


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down so that rounding never makes our clock lead."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class HashKeyWire:
    """Signed and unsigned calls. All parameters travel in one place: GET in the query, POST and DELETE in the body."""

    def __init__(self, settings: HashKeySettings, client: httpx.AsyncClient, clock: Clock) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._offset = timedelta(0)
        self._clock_due = True
        self._transport = Transport(
            VENUE,
            client,
            clock,
            queries_per_second=settings.queries_per_second,
            orders_per_second=settings.orders_per_second,
            timeout=settings.timeout,
            throttle_pause=THROTTLE_PAUSE,
        )

    @property
    def simulated(self) -> bool:
        """The far end has said that it is simulated."""
        return self._transport.simulated

    def venue_now(self) -> datetime:
        """The venue's time as far as we know it."""
        return self._clock.now() + self._offset

    async def measure_clock(self) -> timedelta:
        """Venue time minus ours, taken against the middle of the shortest of a few round trips, and used from now on to
        sign. A long one says little: it is measured again at once, a few times."""
        found: list[tuple[timedelta, timedelta]] = []
        while len(found) < _MEASUREMENTS and not (found and found[-1][0] <= _SHORT):
            found.append(await self._measure())
        self._offset = min(found)[1]
        self._clock_due = False
        return self._offset

    async def _measure(self) -> tuple[timedelta, timedelta]:
        """How long the question took, and venue time minus ours by its answer."""
        sent: datetime | None = None

        def build() -> httpx.Request:
            nonlocal sent
            sent = self._clock.now()
            return self._client.build_request("GET", self._url("/api/v1/time"))

        answer = await self._transport.read(build)
        received = self._clock.now()
        data = self._usable(answer, Action.READ)
        said = data.get("serverTime") if isinstance(data, dict) else None
        if said is None or not str(said).isdigit():
            raise NotSent(VENUE, "the answer to /api/v1/time has no serverTime")
        assert sent is not None
        took = received - sent
        return took, _EPOCH + timedelta(milliseconds=int(str(said))) - (sent + took / 2)

    async def public(self, path: str, params: Params | None = None) -> object:
        """An unsigned reading."""
        query = encode(params or {})
        url = self._url(path) + (f"?{query}" if query else "")
        return self._usable(await self._transport.read(lambda: self._client.build_request("GET", url)), Action.READ)

    async def get(self, path: str, params: Params | None = None, *, weight: int = 1) -> object:
        """A signed reading. A refusal of our clock is answered by measuring it and asking once more: a reading has no
        effect."""
        checked = dict(params or {})
        encode(checked)

        def build() -> httpx.Request:
            query = self._signed(checked)
            return self._client.build_request("GET", f"{self._url(path)}?{query}", headers=self._headers())

        await self._measure_if_due()
        try:
            return self._usable(await self._transport.read(build, weight=weight), Action.READ)
        except Unauthorized as refused:
            if refused.code != CLOCK_REFUSED:
                raise
        await self.measure_clock()
        return self._usable(await self._transport.read(build, weight=weight), Action.READ)

    async def send(
        self,
        method: Literal["POST", "DELETE"],
        path: str,
        params: Params,
        action: Action,
        *,
        not_after: datetime | None = None,
    ) -> object:
        """A signed request with effect: exactly one goes out, and none after ``not_after`` (our clock)."""
        checked = dict(params)
        encode(checked)
        await self._measure_if_due()

        def build() -> httpx.Request:
            headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
            body = self._signed(checked).encode()
            return self._client.build_request(method, self._url(path), content=body, headers=headers)

        return self._usable(await self._transport.write(build, not_after=not_after), action)

    def _usable(self, answer: Answer, action: Action) -> object:
        """The data of an answer that says success, else the error that it stands for."""
        code = code_of(answer.data)
        reading = action is Action.READ
        if answer.status < 300 and (code is None or code in SUCCESS):
            if answer.is_json and answer.data is not None:
                return answer.data
            raise self._unclear("the answer is empty", str(answer.status), reading=reading)
        if code is None or code in SUCCESS:
            # A refusal by something in front of the venue, or one that calls itself a success.
            raise self._unclear("an HTTP error without an error code", str(answer.status), reading=reading)
        if answer.status < 300 and not reading:
            # The documents give errors HTTP 400: what an error inside a success means for an order is not documented.
            raise Unknown(VENUE, f"success on the wire with an error inside: {text_of(answer.data)}", code=code)
        if code == CLOCK_REFUSED:
            self._clock_due = True
            if not reading:
                raise NotSent(VENUE, "refused for its time, unread; the clock is measured anew", code=code)
        error = classify(code, text_of(answer.data), action)
        if isinstance(error, Throttled):
            self._transport.pause(error.retry_after)
        raise error

    @staticmethod
    def _unclear(why: str, code: str, *, reading: bool) -> NotSent | Unknown:
        return NotSent(VENUE, why, code=code) if reading else Unknown(VENUE, why, code=code)

    async def _measure_if_due(self) -> None:
        if self._clock_due:
            await self.measure_clock()

    def _signed(self, params: Params) -> str:
        stamped = {
            "timestamp": str(to_ms(self.venue_now())),
            "recvWindow": str(self._settings.recv_window_ms),
            **params,
        }
        total = encode(stamped)
        return f"{total}&signature={sign(self._settings.secret, total)}"

    def _headers(self) -> dict[str, str]:
        return {"X-HK-APIKEY": self._settings.api_key.get_secret_value()}

    def _url(self, path: str) -> str:
        return self._settings.base_url.rstrip("/") + path


def unusable(why: str, action: Action) -> NotSent | Unknown:
    """An answer without the fields that it must have: it proves nothing."""
    sentence = f"the answer cannot be used: {why}"
    return NotSent(VENUE, sentence) if action is Action.READ else Unknown(VENUE, sentence)
