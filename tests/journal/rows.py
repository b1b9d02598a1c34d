"""Rows for the stores' tests, and what became of them."""

from executor.domain.control import Hold, HoldAction
from executor.errors import Stopped
from executor.journal.store import Append, Row, Store

AT = "2026-11-23T02:00:00.000000Z"


def row(version: int, stream: str = "parent/a", text: str = "", kind: str = "Kind") -> Row:
    return Row(stream, version, "CASE-1", kind, AT, text or f"{stream} {version}")


def commit(store: Store, *appends: list[Row]) -> list[Stopped | None]:
    """The answer to each append: ``None`` when it was taken."""
    return store.commit([Append(rows) for rows in appends])


def versions(store: Store, stream: str = "parent/a") -> list[str]:
    return list(store.read(stream))


def hold(scope: str, action: HoldAction = HoldAction.PAUSE) -> Hold:
    return Hold(scope, action, False, "Wang", "a reason", AT)


def sets(version: int, *holds: Hold, stream: str = "control") -> Append:
    """An event that puts holds in force."""
    return Append([row(version, stream)], (), {each.scope: each for each in holds})


def clears(version: int, *scopes: str, stream: str = "control") -> Append:
    return Append([row(version, stream)], (), dict.fromkeys(scopes))
