"""`executor run` on a database: one run of a parent order at a time, and none of one that the workers have.

The lock is the database's, on a connection that is kept for it: it is gone when its process is. Like the lock beside a
file it spares an operator a taken-over run; what keeps two runs from selling twice is the journal's own fence.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from adapters.clock import SystemClock
from executor.errors import TakenOver
from executor.journal import sql as journal_sql
from executor.journal.postgres_link import Link

_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('executor run ' || %s, 0))"
_THERE = "SELECT to_regclass('work') IS NOT NULL"
_SUBMITTED = "SELECT worker FROM work WHERE parent = %s AND state = 'open'"


@contextmanager
def sole_run_on(url: str, parent_id: str) -> Iterator[None]:
    """Hold the right to run ``parent_id``, for as long as the connection lasts. Raises ``TakenOver`` while another
    process holds it or the workers have it, ``JournalFailed`` when the database cannot be reached."""
    link = Link(url, journal_sql.SESSION, timedelta(0), SystemClock())
    try:
        ((mine,),) = link.ask(_LOCK, (parent_id,))
        if not mine:
            raise TakenOver(
                f"parent order {parent_id} is being run by another process: let it finish, or stop it with Ctrl-C or "
                "a SIGTERM and run the same command again"
            )
        ((there,),) = link.ask(_THERE)
        found = link.ask(_SUBMITTED, (parent_id,)) if there else ()
        if found:
            raise TakenOver(
                f"parent order {parent_id} was submitted to the workers and is theirs; `executor workers` shows "
                f"{'who runs it: ' + found[0][0] if found[0][0] else 'why nobody runs it now'}"
            )
        yield
    finally:
        link.close()
