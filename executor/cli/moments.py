"""Moments of time as a person types them."""

from datetime import UTC, datetime

from executor.errors import InputRefused


def moment(option: str, text: str) -> datetime:
    """The moment in ``text``, UTC unless it names an offset. Raises ``InputRefused`` naming ``option``."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputRefused(f"{option}: '{text}' is not a time; write 2024-11-01 or 2024-11-01T08:00") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
