"""Puts the recorder of a run together: leaves in the journal's own database, the record's key, the clock."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from adapters.clock import Clock
from config.journal_path import record_device, record_key_path, record_pin
from executor.engine.parent_log import Observer
from executor.errors import CredentialsRefused
from executor.journal.keys import public_path, publish, read_key, read_or_new, read_verifiers
from executor.journal.leaves import open_leaves
from executor.journal.line import Line
from executor.journal.note import Signer
from executor.journal.open import Place
from executor.journal.recorder import Recorder, Sequencer

RECORD = "executor/record"
"""The name of a key that nobody made: `executor record-key` gives it a better one."""


def record_signer(place: Place, *, new: bool = False) -> Signer:
    """The key that signs the record, in its file or its device; with ``new`` a file is made if there has never been
    one. Raises ``CredentialsRefused``, also if the device holds another key than the one that was published."""
    path, device = record_key_path(place), record_device()
    if not device:
        return read_or_new(path, RECORD) if new else read_key(path)
    from executor.journal.device import open_device

    held = open_device(device, record_pin())
    publish(path, held)
    if all(key.public != held.public for key in read_verifiers(public_path(path))):
        raise CredentialsRefused(
            f"the device holds another key than {public_path(path)}, with which this record is checked"
        )
    return held


def secrets_here(place: Place) -> list[str]:
    """What must never leave this machine: keys in the environment, the record's own and the PIN of its device, and the
    password of the database."""
    names = ("SECRET", "API_KEY", "PASSPHRASE", "PIN")
    found = [value for name, value in os.environ.items() if name.startswith("EXECUTOR_") and name.endswith(names)]
    path = record_key_path(place)
    if path.is_file():
        found += path.read_text(errors="replace").strip().split("+", 4)[4:]  # the seed, which may hold a plus itself
    if device := record_device():
        from executor.journal.device import DeviceUri

        source = Path(DeviceUri.parse(device).pin_source)
        found += [source.read_text().strip()] if source.is_file() else []
    if isinstance(place, str) and (password := urlsplit(place).password):
        found += [password, unquote(password)]
    return found


@asynccontextmanager
async def recording(
    place: Place,
    clock: Clock,
    observer: Observer,
    *,
    threaded: bool,
    signer: Signer | None = None,
    on_fault: Callable[[], None] = lambda: None,
) -> AsyncIterator[Observer]:
    """An observer that also has the record sequenced and signed, with ``signer`` or else with the key that is made
    where there has never been one. Begins with what an earlier run left unsigned; raises ``RecordBroken`` if the record
    is no longer the one that was signed, ``CredentialsRefused`` if the key is bad. If that shows later, ``on_fault`` is
    called and the fault is raised at the end."""
    sequencer = Sequencer(open_leaves(place), signer or record_signer(place, new=True))
    try:
        if threaded:
            await asyncio.to_thread(sequencer.advance, clock.now())
        else:
            sequencer.advance(clock.now())
        recorder = Recorder(sequencer, clock.now, threaded=threaded, on_fault=on_fault)
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
