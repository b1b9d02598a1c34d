"""One run of a parent order at a time on one machine: a second is refused before it connects to anything.

The lock is the operating system's, on a file beside the journal: it is gone the moment its process is, however that
ended. It spares an operator a taken-over run; it is not what keeps two runs from selling twice. That is the journal's
own fence, which also holds between machines and when somebody removes the file.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from executor.errors import JournalFailed, TakenOver


@contextmanager
def sole_run(journal: Path, parent_id: str) -> Iterator[None]:
    """Hold the right to run ``parent_id`` on this machine. Raises ``TakenOver`` while another process holds it, and
    ``JournalFailed`` when the file cannot be made."""
    place = journal.resolve()
    path = f"{place}.run-{parent_id}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise JournalFailed(f"{path} cannot be made: {error.strerror}; check the path and the disk") from None
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TakenOver(
                f"parent order {parent_id} is being run by another process on this machine (it holds {path}): let it "
                "finish, or stop it with Ctrl-C or a SIGTERM and run the same command again"
            ) from None
        yield
    finally:
        os.close(held)
