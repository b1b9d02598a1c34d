"""Whether a book may be traded on: a stale, empty or crossed book is no price."""

from datetime import datetime, timedelta

from adapters.venue import Book
from executor.guards.verdict import ALLOW, Verdict, wait


def check(book: Book, now: datetime, max_age: timedelta) -> Verdict:
    """Wait while the book is too old, has no bid or is crossed."""
    age = now - book.received_at
    if age > max_age:
        return wait("book.stale", f"the book of {book.symbol} is {age} old")
    if not book.bids:
        return wait("book.empty", f"the book of {book.symbol} shows no bid")
    if book.asks and book.bids[0].px >= book.asks[0].px:
        return wait("book.crossed", f"{book.symbol}: bid {book.bids[0].px} is not below ask {book.asks[0].px}")
    return ALLOW
