"""What every event of the record is made from."""

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="kind", kw_only=True):
    """Base of all events."""
