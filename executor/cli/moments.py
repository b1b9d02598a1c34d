"""Moments of time as a person types them."""

from datetime import UTC, datetime

from adapters.clock import SystemClock
from executor.errors import InputRefused


def moment(option: str, text: str) -> datetime:
    """The moment in ``text``, UTC unless it names an offset. Raises ``InputRefused`` naming ``option``."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputRefused(f"{option}: '{text}' is not a time; write 2024-11-01 or 2024-11-01T08:00") from None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        raise InputRefused(f"{option}: '{text}' is in no year that there is") from None


def coming(option: str, text: str) -> datetime:
    """As :func:`moment`, for one that must lie ahead."""
    found = moment(option, text)
    if found <= SystemClock().now():
        raise InputRefused(f"{option} lies in the past")
    return found
