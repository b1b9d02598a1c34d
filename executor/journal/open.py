"""Opens the journal where it was said to be: a path is a file of SQLite, a URL a database of PostgreSQL.

The PostgreSQL driver is an extra and is imported only when a URL was given.
"""

from pathlib import Path
from types import ModuleType

from executor.errors import InputRefused
from executor.journal.sqlite import SqliteStore, open_file
from executor.journal.store import Reading, Store

Place = Path | str
"""A path, or a URL that begins as one of ``URL_BEGINNINGS``."""

URL_BEGINNINGS = ("postgresql+psycopg://", "postgresql://", "postgres://")


def open_store(place: Place) -> Store:
    """The journal at ``place``, for writing; made if it is not there. Raises ``JournalFailed``."""
    if isinstance(place, Path):
        return SqliteStore(place)
    store: Store = _postgres().PostgresStore(_checked(place))
    return store


def open_reading(place: Place) -> Reading:
    """A look at the journal at ``place``. Raises ``InputRefused`` if there is none."""
    if isinstance(place, Path):
        return open_file(place)
    reading: Reading = _postgres().open_database(_checked(place))
    return reading


def _checked(url: str) -> str:
    # Never show the URL itself: there may be a password in it.
    if not url.startswith(URL_BEGINNINGS):
        raise InputRefused(f"a journal is a path or a URL that begins with {URL_BEGINNINGS[0]}")
    return url


def _postgres() -> ModuleType:
    try:
        from executor.journal import postgres
    except ImportError as missing:
        raise InputRefused(
            f"a journal on PostgreSQL needs the extra (pip install 'disposal-executor[postgres]'): {missing}"
        ) from None
    return postgres
