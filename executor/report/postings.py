"""The ledger of a case as a file: one posting set a line, so that whoever has the bundle can add it up.

Each line is canonical JSON: ``at``, ``entries`` (``account``, ``amount``, ``unit``), ``kind`` of the event, ``ref`` of
the event as ``STREAM#VERSION``, and ``reverses``, the ref of the set that a correction takes back, or empty. In each
line the amounts sum to zero in each unit; over all lines they are the trial balance. It follows from the events alone.
"""

from executor.domain.books import Books
from executor.domain.canonical import canonical
from executor.domain.money import plain
from executor.journal.line import time_text


def postings_file(books: Books) -> bytes:
    """The posting sets of ``books`` in the order of their refs' streams and versions, a line each."""
    lines = []
    for entry in sorted(books.entries.values(), key=lambda entry: _place(entry.ref)):
        if entry.postings:
            values = {
                "at": time_text(entry.at),
                "entries": [
                    {"account": account, "amount": plain(amount), "unit": currency}
                    for account, currency, amount in entry.postings
                ],
                "kind": type(entry.event).__name__,
                "ref": entry.ref,
                "reverses": entry.corrects,
            }
            lines.append(canonical(values) + b"\n")
    return b"".join(lines)


def _place(ref: str) -> tuple[str, int]:
    stream, _, version = ref.rpartition("#")
    return stream, int(version)
