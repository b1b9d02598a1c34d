"""`verify`, `checkpoint`, `record-key`, `export` and `attest`, over the record of a rehearsal."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from executor.journal.checkpoint import joined, taken_apart
from executor.journal.note import COSIGNATURE, HeldKey, Note, VerifierKey, cosigned
from tests.cli.commands import call, objects, plan, twap, write_mandate


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a small rehearsal, with its key beside it."""
    folder = tmp_path_factory.mktemp("rehearsal")
    caps = {"plan_percent_per_day": "100", "venue_value_per_day": "1000000", "day_boundary": "UTC"}
    mandate = write_mandate(folder, plan(twap(), caps=caps))
    done = call("dry-run", mandate, "--journal", folder / "j")
    assert done.returncode == 0, done.stderr
    return folder / "j"


@pytest.fixture
def journal(record: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    for each in record.parent.glob("j*"):
        shutil.copy2(each, tmp_path / each.name)
    return tmp_path / "j"


def touch(journal: Path, statement: str) -> None:
    db = sqlite3.connect(journal)
    db.executescript(statement)
    db.close()


def test_a_rehearsal_is_signed_and_verifies(journal: Path) -> None:
    done = call("verify", "--journal", journal, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = objects(done.stdout)
    assert found["waiting"] == 0
    assert found["checkpoints"] >= 2  # when it was created, and when it was finished
    assert list(found["parents"].values()) == ["completed"]
    assert call("verify", "--journal", journal).stdout.endswith("OK\n")


def test_a_changed_line_is_named_with_code_8(journal: Path) -> None:
    touch(
        journal,
        "UPDATE events SET line = replace(line, '\"kind\"', '\"Kind\"') WHERE stream LIKE 'parent/%' AND version = 9",
    )
    done = call("verify", "--journal", journal)
    assert done.returncode == 8
    assert "first bad line: case TEST-1, parent/" in done.stderr
    assert "version 9, leaf " in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE counters SET used = '0.001' WHERE counter LIKE 'plan_percent_per_day/%'",
        "DELETE FROM counters WHERE counter LIKE 'venue_value_per_day/%'",
        "UPDATE counters SET used = used || '1' WHERE counter LIKE 'holding/%'",
        "INSERT INTO counters VALUES ('week_values/USD/2026-03-07', '1')",
    ],
)
def test_a_counter_of_a_cap_that_was_changed_is_named_with_code_8(change: str, journal: Path, tmp_path: Path) -> None:
    """Made smaller, so that more could be sold; taken away; made up."""
    head = tmp_path / "head.txt"
    assert call("verify", "--journal", journal, "--head", head).returncode == 0
    touch(journal, change)
    done = call("verify", "--journal", journal)
    assert done.returncode == 8
    named = change.partition("/")[0].rpartition("'")[2]
    assert f"the counter {named}/" in done.stderr
    assert "the orders of the record come to" in done.stderr
    # Sums are only there where every order is read.
    assert call("verify", "--journal", journal, "--from", head).returncode == 0


def test_from_a_checkpoint_verified_before(journal: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.txt"
    assert call("verify", "--journal", journal, "--head", head).returncode == 0
    (found,) = objects(call("verify", "--journal", journal, "--from", head, "--json").stdout)
    assert (found["read"], found["waiting"]) == (0, 0)
    assert call("pause", "all", "--resting", "keep", "--who", "w", "--why", "y", "--journal", journal).returncode == 0
    assert "1 waiting" in call("verify", "--journal", journal).stdout  # no checkpoint covers the pause yet
    assert taken_apart(call("checkpoint", "--journal", journal).stdout)[0].text.startswith("executor/record/inst")
    (found,) = objects(call("verify", "--journal", journal, "--from", head, "--json").stdout)
    assert (found["read"], found["trees"]) == (1, 2)
    (tmp_path / "bad").write_text("no note")
    assert call("verify", "--journal", journal, "--from", tmp_path / "bad").returncode == 2


def test_another_key_is_refused(journal: Path, tmp_path: Path) -> None:
    made = call("record-key", tmp_path / "other", "--name", "executor/record")
    assert made.stdout.startswith("executor/record+")
    done = call("verify", "--journal", journal, "--keys", tmp_path / "other.pub")
    assert (done.returncode, "not signed by any of the keys" in done.stderr) == (8, True)
    assert call("record-key", tmp_path / "other").returncode == 2


def test_an_export_checks_itself_anywhere(journal: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert call("export", "TEST-1", folder, "--journal", journal).returncode == 0
    assert sorted(each.name for each in folder.iterdir()) == [
        "checkpoints.txt", "events.jsonl", "keys.txt", "leaves.txt", "verify.py",
    ]  # fmt: skip

    def alone(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", "verify.py", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={})

    done = alone()
    assert (done.returncode, done.stdout.endswith("OK\n")) == (0, True), done.stdout
    key = (folder / "keys.txt").read_text()
    seen = folder / "checkpoints.txt"
    assert alone(".", key, str(seen)).returncode == 0
    for arguments in (["."], [".", key], [".", key, str(seen)]):
        unset = alone(*arguments[:-1], "")
        assert (unset.returncode, unset.stdout[:31]) == (1, "NO: the arguments: one is empty"), arguments
    assert alone(".", key, str(seen), "more").returncode == 1
    (tmp_path / "nothing").write_text("")
    assert alone(".", key, str(tmp_path / "nothing")).returncode == 1
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:3] + lines[4:]))
    done = alone(".", key)
    assert (done.returncode, done.stdout[:29]) == (1, "NO: events.jsonl, line 4: not"), done.stdout
    assert alone("nowhere").returncode == 1


def test_what_verify_writes_as_heads_is_what_the_verifier_takes(journal: Path, tmp_path: Path) -> None:
    """One note of each tree, another tree's before this case's: a later export still holds it, an earlier one does
    not."""
    folder, head = tmp_path / "out", tmp_path / "head"
    assert call("pause", "all", "--resting", "keep", "--who", "w", "--why", "y", "--journal", journal).returncode == 0
    assert call("checkpoint", "--journal", journal).returncode == 0
    assert call("verify", "--journal", journal, "--head", head).returncode == 0
    assert [note.text.partition("\n")[0] for note in taken_apart(head.read_text())] == [
        "executor/record/institution",
        "executor/record/case/TEST-1",
    ]
    assert call("export", "TEST-1", folder, "--journal", journal).returncode == 0
    command = [sys.executable, "-I", "-S", "verify.py", ".", (folder / "keys.txt").read_text(), str(head)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={})
    assert (done.returncode, done.stdout.endswith("OK\n")) == (0, True), done.stdout
    notes = taken_apart((folder / "checkpoints.txt").read_text())
    size = int(notes[-2].text.split("\n")[1])
    for name in ("events.jsonl", "leaves.txt"):
        lines = (folder / name).read_bytes().splitlines(keepends=True)
        (folder / name).write_bytes(b"".join(lines[:size]))
    (folder / "checkpoints.txt").write_text(joined(notes[:-1]))
    done = subprocess.run(command[:-1], cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={})
    assert done.returncode == 0, done.stdout  # a good record of an earlier moment
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={})
    assert (done.returncode, "is not in the record" in done.stdout) == (1, True), done.stdout


def test_an_export_is_refused_when_it_would_not_be_evidence(journal: Path, tmp_path: Path) -> None:
    assert call("export", "NOBODY", tmp_path / "a", "--journal", journal).returncode == 2
    assert call("export", "TEST-1", tmp_path, "--journal", journal).returncode == 2  # not empty
    assert call("verify", "--journal", tmp_path / "none").returncode == 2
    touch(journal, "DELETE FROM checkpoints WHERE size = (SELECT MAX(size) FROM checkpoints)")
    done = call("export", "TEST-1", tmp_path / "a", "--journal", journal)
    assert (done.returncode, "executor checkpoint" in done.stderr) == (2, True)


def test_an_export_with_a_secret_in_it_is_refused(journal: Path, tmp_path: Path) -> None:
    """A venue's secret got into the record, here a word that certainly stands in it: it never leaves."""
    env = {"EXECUTOR_OSL_SANDBOX_SECRET": "ParentCreated"}
    done = call("export", "TEST-1", tmp_path / "out", "--journal", journal, env=env)
    assert (done.returncode, "events.jsonl holds a secret of this machine" in done.stderr) == (5, True), done.stderr
    assert "ParentCreated" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_key_that_others_may_read_stops_it(journal: Path) -> None:
    journal.with_name("j.key").chmod(0o644)
    done = call("checkpoint", "--journal", journal)
    assert (done.returncode, "chmod 600" in done.stderr) == (4, True)


def test_a_witness_signs(journal: Path, tmp_path: Path) -> None:
    head, offered, keys = tmp_path / "head", tmp_path / "offered", tmp_path / "keys"
    call("verify", "--journal", journal, "--head", head)
    (note,) = [each for each in taken_apart(head.read_text()) if not each.text.startswith("executor/record/inst")]
    witness = HeldKey("witness.example/w", bytes(32))
    key = VerifierKey(witness.name, witness.public, COSIGNATURE)
    raw = (7).to_bytes(8, "big") + witness.sign(cosigned(note.text.encode(), 7))
    offered.write_text(str(Note(note.text, ((witness.name, key.id, raw),))))
    keys.write_text(f"{key}\n{journal.with_name('j.key.pub').read_text()}")
    done = call("attest", "cosignature", "TEST-1", offered, "--witness", keys, "--journal", journal)
    assert (done.returncode, done.stdout.count("\u2014")) == (0, 2), done.stderr
    (found,) = objects(call("verify", "--journal", journal, "--keys", keys, "--json").stdout)
    assert found["cosignatures"] == 1
    assert call("export", "TEST-1", tmp_path / "out", "--journal", journal).returncode == 0
    again = call("attest", "cosignature", "TEST-1", offered, "--witness", keys, "--journal", journal)
    assert again.returncode == 8
    request = call("attest", "request", "TEST-1", tmp_path / "q.tsq", "--journal", journal)
    assert (request.returncode, (tmp_path / "q.tsq").stat().st_size > 50) == (0, True)
