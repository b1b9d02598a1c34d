"""verify.py: Ed25519 against RFC 8032, ten thousand tamperings, a second implementation, and its speed."""

import base64
import json
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from executor.domain.canonical import canonical
from executor.domain.case_events import CaseOpened
from executor.domain.events import FillRecorded
from executor.journal.checkpoint import joined, taken_apart
from executor.journal.line import Line, encode
from executor.journal.note import COSIGNATURE, Note, VerifierKey, key_id
from executor.journal.tree import leaf_hash
from executor.report import verify_standalone as v
from tests.domain.events_made import filled
from tests.journal.bundle_made import (
    BESIDE,
    LISTS,
    RECORD,
    bundle_of,
    case_lines,
    listed,
    random_bundle,
    tampered_bundle,
)
from tests.journal.case_made import KEY, OTHER, TAMPERINGS, Files, files_of, notes_of

# RFC 8032 section 7.1: public key, message, signature of TEST 1, 2 and 3.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
        "24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
        "eeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed2"
        "8dc027beceea1ec40a",
    ),
]
CHUNKS, EACH = 20, 500


@pytest.fixture(scope="module", autouse=True)
def _remembered() -> Iterator[None]:
    """A signature that was checked once has the same answer the next time: the tamperings share most of theirs."""
    plain = v.signed
    v.signed = cache(plain)
    yield
    v.signed = plain


# --- Ed25519 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_rfc_8032(public: str, message: str, signature: str) -> None:
    key, text, good = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert v.signed(key, text, good)
    assert not v.signed(key, text + b"x", good)
    for place in (0, 31, 32, 63):
        bad = bytearray(good)
        bad[place] ^= 1
        assert not v.signed(key, text, bytes(bad))
    assert not v.signed(key, text, good[:63])
    assert not v.signed(key, text, good + b"\0")


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_a_second_spelling_of_s_is_refused(public: str, message: str, signature: str) -> None:
    """RFC 8032 section 5.1.7: s must be below the order; s + L would verify otherwise."""
    good = bytes.fromhex(signature)
    twin = good[:32] + (int.from_bytes(good[32:], "little") + v.L).to_bytes(32, "little")
    assert not v.signed(bytes.fromhex(public), bytes.fromhex(message), twin)


def test_points_that_are_not_spelled_as_they_must_be_are_refused() -> None:
    """y at or above the prime, x of zero with its sign set, and a y for which there is no x."""
    for spelled in (v.P, v.P + 1, 2**255 - 1):
        with pytest.raises(ValueError, match="not on the curve"):
            v.point(spelled.to_bytes(32, "little"))
    with pytest.raises(ValueError, match="not on the curve"):
        v.point((1 | 1 << 255).to_bytes(32, "little"))
    with pytest.raises(ValueError, match="not on the curve"):
        v.point((2).to_bytes(32, "little"))
    # The neutral point, spelled with y = p + 1, as the R of a signature: equal as a point, not as bytes.
    neutral = (1).to_bytes(32, "little")
    assert v.signed(neutral, b"any", neutral + bytes(32))
    assert not v.signed(neutral, b"any", (v.P + 1).to_bytes(32, "little") + bytes(32))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 511))
def test_it_agrees_with_another_implementation(seed: bytes, message: bytes, flip: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed[:1] * 32)  # few keys: a new one costs a tenth of a second
    public, good = private.public_key().public_bytes_raw(), private.sign(message)
    assert v.signed(public, message, good)
    bad = (int.from_bytes(good, "big") ^ 1 << flip).to_bytes(64, "big")
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(bad, message)
    assert not v.signed(public, message, bad)


# --- the record ------------------------------------------------------------------------------------------------------


def refused(files: Files, given: str | None = None, seen: str | None = None) -> str:
    """Where and why verify.py says no; empty if it says yes."""
    try:
        v.verify(files, given, seen)
    except v.WRONG as wrong:
        return f"{v.HERE[0]}: {wrong}"
    return ""


def first_difference(one: bytes, other: bytes) -> int:
    """The number of the first line in which two files differ."""
    pairs = zip(one.split(b"\n"), other.split(b"\n"), strict=False)
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
    return 1 + (same if same is not None else min(one.count(b"\n"), other.count(b"\n")))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_ten_thousand_tamperings(chunk: int) -> None:
    """Each is refused with its place: the file, and the line or checkpoint. Where only the events or only the ledger
    were changed it is exactly the first line that differs; where only one other file, that file. The reader has the key
    and the last checkpoint from elsewhere, without which a record signed anew or cut back to an earlier checkpoint
    would be a good record of another past."""
    for seed in range(chunk * EACH, (chunk + 1) * EACH):
        files = random_bundle(seed // EACH)
        key, seen = files["keys.txt"].decode().strip(), str(taken_apart(files["checkpoints.txt"].decode())[-1])
        if seed % EACH == 0:
            assert refused(files, key, seen) == ""
        how, changed = tampered_bundle(files, seed)
        said = refused(changed, key, seen)
        assert said, (seed, how)
        assert said.startswith(tuple(files.keys() | changed.keys())), (seed, how, said)
        different = [name for name in files.keys() | changed.keys() if files.get(name) != changed.get(name)]
        if different in (["events.jsonl"], ["ledger.jsonl"]) and different[0] in changed:
            (name,) = different
            line = f"{name}, line {first_difference(files[name], changed[name])}"
            assert said.startswith((f"{line}:", f"{line} ")), (seed, how, said, line)
        elif len(different) == 1 and different[0] not in (*LISTS, "leaves.txt", "ledger-leaves.txt"):
            assert said.startswith(different[0]), (seed, how, said, different)


def test_each_way_of_tampering_occurs_often() -> None:
    """Edit, delete, insert, swap, date anew, cut, sign anew, drop a checkpoint; the ledger and the other files too."""
    files = random_bundle(1)
    seen = Counter(tampered_bundle(files, seed)[0] for seed in range(1500))
    assert {way.__name__ for way in (*TAMPERINGS, *BESIDE)} == set(seen)
    assert min(seen.values()) > 80


def test_without_the_checks_the_tamperings_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: with ``need`` blind most tamperings are taken for good."""
    monkeypatch.setattr(v, "need", lambda good, why: None)
    taken = sum(not refused(tampered_bundle(random_bundle(3), seed)[1]) for seed in range(200))
    assert taken > 60


def test_rules_are_checked_even_under_good_signatures() -> None:
    """Whoever signs a false record is still told: a trade twice, too much, too cheap, a gap, another case."""
    made = case_lines(2)
    at = next(n for n, each in enumerate(made) if isinstance(each.event, FillRecorded))

    def said(lines: list[Line]) -> str:
        again, versions = [], Counter[str]()
        for line in lines:
            versions[line.stream] += 1
            again.append(encode(replace(line, version=versions[line.stream])))
        return refused(files_of(again, [len(again)]))

    def with_fill(*fills: FillRecorded, instead: int = 0) -> str:
        return said([*made[:at], *(replace(made[at], event=fill) for fill in fills), *made[at + instead :]])

    first = made[at].event
    assert said(made) == ""
    assert "stands in the record already" in with_fill(first)
    assert "more sold than was ordered" in with_fill(filled(1, "new", "5"))
    assert "under the floor" in with_fill(filled(1, "t", "1", px="89999.99"), instead=1)
    assert "the rest is another" in with_fill(instead=1)
    assert "more sold than was ordered" in with_fill(filled(9, "t", "0.1"))  # an order that nobody sent
    assert "was sent already" in said([*made[:at], *made[at - 2 : at], *made[at:]])
    assert "than the mandate has" in said(case_lines(2, holding="9.99999999"))
    assert "than the mandate has" in said([line for line in made if not isinstance(line.event, CaseOpened)])
    assert "of another case" in said([replace(line, case_id="CASE-2") for line in made])
    texts = [encode(line) for line in made]
    assert "a version is missing" in refused(files_of(texts[:3] + texts[4:], [len(texts) - 1]))
    assert "not canonical" in refused(files_of([texts[0].replace('":', '": ', 1), *texts[1:]], [len(texts)]))
    changed = [text.replace("卖出", "买入") for text in texts]
    assert "not the plan that was frozen" in refused(files_of(changed, [len(texts)]))


def test_the_ledger_is_checked_even_under_good_signatures() -> None:
    """Whoever signs a false ledger: sums, what a fill says, a fill that is missing or booked twice, another date."""
    files = random_bundle(2)
    rows = files["ledger.jsonl"].splitlines()
    at = next(n for n, row in enumerate(rows) if b'"kind":"FillRecorded"' in row)

    def said(lines: list[bytes]) -> str:
        leaves = b"".join(leaf_hash(line).hex().encode() + b"\n" for line in lines)
        changed = {"ledger.jsonl": b"".join(line + b"\n" for line in lines), "ledger-leaves.txt": leaves}
        return refused(listed(files | changed))

    def with_row(**changes: object) -> str:
        return said([*rows[:at], canonical(json.loads(rows[at]) | changes), *rows[at + 1 :]])

    assert said(rows) == ""
    entries = json.loads(rows[at])["entries"]
    doubled = [each | {"amount": str(Decimal(each["amount"]) * 2)} for each in entries]
    here = f"ledger.jsonl, line {at + 1}: "
    assert with_row(entries=doubled) == f"{here}not what the record says of this event"
    assert with_row(entries=entries[1:]) == f"{here}BTC: the sum is not zero"
    assert with_row(at="2026-11-23T02:00:00.000000Z") == f"{here}not what the record says of this event"
    assert with_row(kind="BankCredited") == f"{here}not what the record says of this event"
    assert said([*rows, rows[at]]) == f"ledger.jsonl, line {len(rows) + 1}: not what the record says of this event"
    assert "no line books parent/abcdefghij#" in said([*rows[:at], *rows[at + 1 :]])


def test_a_correction_that_does_not_sum_to_zero_is_named() -> None:
    texts = [encode(line) for line in case_lines(1)]
    assert '"amount":"0.02"' in texts[-1]
    texts[-1] = texts[-1].replace('"amount":"0.02"', '"amount":"0.03"')
    assert refused(files_of(texts, [len(texts)])).endswith("USD: the sum is not zero")


def test_a_record_alone_is_a_record_and_half_a_bundle_is_not() -> None:
    files = random_bundle(4)
    record = {name: files[name] for name in (*RECORD, "verify.py", "timestamp-9-1.tsr")}
    assert "the record alone" in v.verify(record)
    assert "12 more files signed for" in v.verify(files)
    assert refused(record | {"ledger.jsonl": files["ledger.jsonl"]}) == "SHA256SUMS: missing"
    assert refused({name: raw for name, raw in files.items() if name != "ledger.jsonl"}) == "ledger.jsonl: missing"
    assert refused(files | {"notes.docx": b"x"}) == "notes.docx: missing, changed, or not in SHA256SUMS"


def test_a_key_and_a_checkpoint_from_elsewhere() -> None:
    files, forged = random_bundle(5), bundle_of([encode(line) for line in case_lines(1)], [len(case_lines(1))], OTHER)
    key = files["keys.txt"].decode().strip()
    assert refused(forged) == ""
    assert "not the key that you gave" in refused(forged, key)
    assert "not in the record" in refused(
        random_bundle(6), key, str(taken_apart(files["checkpoints.txt"].decode())[-1])
    )


def test_a_key_given_is_that_of_the_record_or_of_this_case() -> None:
    """The same public key under another name is the key of something else, say of another case."""
    files = random_bundle(5)
    own = VerifierKey.parse(files["keys.txt"].decode().strip())
    record = own.named(KEY.name)
    for good in (str(own), f"{own}\n", str(record)):
        assert refused(files, good) == "", good
    other = [own.named(name) for name in (f"{KEY.name}/case/CASE-2", f"{KEY.name}/institution", "example.org")]
    wrong_id = str(own).replace(own.id.hex(), record.id.hex())
    for bad in (*map(str, other), wrong_id, str(own).rpartition("+")[2], "", " "):
        assert "not the key that you gave" in refused(files, bad), bad


def test_every_checkpoint_of_this_case_that_was_kept_must_be_there() -> None:
    """One, all of them, those of other trees among them, as `executor verify --head` writes them; and the record cut
    back to an earlier checkpoint, which only a later one shows, wherever it stands in what was kept."""
    files = next(each for each in map(random_bundle, range(50)) if each["checkpoints.txt"].count(b"\n\n") >= 7)
    key, notes = files["keys.txt"].decode().strip(), taken_apart(files["checkpoints.txt"].decode())
    texts = files["events.jsonl"].decode().split("\n")[:-1]
    others = [notes_of([leaf_hash(b"x")], [1], case=case)[0] for case in ("", "CASE-10", "A")]
    kept = {
        "the last": [notes[-1]],
        "all": notes,
        "another tree's first": [others[0], notes[-1]],
        "among others": [others[1], *notes, others[2]],
    }
    size = int(notes[1].text.split("\n")[1])
    cut = bundle_of(texts[:size], [int(note.text.split("\n")[1]) for note in notes[:2]])
    cut["checkpoints.txt"] = joined(notes[:2]).encode()
    assert refused(listed(cut), key, str(notes[1])) == ""
    for how, what in kept.items():
        assert refused(files, key, joined(what)) == "", how
        assert "is not in the record" in refused(listed(cut), key, joined(what)), how
    assert "none in it is of this case" in refused(files, key, joined(others))
    assert "not a row of whole checkpoints" in refused(files, key, "")
    assert "not a row of whole checkpoints" in refused(files, key, notes[-1].text)
    forged = notes_of([leaf_hash(text.encode()) for text in texts], [len(texts)], OTHER)
    assert "not signed by the key of this case" in refused(files, key, joined(forged))
    unsigned = str(notes[-1]).replace("\u2014 ", "\u2014 x")
    assert "not signed by the key of this case" in refused(files, key, unsigned)


def test_a_witness_may_sign_too() -> None:
    files = random_bundle(7)
    notes = taken_apart(files["checkpoints.txt"].decode())
    raw = (1).to_bytes(8, "big") + KEY.sign(b"cosignature/v1\ntime 1\n" + notes[0].text.encode())
    line = ("witness.example/w", key_id("witness.example/w", COSIGNATURE, KEY.public), raw)
    notes[0] = Note(notes[0].text, (*notes[0].signatures, line))
    assert refused(listed(files | {"checkpoints.txt": "\n".join(map(str, notes)).encode()})) == ""


def _with_text_that_nobody_signed() -> list[Files]:
    """With words among the signatures, before and after them, and with files that only look like timestamps."""
    files, dash = random_bundle(8), "\u2014 "
    record = {name: files[name] for name in (*RECORD, "verify.py")}
    checkpoints, signature = files["checkpoints.txt"].decode(), files["SHA256SUMS.sig"].decode()
    words = [
        "This case was audited by X.",
        f"{dash}X approved this",
        f"{dash}X approved",
        f"{dash}audited AAAA",
        "\u2014",
        "",
    ]
    made = [files | {"SHA256SUMS.sig": f"{signature}{line}\n".encode()} for line in words]
    made += [files | {"SHA256SUMS.sig": f"{line}\n{signature}".encode()} for line in words]
    made += [record | {"checkpoints.txt": checkpoints.replace(dash, f"{line}\n{dash}", 1).encode()} for line in words]
    made += [record | {"checkpoints.txt": f"{checkpoints}{line}\n".encode()} for line in words]
    stamps = "evil.tsr", "report/timestamp-9-1.tsr", "timestamp-9.tsr", "timestamp-9-1.tsr.tsr", "timestamp-x-1.tsr"
    return made + [record | {name: b"x"} for name in stamps]


def test_nothing_stands_in_the_record_that_nobody_signed() -> None:
    """A line of words under a note, or a file that only ends like a timestamp, would be read as if it were checked."""
    assert [n for n, each in enumerate(_with_text_that_nobody_signed()) if not refused(each)] == []


def test_a_second_implementation_agrees_on_a_thousand_journals() -> None:
    """Half of them tampered with: bundles, every third a record alone. The other is JavaScript: another Ed25519,
    SHA-256, JSON and arithmetic."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("NO SECOND OPINION: node is not installed; nothing compared verify.py with another implementation")
    journals = [
        random_bundle(seed) if seed % 2 else tampered_bundle(random_bundle(seed), seed)[1] for seed in range(1000)
    ]
    journals = [_record(each) if n % 3 == 0 else each for n, each in enumerate(journals)]
    journals += _with_text_that_nobody_signed()
    lines = [json.dumps({name: base64.b64encode(raw).decode() for name, raw in each.items()}) for each in journals]
    script = Path(__file__).with_name("second_opinion.mjs")
    done = subprocess.run(
        [node, str(script)], input="\n".join(lines), capture_output=True, text=True, timeout=300, check=True
    )
    theirs = done.stdout.splitlines()
    assert len(theirs) == len(journals) > 1000
    mine = [refused(each) for each in journals]
    differ = [(n, a, b) for n, (a, b) in enumerate(zip(mine, theirs, strict=True)) if (a == "") != (b == "OK")]
    assert differ == []
    assert theirs.count("OK") >= 500


def _record(files: Files) -> Files:
    return {name: raw for name, raw in files.items() if name in RECORD}


def _spent() -> float:
    """Seconds of processor time of the processes that this one has waited for: what other tests do does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_twenty_thousand_events_under_ten_seconds(tmp_path: Path) -> None:
    """As a stranger runs it: the file alone, another process, nothing installed. 600 checkpoints, 4,000 orders."""
    texts = [encode(line) for line in case_lines(4_000)]
    assert len(texts) > 20_000
    files = bundle_of(texts, [*range(33, len(texts), 33), len(texts)])
    assert files["ledger.jsonl"].count(b"\n") > 8_000
    for name, content in listed(files | {"verify.py": Path(v.__file__).read_bytes()}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    began = _spent()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "OK"), done.stdout
    assert "10 of 10 BTC sold, finished: parent/abcdefghij" in done.stdout
    assert _spent() - began < 10
    whole = (tmp_path / "events.jsonl").read_bytes()
    (tmp_path / "events.jsonl").write_bytes(whole.replace(b'"t77b"', b'"t77c"'))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (
        1,
        "NO: events.jsonl, line 391: not the line whose hash is listed\n",
    )
