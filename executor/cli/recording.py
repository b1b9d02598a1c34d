"""Puts the recorder of a run together: leaves in the journal's own database, the record's key, the clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.clock import Clock
from config.journal_path import record_key_path
from executor.engine.parent_log import Observer
from executor.journal.keys import read_key, read_or_new
from executor.journal.leaves import open_leaves
from executor.journal.line import Line
from executor.journal.note import Signer
from executor.journal.open import Place
from executor.journal.recorder import Recorder, Sequencer

RECORD = "executor/record"
"""The name of a key that nobody made: `executor record-key` gives it a better one."""


def record_signer(place: Place) -> Signer:
    """The key that signs the record, which must be there. Raises ``CredentialsRefused``."""
    return read_key(record_key_path(place))


@asynccontextmanager
async def recording(place: Place, clock: Clock, observer: Observer, *, threaded: bool) -> AsyncIterator[Observer]:
    """An observer that also has the record sequenced and signed. Begins with what an earlier run left unsigned; raises
    ``RecordBroken`` if the record is no longer the one that was signed, ``CredentialsRefused`` if the key is bad."""
    sequencer = Sequencer(open_leaves(place), read_or_new(record_key_path(place), RECORD))
    try:
        if threaded:
            await asyncio.to_thread(sequencer.advance, clock.now())
        else:
            sequencer.advance(clock.now())
        recorder = Recorder(sequencer, clock.now, threaded=threaded)
    except BaseException:
        sequencer.close()
        raise

    def told(line: Line) -> None:
        observer(line)
        recorder.observe(line)

    try:
        yield told
    finally:
        await recorder.aclose()
