"""The files with which a stranger can check a case: its lines, their leaves, its checkpoints, the key, the verifier."""

from collections.abc import Sequence
from pathlib import Path

from executor.errors import InputRefused, RecordBroken
from executor.journal.checkpoint import Checkpoint, joined, origin
from executor.journal.leaves import Run, Turn
from executor.journal.note import PLAIN, VerifierKey
from executor.journal.verify import verify_tree
from executor.report import verify_standalone

_LOOSE = "SELECT COUNT(*) FROM events e LEFT JOIN leaves l ON l.seq = e.seq WHERE e.case_id = ? AND l.seq IS NULL"


def exported(run: Run, case_id: str, keys: Sequence[VerifierKey]) -> dict[str, bytes]:
    """The files by name, checked with the verifier that is among them. Raises ``InputRefused`` if there is no such
    case or a checkpoint is to be written first, ``RecordBroken`` if the verifier says no."""
    turn = Turn(run)
    size = turn.size(case_id) if case_id else 0
    notes = turn.notes(case_id) if case_id else []
    ((loose,),) = run(_LOOSE, (case_id,))
    if not case_id or not (size or loose):
        raise InputRefused(f"the record holds nothing of case {case_id or '(none named)'}")
    if loose or not notes or Checkpoint.parse(notes[-1].text).size < size:
        raise InputRefused(f"events of {case_id} are not covered by a checkpoint yet: `executor checkpoint` first")
    lines = [line.encode() + b"\n" for line in turn.lines(case_id, size)]
    files = {
        "events.jsonl": b"".join(lines),
        "leaves.txt": b"".join(leaf.hex().encode() + b"\n" for leaf in turn.hashes(case_id, 0)),
        "checkpoints.txt": joined(notes).encode(),
        "keys.txt": f"{_key(case_id, keys, notes[-1].text)}\n".encode(),
        "verify.py": Path(verify_standalone.__file__).read_bytes(),
    }
    files |= {f"timestamp-{at}-{n}.tsr": token for n, (at, token) in enumerate(turn.stamps(case_id), start=1)}
    try:
        verify_standalone.verify(files)
    except verify_standalone.WRONG as wrong:
        raise RecordBroken(f"case {case_id}: {verify_standalone.HERE[0]}: {wrong}") from None
    return files


def institution_lines(run: Run, keys: Sequence[VerifierKey]) -> list[str]:
    """The lines of the institution's own tree, checked against its signed checkpoints; none if it has none. Raises
    ``InputRefused`` if a checkpoint is to be written first, ``RecordBroken`` if the tree is not good."""
    turn = Turn(run)
    size = turn.size("")
    ((loose,),) = run(_LOOSE, ("",))
    if loose:
        raise InputRefused("events of the institution are not covered by a checkpoint yet: `executor checkpoint` first")
    if size:
        verify_tree(run, keys, "")
    return list(turn.lines("", size))


def _key(case_id: str, keys: Sequence[VerifierKey], head: str) -> VerifierKey:
    wanted = Checkpoint.parse(head).origin
    for key in keys:
        named = key.named(origin(key.name, case_id))
        if key.kind == PLAIN and named.name == wanted:
            return named
    raise InputRefused(f"none of the keys given is that of {wanted}; name the record's key with --keys")
