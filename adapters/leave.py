"""May what sells still leave? Asked anew when its turn at the rate limit has come: between its intent and its turn a
person may have paused or killed it.

Whoever sends an order or accepts a quote does so inside :func:`asking`; the transport puts the question. Readings and
cancellations are never asked about.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_NOTHING: Callable[[], str] = str
_WHY_NOT: ContextVar[Callable[[], str]] = ContextVar("why_not", default=_NOTHING)


@contextmanager
def asking(why_not: Callable[[], str]) -> Iterator[None]:
    """Inside, a request with an effect leaves only while ``why_not`` answers with nothing; else its answer is why."""
    token = _WHY_NOT.set(why_not)
    try:
        yield
    finally:
        _WHY_NOT.reset(token)


def why_not_now() -> str:
    """Why the request at hand must not leave after all; empty if it may."""
    return _WHY_NOT.get()()
