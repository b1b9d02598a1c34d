"""Reading OSL's JSON: money as text or number, three kinds of time, and errors in every shape that was seen.

Readers never fill a gap: a missing or odd value raises :class:`Malformed`, which the caller turns into what that means
for its call (``Unknown`` after a write, ``NotSent`` after a reading).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from adapters.amounts import MOST_DIGITS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Malformed(Exception):
    """The answer lacks something or says it in a form that is not known; ``__str__`` is a clear sentence."""


def mapping(value: object, what: str) -> Mapping[str, object]:
    """``value`` as a JSON object."""
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not a JSON object")
    return value


def rows(value: object, what: str) -> list[Mapping[str, object]]:
    """``value`` as a JSON array of objects."""
    if not isinstance(value, list):
        raise Malformed(f"{what} is not a JSON array")
    return [mapping(each, f"an entry of {what}") for each in value]


def text(row: Mapping[str, object], key: str) -> str:
    """A value that must be there and not empty; ids that come as numbers are given as text."""
    value = row.get(key)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Malformed(f"the answer has no {key}")


def text_or_empty(row: Mapping[str, object], key: str) -> str:
    """As :func:`text`, but empty when the value is missing, null or of another kind."""
    try:
        return text(row, key)
    except Malformed:
        return ""


def number(row: Mapping[str, object], key: str) -> Decimal:
    """An amount that must be there, as JSON text or JSON number."""
    return amount(row.get(key), key)


def amount(value: object, key: str) -> Decimal:
    """As :func:`number`, for a value that stands in an array; ``key`` is what it is called in the error."""
    if type(value) is not str and (isinstance(value, bool) or not isinstance(value, int | Decimal)):
        raise Malformed(f"the answer has no {key}")
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise Malformed(f"{key} is not a number") from None
    if not found.is_finite() or abs(found.adjusted()) > MOST_DIGITS:
        raise Malformed(f"{key} is not a number of this world")
    return found


def number_or_none(row: Mapping[str, object], key: str) -> Decimal | None:
    """As :func:`number`, but ``None`` when the key is missing, null or an empty string."""
    return None if row.get(key) in (None, "") else number(row, key)


def flag(row: Mapping[str, object], key: str) -> bool:
    """A boolean that must be there, as JSON true/false or as the words."""
    value = row.get(key)
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise Malformed(f"the answer has no {key}")


def time_ms(row: Mapping[str, object], key: str) -> datetime:
    """Unix milliseconds, as a JSON integer or as digits in text."""
    value = text(row, key)
    try:
        return _EPOCH + timedelta(milliseconds=int(value if value.isdigit() else ""))
    except (ValueError, OverflowError):
        raise Malformed(f"{key} is not a time in milliseconds") from None


def time_iso(row: Mapping[str, object], key: str) -> datetime:
    """ISO-8601 with its zone (OSL v4: UTC, ``YYYY-MM-DDTHH:mm:ss.sssZ``)."""
    try:
        moment = datetime.fromisoformat(text(row, key))
        if moment.tzinfo is None:
            raise Malformed(f"{key} is a time without its zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed(f"{key} is not a time in ISO-8601") from None


def iso(moment: datetime) -> str:
    """``moment`` as v4 writes times: UTC, milliseconds, ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error_of(data: object) -> tuple[str, str] | None:
    """The error inside an answer as (name, message), or ``None`` when it holds none.

    Seen: ``{"error": {"message", "name"}}`` (v4), ``{"error": "SYSTEM_ERROR"}`` and ``{"error": {"i18n", "params"}}``
    (v3 sessions), ``{"code": -1107, "msg": ...}`` with HTTP 200 (v5).
    """
    if not isinstance(data, dict):
        return None
    error = data.get("error")
    if isinstance(error, str) and error:
        return error, ""
    if isinstance(error, dict):
        name = text_or_empty(error, "name") or text_or_empty(error, "i18n")
        return name, text_or_empty(error, "message")
    if error is not None:
        return "", ""  # an error, but of a shape that says nothing
    code = text_or_empty(data, "code")
    if code and "msg" in data:
        return code, text_or_empty(data, "msg")
    return None
