"""How people write into the record: streams that many may write, where the next free version is taken."""

from adapters.clock import Clock
from executor.errors import TakenOver
from executor.journal.journal import Journal
from executor.journal.line import Line, Recordable

_TRIES = 20


async def append_as_person(journal: Journal, stream: str, case_id: str, event: Recordable, clock: Clock) -> None:
    """Append to a stream that many people may write: the next free version is taken."""
    for _ in range(_TRIES):
        version = sum(1 for _ in journal.read(stream)) + 1
        line = Line(stream=stream, version=version, case_id=case_id, at=clock.now(), event=event)
        try:
            await journal.append([line])
        except TakenOver:
            continue
        return
    raise TakenOver(f"{stream} is being written by others; try again")
