"""How people write into the record: streams that many may write, judged and written on one reading."""

from collections.abc import Callable, Sequence

from adapters.clock import Clock
from executor.errors import Outdated, TakenOver
from executor.journal.journal import Journal
from executor.journal.line import Line, Recordable

_TRIES = 20


async def append_judged(
    journal: Journal,
    stream: str,
    case_id: str,
    judge: Callable[[], Recordable],
    clock: Clock,
    *,
    rests_on: Sequence[str] = (),
) -> int:
    """Append what ``judge`` makes of the record as it reads it. If somebody has written to ``stream`` or to one of
    ``rests_on`` since, nothing is appended and it judges anew: two people who act at once cannot both be right by a
    record that the other has changed. What ``judge`` raises ends it. Returns the version."""
    for _ in range(_TRIES):
        stands = {each: sum(1 for _ in journal.read(each)) for each in (stream, *rests_on)}
        event = judge()
        line = Line(stream=stream, version=stands.pop(stream) + 1, case_id=case_id, at=clock.now(), event=event)
        try:
            await journal.append([line], expects=stands)
        except (TakenOver, Outdated):
            continue
        return line.version
    raise TakenOver(f"{stream} is being written by others; try again")


async def append_as_person(journal: Journal, stream: str, case_id: str, event: Recordable, clock: Clock) -> None:
    """Append what is true whatever else the stream holds: the next free version is taken."""
    await append_judged(journal, stream, case_id, lambda: event, clock)
