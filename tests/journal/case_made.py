"""A small finished case as evidence files, made in memory, and ways to tamper with it."""

import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from executor.domain.events import ChildAcknowledged, ParentFinished, ParentTaken, PursesRead
from executor.domain.ids import frozen_plan, plan_hash
from executor.journal.checkpoint import Checkpoint, following, issue, joined, origin, taken_apart
from executor.journal.line import Line
from executor.journal.note import HeldKey, Note, VerifierKey
from executor.journal.tree import Frontier, leaf_hash
from tests.domain.events_made import AT, closed, created, filled, intended

CASE = "CASE-1"
KEY = HeldKey("example.org/record", bytes(range(32)))
OTHER = HeldKey("example.org/record", bytes(32))
Files = dict[str, bytes]


def plan(qty: str = "10") -> dict[str, Any]:
    """A plan as a parent order carries it."""
    return {"asset": "BTC", "qty": qty, "floor_px": "90000", "name": "卖出 – \u2028 \U0001f512"}


def events(children: int = 6) -> list[Any]:
    """The events of a parent order that sells 10 BTC in ``children`` orders with two fills each."""
    made: list[Any] = [created(plan=plan(), plan_hash=plan_hash(frozen_plan(CASE, plan())))]
    made += [ParentTaken(epoch=1, owner="p"), PursesRead(venue="alpha", totals={"main": Decimal(20)})]
    share = Decimal(10) / children
    sizes = [share.quantize(Decimal("0.0001")) for _ in range(children - 1)]
    sizes.append(10 - sum(sizes, Decimal(0)))
    for number, size in enumerate(sizes, start=1):
        half = size / 2
        made.append(intended(number, size))
        made.append(
            ChildAcknowledged(client_order_id=f"abcdefghij-{number}", venue_order_id=f"v{number}", venue_status="NEW")
        )
        made += [filled(number, f"t{number}a", half), filled(number, f"t{number}b", size - half), closed(number, size)]
    return [*made, ParentFinished(completed=True, leaves_qty=Decimal(0), reason="all sold")]


def lines_of(made: Sequence[Any], stream: str = "parent/abcdefghij", case: str = CASE) -> list[Line]:
    """``made`` as lines of one stream, a second apart."""
    return [
        Line(stream=stream, version=n, case_id=case, at=AT + timedelta(seconds=n), event=event)
        for n, event in enumerate(made, start=1)
    ]


def notes_of(leaves: Sequence[bytes], sizes: Sequence[int], key: HeldKey = KEY, case: str = CASE) -> list[Note]:
    """Checkpoints over the first ``sizes`` leaves."""
    notes, before, frontier = [], None, Frontier()
    for size in sizes:
        frontier.extend(leaves[frontier.size : size])
        at = AT + timedelta(minutes=size)
        before = following(before, origin(key.name, case), size, frontier.root(), at)
        notes.append(issue(before, key))
    return notes


def files_of(texts: Sequence[str], sizes: Sequence[int], key: HeldKey = KEY) -> Files:
    """The evidence over ``texts`` with checkpoints at ``sizes``."""
    leaves = [leaf_hash(text.encode()) for text in texts]
    return {
        "events.jsonl": "".join(f"{text}\n" for text in texts).encode(),
        "leaves.txt": "".join(f"{leaf.hex()}\n" for leaf in leaves).encode(),
        "checkpoints.txt": joined(notes_of(leaves, sizes, key)).encode(),
        "keys.txt": f"{VerifierKey(origin(key.name, CASE), key.public)}\n".encode(),
    }


# --- tampering: each gives the files as changed, and what the reader has from elsewhere: a key, a checkpoint ----------


def _lines(files: Files) -> list[bytes]:
    return files["events.jsonl"].split(b"\n")[:-1]


def _with(files: Files, lines: Sequence[bytes], *, leaves: bool = False) -> Files:
    """Other events; with ``leaves`` their hashes are put right, too, as one would who knows the format."""
    changed = {"events.jsonl": b"".join(line + b"\n" for line in lines)}
    if leaves:
        changed["leaves.txt"] = b"".join(leaf_hash(line).hex().encode() + b"\n" for line in lines)
    return files | changed


def _edit(files: Files, chance: random.Random) -> Files:
    name = chance.choice(["events.jsonl"] * 6 + ["leaves.txt", "checkpoints.txt", "checkpoints.txt", "keys.txt"])
    raw = bytearray(files[name])
    for _ in range(chance.randint(1, 3)):
        raw[chance.randrange(len(raw))] = chance.choice([chance.randrange(256), chance.choice(b'0123456789",:{}Aaz\n')])
    return files | {name: bytes(raw)}


def _value(files: Files, chance: random.Random) -> Files:
    lines = _lines(files)
    index = chance.randrange(len(lines))
    digits = [place for place, each in enumerate(lines[index]) if chr(each).isdigit()]
    place = chance.choice(digits)
    lines[index] = lines[index][:place] + chance.choice(b"0123456789").to_bytes(1, "big") + lines[index][place + 1 :]
    return _with(files, lines, leaves=chance.random() < 0.5)


def _delete(files: Files, chance: random.Random) -> Files:
    lines = _lines(files)
    del lines[chance.randrange(len(lines))]
    return _with(files, lines, leaves=chance.random() < 0.5)


def _insert(files: Files, chance: random.Random) -> Files:
    lines = _lines(files)
    lines.insert(chance.randint(0, len(lines)), chance.choice([*lines, b"", b"{}", b"[1]", b"\xff\xfe"]))
    return _with(files, lines, leaves=chance.random() < 0.5)


def _swap(files: Files, chance: random.Random) -> Files:
    lines = _lines(files)
    one, two = chance.sample(range(len(lines)), 2)
    lines[one], lines[two] = lines[two], lines[one]
    return _with(files, lines, leaves=chance.random() < 0.5)


def _redate(files: Files, chance: random.Random) -> Files:
    lines = _lines(files)
    index, day = chance.randrange(len(lines)), f"2026-11-{chance.randint(10, 30)}T".encode()
    lines[index] = lines[index].replace(b"2026-11-23T", day, chance.randint(1, 2))
    return _with(files, lines, leaves=chance.random() < 0.5)


def _truncate(files: Files, chance: random.Random) -> Files:
    if chance.random() < 0.3:
        return files | {"events.jsonl": files["events.jsonl"][: chance.randrange(len(files["events.jsonl"]))]}
    return _with(files, _lines(files)[: chance.randrange(len(_lines(files)))], leaves=chance.random() < 0.5)


def _cut_back(files: Files, chance: random.Random) -> Files:
    """Everything back to an earlier checkpoint: a record that was once true."""
    notes = taken_apart(files["checkpoints.txt"].decode())
    keep = chance.randrange(1, len(notes)) if len(notes) > 1 else 1
    size = Checkpoint.parse(notes[keep - 1].text).size
    return _with(files, _lines(files)[:size], leaves=True) | {"checkpoints.txt": joined(notes[:keep]).encode()}


def _resign(files: Files, chance: random.Random) -> Files:
    sizes = [Checkpoint.parse(note.text).size for note in taken_apart(files["checkpoints.txt"].decode())]
    lines = _lines(files)
    forged = files_of([line.decode() for line in lines], sizes, OTHER)
    return forged if chance.random() < 0.5 else files | {"checkpoints.txt": forged["checkpoints.txt"]}


def _drop(files: Files, chance: random.Random) -> Files:
    notes = taken_apart(files["checkpoints.txt"].decode())
    del notes[chance.randrange(len(notes))]
    return files | {"checkpoints.txt": joined(notes).encode()}


TAMPERINGS = (_edit, _value, _delete, _insert, _swap, _redate, _truncate, _cut_back, _resign, _drop)
