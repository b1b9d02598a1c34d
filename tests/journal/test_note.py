"""Signed notes against the published vectors; keys in files; cosignatures."""

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from executor.errors import CredentialsRefused, InputRefused, RecordBroken
from executor.journal.keys import new_key, public_path, read_key, read_or_new, read_verifiers
from executor.journal.note import COSIGNATURE, HeldKey, Note, VerifierKey, cosigned, key_id, signed, unbase64
from executor.journal.witness import cosign

# The example of the package that defined the format (golang.org/x/mod/sumdb/note).
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY = VerifierKey.parse(PUBLIC)


def signer() -> HeldKey:
    return HeldKey("PeterNeumann", unbase64(PRIVATE.split("+", 4)[4])[1:])


def test_the_published_note_verifies_and_is_made_again() -> None:
    note = Note.parse(f"{TEXT}\n{LINE}")
    assert note.checked([KEY]) == [KEY]
    assert str(note) == f"{TEXT}\n{LINE}"
    assert str(signed(TEXT, "PeterNeumann", signer())) == f"{TEXT}\n{LINE}"
    assert str(VerifierKey("PeterNeumann", signer().public)) == PUBLIC


def test_a_changed_text_or_signature_is_refused() -> None:
    with pytest.raises(RecordBroken, match="not good"):
        Note.parse(f"{TEXT.replace('answer', 'question')}\n{LINE}").checked([KEY])
    with pytest.raises(RecordBroken, match="not good"):
        Note.parse(f"{TEXT}\n{LINE.replace('ZJku', 'ZJkv')}").checked([KEY])


def test_signatures_of_strangers_are_passed_over() -> None:
    """The format demands it: a witness that this program does not know must not spoil a note."""
    note = Note.parse(f"{TEXT}\n{LINE}\u2014 example.org/w AAAAAAAAAA==\n")
    assert note.checked([KEY]) == [KEY]
    assert Note.parse(f"{TEXT}\n{LINE}").checked([KEY.named("Someone")]) == []


@pytest.mark.parametrize(
    "written",
    [
        "",
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}\n{LINE[:-1]}",
        f"{TEXT}{LINE}",
        f"{TEXT}\n{LINE}\n",
        f"{TEXT}\n{LINE.replace(chr(0x2014), '-')}",
        f"{TEXT}\n\u2014 PeterNeumann x08go\n",
        f"{TEXT}\n\u2014 Peter Neumann AAAAAAAA\n",
        f"{TEXT}\n{LINE.replace('JnAM=', 'JnAN=')}",
        f"{TEXT}\r\n\n{LINE}",
        f"{TEXT}\n" + LINE * 65,
    ],
)
def test_what_is_not_a_note_is_refused(written: str) -> None:
    with pytest.raises(RecordBroken):
        Note.parse(written)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        PUBLIC.replace("c74f20a3", "c74f20a4"),
        PUBLIC.replace("Peter", "Paul"),
        PUBLIC.replace("ARpc", "Ahpc"),
        PUBLIC.replace("PeterNeumann", "Peter Neumann"),
        PUBLIC[:-4],
    ],
)
def test_what_is_not_a_key_is_refused(text: str) -> None:
    with pytest.raises(RecordBroken):
        VerifierKey.parse(text)


def test_a_cosignature_is_over_the_time_and_the_text() -> None:
    """C2SP tlog-cosignature v1: eight bytes of time, then Ed25519 over two header lines and the text."""
    witness = HeldKey("witness.example/w1", bytes([7]) * 32)
    key = VerifierKey(witness.name, witness.public, COSIGNATURE)
    raw = (1679315147).to_bytes(8, "big") + witness.sign(b"cosignature/v1\ntime 1679315147\n" + TEXT.encode())
    assert cosigned(TEXT.encode(), 1679315147).startswith(b"cosignature/v1\ntime 1679315147\nIf you")
    own = signed(TEXT, "PeterNeumann", signer())
    offered = Note(TEXT, (*own.signatures, (witness.name, key.id, raw)))
    merged = cosign(own, Note.parse(str(offered)), [VerifierKey.parse(str(key))])
    assert merged.checked([KEY, key]) == [KEY, key]
    assert key.id == key_id(witness.name, COSIGNATURE, witness.public) != key_id(witness.name, 1, witness.public)
    with pytest.raises(RecordBroken, match="does not have already"):
        cosign(merged, offered, [key])
    late = (1679315148).to_bytes(8, "big") + raw[8:]
    with pytest.raises(RecordBroken, match="not good"):
        cosign(own, Note(TEXT, ((witness.name, key.id, late),)), [key])
    with pytest.raises(RecordBroken, match="another checkpoint"):
        cosign(own, Note("x\n", offered.signatures), [key])
    assert not key.verifies(TEXT, raw[1:])
    assert not key.verifies(TEXT, b"\xff" + raw[1:])


def test_a_key_pair_in_files(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "record"
    made = new_key(path, "example.org/record")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_verifiers(public_path(path)) == [made]
    held = read_key(path)
    assert made.verifies("text\n", held.sign(b"text\n"))
    assert base64.b64encode(held.public).decode() not in repr(held)
    with pytest.raises(InputRefused, match="never overwritten"):
        new_key(path, "example.org/record")
    assert read_or_new(path, "other").public == held.public


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    new_key(tmp_path / "key", "a")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(CredentialsRefused, match="may be read by others"):
        read_key(tmp_path / "key")


@pytest.mark.parametrize("content", ["", "PRIVATE+KEY+a", PUBLIC, PRIVATE.replace("c74f", "c74e"), PRIVATE[:-4], "\0"])
def test_what_is_not_a_private_key_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(CredentialsRefused) as refused:
        read_key(path)
    assert "AYEKFALVFGyN" not in str(refused.value)


def test_a_key_is_not_made_a_second_time(tmp_path: Path) -> None:
    """If the private half is lost, a new one in its place would go unnoticed: that is said instead."""
    read_or_new(tmp_path / "key", "a")
    os.remove(tmp_path / "key")
    with pytest.raises(CredentialsRefused, match="cannot be read"):
        read_or_new(tmp_path / "key", "a")


def test_a_key_name_without_spaces_and_plus(tmp_path: Path) -> None:
    for name in ("", "a b", "a+b", "a\nb", "a\u00a0b"):
        with pytest.raises(InputRefused, match="no spaces"):
            new_key(tmp_path / "key", name)


def test_what_a_crash_left_of_a_key_is_mended(tmp_path: Path) -> None:
    """Killed between the two files: the public half is made again from the private one."""
    held = read_or_new(tmp_path / "key", "a")
    spelled = public_path(tmp_path / "key").read_text()
    public_path(tmp_path / "key").unlink()
    assert read_or_new(tmp_path / "key", "b").public == held.public
    assert public_path(tmp_path / "key").read_text() == spelled
    assert sorted(each.name for each in tmp_path.iterdir()) == ["key", "key.pub"]


def test_processes_that_begin_at_once_share_a_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda _: read_or_new(tmp_path / "key", "a").public, range(8)))
    assert len(set(held)) == 1
    assert read_verifiers(public_path(tmp_path / "key"))[0].public == held[0]


def test_a_place_that_takes_no_public_half_says_what_to_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    new_key(path, "a")
    public_path(path).unlink()

    def full(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("executor.journal.keys._place", full)
    with pytest.raises(CredentialsRefused, match=r"key\.pub cannot be written \(Permission denied\): copy it from"):
        read_or_new(path, "a")
    assert read_key(path).name == "a"  # which is all that a worker asks for
