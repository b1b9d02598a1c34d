"""What the operator tells the OSL adapter: address, keys, and the names that OSL's public documentation leaves out.

The v4 pages document which calls exist but not how they name the executed quantity of an order or the parts of an
execution, nor whether a new order takes a client order id. Money hangs on those names, so none of them has a default:
the adapter refuses to start until each is set, and says what to ask OSL for.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

PRODUCTION = "https://trade-hk.osl.com"
SANDBOX = "https://trade-hk.oslsandbox.com"
HOSTS = frozenset({"trade-hk.osl.com", "trade-hk.oslsandbox.com"})
"""Hosts of OSL's licensed Hong Kong venue (OSL Digital Securities Limited). ``trade-au`` and ``api.osl.com`` belong to
other entities, or to entities that are not stated: selling there would be selling outside the licence."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class V4Fields:
    """JSON names in v4 replies that OSL does not publish. An empty string means "not known": see :func:`missing`."""

    cum_qty: str = ""
    leaves_qty: str = ""
    trade_id: str = ""
    trade_qty: str = ""
    trade_px: str = ""
    fee: str = ""
    fee_asset: str = ""
    trade_time: str = ""


_ASK = {
    "cum_qty": "the executed quantity in GET /api/v4/order",
    "leaves_qty": "the open quantity in GET /api/v4/order",
    "trade_id": "the unique id of an execution in GET /api/v4/execution",
    "trade_qty": "the executed quantity in GET /api/v4/execution",
    "trade_px": "the executed price in GET /api/v4/execution",
    "fee": "the fee amount in GET /api/v4/execution",
    "fee_asset": "the currency of the fee in GET /api/v4/execution",
    "trade_time": "the time of an execution (ISO-8601) in GET /api/v4/execution",
}


@dataclass(frozen=True, slots=True)
class OslSettings:
    """Everything the adapter needs.

    ``secret`` is the Base64 text that OSL shows once. ``expires_in_s`` is how far in the future ``api-expires`` is set
    (OSL's samples use 10; the maximum is not published). ``v3_read_method`` is for ``account`` and
    ``transaction/list``, for which clients in use disagree. ``client_id_on_create`` names the field that carries our
    order id in a new order and in the reply. ``taker_fee`` and ``maker_fee`` are this account's own rates (fractions);
    without them the default rates of ``/api/v5/symbols`` are planned with. ``client_type`` says which availability
    flag of a pair applies. ``book_depth`` is levels per side, "0" for all. ``executions_page`` (500 at
    most, documented) and ``ledger_page`` are rows per request of the executions and of the brokerage ledger.

    ``quiet_period`` and ``looks`` are our choice: an order whose answer was lost is held to be absent only after that
    many readings over that time, since the delay before an order becomes visible is not documented.
    ``requests_per_second`` too, for orders and for queries: documented are 200 for v4 and 30 for v3, per address and
    shared by everyone behind it, and the answer to going over is not documented. ``withdrawals_confirmed_off`` says
    that a person has seen in OSL's portal that the key may not move funds: no call shows it.

    ``SITES`` is where OSL documents each kind of profile to be; ``base_url`` may be nowhere else.
    """

    SITES: ClassVar[Mapping[str, frozenset[str]]] = {
        "production": frozenset({PRODUCTION}),
        "sandbox": frozenset({SANDBOX}),
    }

    base_url: str
    api_key: SecretStr
    secret: SecretStr
    fields: V4Fields = field(default_factory=V4Fields)
    client_id_on_create: str | None = None
    expires_in_s: int = 10
    v3_read_method: Literal["POST", "GET"] = "POST"
    client_type: Literal["pi", "retail"] = "pi"
    taker_fee: Decimal | None = None
    maker_fee: Decimal | None = None
    book_depth: str = "100"
    executions_page: int = 500
    ledger_page: int = 50
    timeout_s: int = 15
    quiet_period: timedelta = timedelta(seconds=60)
    looks: int = 6
    requests_per_second: Decimal = Decimal(5)
    withdrawals_confirmed_off: bool = False

    def __post_init__(self) -> None:
        if self.timeout_s < 10:
            raise ValueError("timeout_s must be 10 or more: an RFQ trade was seen to take 1.7 s in a quiet sandbox")
        if self.expires_in_s < 2:
            raise ValueError("expires_in_s must be 2 or more, or requests expire on the way")
        if self.ledger_page < 2:
            raise ValueError("ledger_page must be 2 or more: a trade has two rows")
        if not 1 <= self.executions_page <= 500:
            raise ValueError("executions_page must be 1 to 500")
        if not 1 <= self.requests_per_second <= 30:
            raise ValueError("requests_per_second must be 1 to 30")
        if self.looks < 2 or self.quiet_period < timedelta(seconds=1):
            raise ValueError("looks must be 2 or more and quiet_period one second or more: one look proves nothing")
        if any(rate is not None and not 0 <= rate < 1 for rate in (self.taker_fee, self.maker_fee)):
            raise ValueError("taker_fee and maker_fee must be fractions, 0 or more and below 1: 0.1 % is 0.0010")
        try:
            base64.b64decode(self.secret.get_secret_value(), validate=True)
        except ValueError:
            raise ValueError("secret must be the Base64 text that OSL shows when a key is made") from None


def missing(settings: OslSettings) -> str:
    """A sentence naming every unset name and what to ask OSL for, or an empty string when all are set."""
    gaps = [
        f"fields.{each.name} (ask for the JSON name of {_ASK[each.name]})"
        for each in fields(V4Fields)
        if not getattr(settings.fields, each.name)
    ]
    if not settings.client_id_on_create:
        gaps.append(
            "client_id_on_create (ask whether POST /api/v4/order takes a client order id, under which name, "
            "and whether replies repeat it)"
        )
    if not gaps:
        return ""
    return "OSL does not publish these; ask OSL and set them before anything is sent: " + "; ".join(gaps)


def wrong_site(base_url: str) -> str:
    """Why this address is not OSL's Hong Kong venue, or an empty string when it is (or is a mock on this machine)."""
    url = urlsplit(base_url)
    if url.path not in ("", "/") or url.query:
        return "base_url must be scheme and host only: signatures cover the path"
    if url.hostname in LOOPBACK:
        return ""
    if url.hostname not in HOSTS:
        return f"{url.hostname} is not the licensed Hong Kong venue; known hosts are {', '.join(sorted(HOSTS))}"
    return "" if url.scheme == "https" else "base_url must use https"
