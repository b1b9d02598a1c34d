"""Signed checkpoints of the record's trees, in the C2SP tlog-checkpoint format.

A checkpoint says: at this size the tree had this root. Its one extension line binds it to the checkpoint before it, so
that none can be taken out of the middle: ``record/v1 <number> <time> <SHA-256 of the text before, or ->``. The key
name of the signature is the origin, as the format recommends; one key pair serves every tree of a record.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from executor.errors import RecordBroken
from executor.journal.line import time_text
from executor.journal.note import Note, Signer, signed, unbase64

EXTENSION = "record/v1"
NONE_BEFORE = "-"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def origin(name: str, case_id: str) -> str:
    """The identity of one tree of the record ``name``: that of a case, or without one the institution's own."""
    return f"{name}/case/{quote(case_id, safe='')}" if case_id else f"{name}/institution"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of one tree. ``number`` counts the checkpoints of the tree from 1."""

    origin: str
    size: int
    root: bytes
    number: int
    at: str
    previous: str

    @property
    def text(self) -> str:
        """The note text that is signed."""
        return (
            f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"
            f"{EXTENSION} {self.number} {self.at} {self.previous}\n"
        )

    @property
    def digest(self) -> str:
        """What the next checkpoint names as the one before it."""
        return base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode()

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint in a note's text. Raises ``RecordBroken``."""
        lines = text.split("\n")
        words = lines[3].split(" ") if len(lines) == 5 else []
        if len(words) != 4 or words[0] != EXTENSION or not _NUMBER.fullmatch(lines[1]):
            raise RecordBroken(f"not a checkpoint of this record: {text[:120]!r}")
        found = cls(lines[0], int(lines[1]), unbase64(lines[2]), int(words[1]), words[2], words[3])
        if found.text != text or len(found.root) != 32 or found.number < 1 or not _TIME.fullmatch(found.at):
            raise RecordBroken(f"not the one spelling of a checkpoint: {text[:120]!r}")
        return found

    def follows(self, before: "Checkpoint | None") -> str:
        """What is wrong with this checkpoint after ``before``; empty if nothing is."""
        number, previous, size = (before.number, before.digest, before.size) if before else (0, NONE_BEFORE, 0)
        if self.number != number + 1:
            return f"checkpoint {self.number} follows {number}: one is missing or out of order"
        if self.previous != previous:
            return f"checkpoint {self.number} was not written after the one that stands before it"
        if self.size <= size:
            return f"checkpoint {self.number} is of size {self.size}, not above {size}"
        return ""


def following(before: Checkpoint | None, tree: str, size: int, root: bytes, at: datetime) -> Checkpoint:
    """The checkpoint after ``before`` of the tree whose origin is ``tree``."""
    number, previous = (before.number + 1, before.digest) if before else (1, NONE_BEFORE)
    return Checkpoint(tree, size, root, number, time_text(at), previous)


def issue(checkpoint: Checkpoint, signer: Signer) -> Note:
    """The checkpoint, signed."""
    return signed(checkpoint.text, checkpoint.origin, signer)


def joined(notes: list[Note]) -> str:
    """Notes in one file: each begins after an empty line."""
    return "\n".join(map(str, notes))


def taken_apart(written: str) -> list[Note]:
    """The notes of a file that :func:`joined` made. Raises ``RecordBroken``."""
    parts = written.split("\n\n")
    if len(parts) % 2:
        raise RecordBroken("the file does not hold whole notes")
    ends = ["\n"] * (len(parts) // 2 - 1) + [""]
    return [
        Note.parse(f"{text}\n\n{signatures}{end}")
        for text, signatures, end in zip(parts[::2], parts[1::2], ends, strict=True)
    ]
