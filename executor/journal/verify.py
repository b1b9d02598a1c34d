"""Checks a whole record in its database, and names the first line that is not good.

Every line is hashed and must be the leaf that was sequenced; every checkpoint must have the root over those leaves, a
good signature, and stand after the one before it; every stream must count its versions without a gap and fold without
a contradiction, no trade may be recorded twice, and the counters of caps must stand where the orders bring them.
Nothing is remembered between two runs: a run may begin at a checkpoint that was verified before, and then leaves out
the reading of older lines, never their hashing, and with it the sums at the counters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from executor.domain.counting import CountingFilled
from executor.domain.events import FillRecorded, ParentCreated
from executor.domain.parent import Parent
from executor.errors import RecordBroken
from executor.journal.checkpoint import Checkpoint, origin
from executor.journal.counters import check_counters
from executor.journal.leaves import Run, Turn
from executor.journal.line import Line, canonical, decode, time_text
from executor.journal.note import PLAIN, Note, VerifierKey
from executor.journal.tree import Frontier, leaf_hash

_BATCH = 4_096
_LEAVES = (
    "SELECT l.idx, l.leaf_hash, e.stream, e.version, e.case_id, e.kind, e.at, e.line FROM leaves l "
    "LEFT JOIN events e ON e.seq = l.seq WHERE l.tree = ? AND l.idx >= ? AND l.idx < ? ORDER BY l.idx"
)
_LOOSE = (
    "SELECT e.seq, e.stream, e.version, e.case_id, e.kind, e.at, e.line FROM events e "
    "LEFT JOIN leaves l ON l.seq = e.seq WHERE l.seq IS NULL ORDER BY e.seq"
)
_EARLIER = "SELECT line FROM events WHERE stream = ? AND version < ? ORDER BY version"


@dataclass(slots=True)
class Verdict:
    """What was found good. ``waiting`` counts the events that no checkpoint covers yet, ``read`` the lines that were
    read and not only hashed, ``heads`` the last checkpoint of each tree."""

    events: int = 0
    read: int = 0
    trees: int = 0
    checkpoints: int = 0
    cosignatures: int = 0
    waiting: int = 0
    heads: list[Note] = field(default_factory=list)
    parents: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A line with its columns; ``index`` is empty while it has no leaf."""

    index: int | None
    stream: str
    version: int
    case_id: str
    kind: str
    at: str
    line: str

    def bad(self, why: str) -> RecordBroken:
        where = "no leaf yet" if self.index is None else f"leaf {self.index}"
        return RecordBroken(
            f"first bad line: case {self.case_id or '(institution)'}, {self.stream} version {self.version}, {where}: "
            f"{why}"
        )


def verify(run: Run, keys: Sequence[VerifierKey], trusted: Sequence[Note] = ()) -> Verdict:
    """Check the record that ``run`` reads. ``trusted`` are checkpoints that were verified before. Raises
    ``RecordBroken`` at the first thing that is not good."""
    return _Check(Turn(run), run, keys, trusted).all()


def verify_tree(run: Run, keys: Sequence[VerifierKey], tree: str) -> None:
    """Check one tree of the record by itself. Raises ``RecordBroken`` at the first thing that is not good."""
    _Check(Turn(run), run, keys, ()).tree(tree)


class _Check:
    def __init__(self, turn: Turn, run: Run, keys: Sequence[VerifierKey], trusted: Sequence[Note]) -> None:
        self._turn = turn
        self._run = run
        self._keys = keys
        self._trusted = {head.origin: head for head in (Checkpoint.parse(note.text) for note in trusted)}
        self._verdict = Verdict()
        self._versions: dict[str, int] = {}
        self._parents: dict[str, Parent] = {}
        self._markets: dict[str, tuple[str, str]] = {}
        self._trades: set[tuple[str, str, str, str]] = set()
        self._filled: list[dict[str, Decimal]] = []

    def all(self) -> Verdict:
        """Check everything."""
        trees = self._turn.trees()
        for tree in trees:
            self.tree(tree)
        missing = set(self._trusted) - {Checkpoint.parse(note.text).origin for note in self._verdict.heads}
        if missing:
            raise RecordBroken(f"{', '.join(sorted(missing))}: verified before, and no longer in the record")
        ((last,),) = self._run("SELECT COALESCE(MAX(seq), 0) FROM leaves", ())
        for seq, *columns in self._run(_LOOSE, ()):
            stored = _Stored(None, *columns)
            if seq < last:
                raise stored.bad("it stands among events that have their leaves and has none")
            self._line(stored)
            self._verdict.waiting += 1
            self._verdict.events += 1
            if stored.case_id not in trees:
                raise stored.bad("no checkpoint covers its tree; `executor checkpoint` writes the first")
        if not self._trusted:  # else only some of the orders were read
            check_counters(self._run, self._parents.values(), self._filled)
        self._verdict.trees = len(trees)
        self._verdict.parents = {name: str(parent.status) for name, parent in self._parents.items()}
        return self._verdict

    def tree(self, tree: str) -> None:
        """Check one tree."""
        checkpoints = self._checkpoints(tree)
        size, frontier, covered = self._turn.size(tree), Frontier(), 0
        start = self._start(tree, checkpoints)
        for checkpoint in checkpoints:
            if checkpoint.size > size:
                raise RecordBroken(
                    f"{checkpoint.origin}: checkpoint {checkpoint.number} signs {checkpoint.size} events, {size} are "
                    f"there: line {size} is missing"
                )
            self._stretch(tree, frontier, checkpoint.size, start)
            if frontier.root() != checkpoint.root:
                raise RecordBroken(
                    f"first bad line: {checkpoint.origin}, between leaf {covered} and leaf {checkpoint.size - 1}: "
                    f"the lines do not give the root of checkpoint {checkpoint.number}"
                )
            covered = checkpoint.size
        self._stretch(tree, frontier, size, start)
        self._verdict.waiting += size - covered

    def _stretch(self, tree: str, frontier: Frontier, end: int, start: int) -> None:
        """Hash the lines up to ``end``, and read those from ``start`` on."""
        for stored in self._stored(tree, frontier.size, end):
            frontier.append(leaf_hash(stored.line.encode()))
            self._verdict.events += 1
            if stored.case_id != tree:
                raise stored.bad(f"it stands in the tree of {tree or 'the institution'}")
            if frontier.size > start:
                self._line(stored)
            else:
                self._glance(stored)

    def _stored(self, tree: str, begin: int, end: int) -> Iterator[_Stored]:
        for first in range(begin, end, _BATCH):
            expected = first
            for index, leaf, *columns in self._run(_LEAVES, (tree, first, min(first + _BATCH, end))):
                if index != expected:
                    raise RecordBroken(f"case {tree or '(institution)'}: leaf {expected} is missing")
                if columns[-1] is None:
                    raise RecordBroken(
                        f"first bad line: case {tree or '(institution)'}, leaf {index}: the event is gone"
                    )
                stored = _Stored(index, *columns)
                if leaf_hash(stored.line.encode()) != bytes(leaf):
                    raise stored.bad("it is not the line that was sequenced")
                expected += 1
                yield stored
            if expected != min(first + _BATCH, end):
                raise RecordBroken(f"case {tree or '(institution)'}: leaf {expected} is missing")

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def _checkpoints(self, tree: str) -> list[Checkpoint]:
        plain = [key.named(origin(key.name, tree)) for key in self._keys if key.kind == PLAIN]
        known = [*plain, *(key for key in self._keys if key not in plain)]
        found: list[Checkpoint] = []
        notes = self._turn.notes(tree)
        for note in notes:
            checkpoint = Checkpoint.parse(note.text)
            where = f"{checkpoint.origin}: checkpoint {checkpoint.number}"
            if wrong := checkpoint.follows(found[-1] if found else None):
                raise RecordBroken(f"{checkpoint.origin}: {wrong}")
            by = note.checked(known)
            signers = [key for key in by if key.kind == PLAIN]
            if not signers:
                raise RecordBroken(f"{where} is not signed by any of the keys given")
            if any(key.name != checkpoint.origin for key in signers) or checkpoint.origin not in map(_name, plain):
                raise RecordBroken(f"{where} belongs to another tree than that of case {tree or '(institution)'}")
            self._verdict.cosignatures += len(by) - len(signers)
            found.append(checkpoint)
        if not found:
            raise RecordBroken(
                f"case {tree or '(institution)'}: no checkpoint covers it; `executor checkpoint` signs it"
            )
        self._verdict.checkpoints += len(found)
        self._verdict.heads.append(notes[-1])
        return found

    def _start(self, tree: str, checkpoints: list[Checkpoint]) -> int:
        trusted = self._trusted.get(checkpoints[0].origin)
        if trusted is None:
            return 0
        if trusted not in checkpoints:
            raise RecordBroken(
                f"{trusted.origin}: the record no longer has checkpoint {trusted.number} as it was verified before: "
                f"case {tree or '(institution)'} was rewritten or cut"
            )
        return trusted.size

    # --- lines ---------------------------------------------------------------------------------------------------

    def _line(self, stored: _Stored) -> None:
        """Read one line: its one spelling, its columns, its version, what it does to its parent order."""
        try:
            line = decode(stored.line)
        except RecordBroken as error:
            raise stored.bad(str(error)) from None
        if canonical(msgspec.json.decode(stored.line)) != stored.line.encode():
            raise stored.bad("it is not canonical JSON")
        columns = (line.stream, line.version, line.case_id, line.kind, time_text(line.at))
        if columns != (stored.stream, stored.version, stored.case_id, stored.kind, stored.at):
            raise stored.bad("the line says something else than its columns")
        if line.stream not in self._versions:
            self._catch_up(stored)
        if line.version != self._versions[line.stream] + 1:
            raise stored.bad(f"it follows version {self._versions[line.stream]}")
        self._versions[line.stream] = line.version
        self._verdict.read += 1
        if line.stream.startswith("parent/"):
            self._fold(stored, line)
        elif isinstance(line.event, CountingFilled):
            self._filled.append(line.event.counted)

    def _catch_up(self, stored: _Stored) -> None:
        """Bring a stream to where the reading begins. Its older lines were hashed on the way here."""
        self._versions[stored.stream] = 0
        if not self._trusted:
            return
        for (text,) in self._run(_EARLIER, (stored.stream, stored.version)):
            line = decode(text)
            self._versions[stored.stream] = line.version
            if line.stream.startswith("parent/"):
                self._parents.setdefault(line.stream, Parent()).apply(line.event, line.at)

    def _fold(self, stored: _Stored, line: Line) -> None:
        parent = self._parents.setdefault(line.stream, Parent())
        try:
            parent.apply(line.event, line.at)
        except RecordBroken as error:
            raise stored.bad(str(error)) from None
        if parent.breach:
            raise stored.bad(parent.breach)
        self._trade(stored, line)

    def _glance(self, stored: _Stored) -> None:
        """A line that was verified before stands where it stood: its columns, by which it is found, say what it says.
        Else only its trade counts: a later line must not repeat it."""
        try:
            said = _HEADER.decode(stored.line)
        except msgspec.DecodeError as error:
            raise stored.bad(f"it cannot be read ({error})") from None
        found = (said.stream, said.version, said.case_id, said.event.kind, said.at)
        if found != (stored.stream, stored.version, stored.case_id, stored.kind, stored.at):
            raise stored.bad("the line says something else than its columns")
        if '"kind":"FillRecorded"' in stored.line or '"kind":"ParentCreated"' in stored.line:
            self._trade(stored, decode(stored.line))

    def _trade(self, stored: _Stored, line: Line) -> None:
        event = line.event
        if isinstance(event, ParentCreated):
            self._markets[line.stream] = (event.asset, event.quote_asset)
        if isinstance(event, FillRecorded):
            trade = (event.venue, *self._markets.get(line.stream, ("", "")), event.trade_id)
            if trade in self._trades:
                raise stored.bad(f"trade {event.trade_id} of {event.venue} is recorded twice")
            self._trades.add(trade)


class _Kind(msgspec.Struct):
    kind: str


class _Header(msgspec.Struct):
    """What a line says of its place, without its event."""

    stream: str
    version: int
    case_id: str
    at: str
    event: _Kind


_HEADER = msgspec.json.Decoder(_Header)


def _name(key: VerifierKey) -> str:
    return key.name
