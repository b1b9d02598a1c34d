"""The bundle, as a stranger unpacks it."""

import json
import shutil
import subprocess
import sys
import zipfile
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import msgspec
import pytest

from executor.errors import InputRefused, RuleRefused
from executor.exit_codes import ExitCode
from executor.journal.checkpoint import taken_apart
from executor.market.benchmark import BenchmarkRecord
from executor.report import verify_standalone
from executor.report.bundle import bundle_files, inputs_missing, refuse_keys, zipped
from executor.report.casefile import CaseFile
from executor.report.figures import figure
from tests.cli.commands import ROOT, call
from tests.journal.bundle_made import tampered_bundle
from tests.journal.case_made import Files
from tests.report.conftest import CASE
from tests.report.test_report import needs_fonts

EXAMPLE = ROOT / "config" / "examples" / "benchmarks"


@pytest.fixture(scope="module")
def unpacked(journal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with the example average in it, made by the command and unpacked."""
    folder = tmp_path_factory.mktemp("bundle")
    candles = EXAMPLE / "falling-20-day.csv"
    computed = call("benchmark", "compute", EXAMPLE / "falling-20-day.toml", "--candles", candles, "--json")
    (folder / "average.json").write_text(computed.stdout)
    packed = folder / "case.zip"
    given = ("--journal", journal, "--lang", "en", "--benchmark", folder / "average.json", candles)
    done = call("bundle", CASE, packed, *given)
    assert done.returncode == ExitCode.OK, done.stderr
    again = call("bundle", CASE, packed, *given)
    assert (again.returncode, "never overwritten" in again.stderr) == (ExitCode.USAGE, True)
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder / "out")
    return folder / "out"


def python(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Python alone: no site-packages, no environment."""
    words = [sys.executable, "-I", "-S", *map(str, arguments)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@needs_fonts
def test_a_stranger_verifies_it(unpacked: Path, tmp_path: Path) -> None:
    done = python(unpacked, "verify.py")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "OK"), done.stdout
    sums = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=unpacked, check=False)
    assert sums.returncode == 0
    count = sum(path.is_file() for path in unpacked.rglob("*"))
    assert f"{count - 5} more files signed for\n" in done.stdout


@needs_fonts
def test_whoever_touches_any_file_is_found_out(unpacked: Path, tmp_path: Path) -> None:
    """Each file of a real bundle: a byte changed, then the file gone; and one that nobody signed for."""
    folder = tmp_path / "copy"
    shutil.copytree(unpacked, folder)
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name, good = path.relative_to(folder).as_posix(), path.read_bytes()
        files = {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
        middle = len(good) // 2
        for bad in ({name: good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]}, {}):
            with pytest.raises(verify_standalone.WRONG):
                verify_standalone.verify({each: raw for each, raw in files.items() if each != name} | bad)
            place = verify_standalone.HERE[0]
            lists = {"leaves.txt": "events.jsonl", "ledger-leaves.txt": "ledger.jsonl"}
            assert place.startswith((name, lists.get(name, name), "SHA256SUMS")), (name, place)
            assert name.startswith("SHA256SUMS") or not place.startswith("SHA256SUMS"), (name, place)
    (folder / ".DS_Store").write_bytes(b"what a desktop leaves behind is passed over")
    assert python(folder, "verify.py").returncode == 0
    for target in (unpacked / "statements", tmp_path / "none"):
        (folder / "more").symlink_to(target)
        done = python(folder, "verify.py")
        assert (done.returncode, done.stdout.startswith("NO: the folder: more is neither")) == (1, True), done.stdout
        (folder / "more").unlink()
    (folder / "statements" / "more.csv").write_text("trade_id\n")
    done = python(folder, "verify.py")
    assert (done.returncode, done.stdout) == (
        1,
        "NO: statements/more.csv: missing, changed, or not in SHA256SUMS\n",
    )
    (folder / "statements" / "more.csv").unlink()
    ledger = folder / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"account":"sold","amount":"', '"account":"sold","amount":"1', 1))
    assert "NO: ledger.jsonl, line " in python(folder, "verify.py").stdout


def _files(folder: Path) -> Files:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@needs_fonts
def test_a_real_bundle_withstands_what_the_small_ones_do(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tamperings on a whole case as the program packed it."""
    monkeypatch.setattr(verify_standalone, "signed", cache(verify_standalone.signed))
    files = _files(unpacked)
    key = files["keys.txt"].decode().strip()
    seen = str(taken_apart(files["checkpoints.txt"].decode())[-1])
    verify_standalone.verify(files, key, seen)
    for seed in range(150):
        how, changed = tampered_bundle(files, seed)
        with pytest.raises(verify_standalone.WRONG):
            verify_standalone.verify(changed, key, seen)
        assert verify_standalone.HERE[0].startswith(tuple(files.keys() | changed.keys())), (seed, how)


@needs_fonts
def test_a_tampered_bundle_ends_with_one_and_the_place(unpacked: Path, tmp_path: Path) -> None:
    """As a stranger runs it: each way of tampering once, in a process of its own."""
    files, done = _files(unpacked), set[str]()
    key, seen = files["keys.txt"].decode().strip(), tmp_path / "seen"
    seen.write_text(str(taken_apart(files["checkpoints.txt"].decode())[-1]))
    for seed in range(100):
        how, changed = tampered_bundle(files, seed)
        if how in done or changed.get("verify.py") != files["verify.py"]:
            continue
        done.add(how)
        folder = tmp_path / str(seed)
        for name, content in changed.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        told = python(folder, "verify.py", ".", key, seen)
        assert told.returncode == 1, (seed, how, told.stdout)
        assert told.stdout.removeprefix("NO: ").startswith(tuple(files.keys() | changed.keys())), (how, told.stdout)
        shutil.rmtree(folder)
    assert len(done) >= 10


@needs_fonts
def test_a_stranger_computes_the_average_and_the_shortfall_again(
    unpacked: Path, finished: tuple[CaseFile, dict[str, bytes]]
) -> None:
    """With 20 lines of Python and nothing installed: the same digits."""
    script = Path(__file__).with_name("stranger.py")
    lines = [line for line in script.read_text().splitlines() if line.strip() and not line.startswith(("#", '"'))]
    assert len(lines) <= 20
    done = python(unpacked, script)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    record = json.loads((unpacked / "benchmark" / "average.json").read_text())
    assert round(Fraction(found["average"]), record["parameters"]["decimals"]) == Fraction(record["result"])
    whole = finished[0].sales[0].quality.whole
    assert found["left"] == "0"
    assert Fraction(found["shortfall"]) == whole["is_total"]
    report = (unpacked / "report" / "report-en.html").read_text()
    assert Decimal(figure(whole["is_total"], "money") or "").quantize(
        Decimal("0.01")
    ).to_eng_string() in report.replace(",", "")
    assert record["result"].rstrip("0").split(".")[0] in report.replace(",", "")


@needs_fonts
def test_what_is_in_it(unpacked: Path) -> None:
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {"README.zh.md", "README.en.md", "mandate.json", "fills.csv", "keys.txt", "report/report-en.pdf"} <= names
    assert {"benchmark/average.json", "benchmark/falling-20-day.csv"} <= names
    assert sum(name.startswith("statements/") for name in names) == 2
    (plan,) = [name for name in names if name.startswith("plan/")]
    created = next(
        json.loads(line)["event"]
        for line in (unpacked / "events.jsonl").read_text().splitlines()
        if "ParentCreated" in line
    )
    assert created["plan_hash"] in plan


def test_an_average_that_does_not_come_from_its_file_is_refused(journal: Path, tmp_path: Path) -> None:
    candles = EXAMPLE / "falling-20-day.csv"
    computed = call("benchmark", "compute", EXAMPLE / "falling-20-day.toml", "--candles", candles, "--json")
    (tmp_path / "average.json").write_text(computed.stdout)
    other = tmp_path / "other.csv"
    other.write_text(candles.read_text().rstrip() + "\n" + "\n")
    done = call(
        "bundle", CASE, tmp_path / "b.zip", "--journal", journal, "--benchmark", tmp_path / "average.json", other
    )
    assert (done.returncode, "does not come from" in done.stderr) == (ExitCode.RECORD_FAILED, True)
    assert not (tmp_path / "b.zip").exists()


def test_recorded_averages_are_there_by_themselves_and_missing_candles_are_named(
    finished: tuple[CaseFile, dict[str, bytes]],
) -> None:
    """The plan rests on an average of the record; the candles are given, or not."""
    case, exported = finished
    candles = EXAMPLE / "falling-20-day.csv"
    computed = call("benchmark", "compute", EXAMPLE / "falling-20-day.toml", "--candles", candles, "--json").stdout
    average = BenchmarkRecord.model_validate(json.loads(computed))
    (sale,) = case.sales
    state = copy(sale.state)
    rule = {"kind": "average", "benchmark": average.sha256}
    state.created = msgspec.structs.replace(sale.state.spec, plan=sale.state.spec.plan | {"price_rules": [rule]})
    case = replace(case, benchmarks=[average], sales=[replace(sale, state=state)])
    name = f"benchmark/average-{average.sha256[:12]}.json"
    bare = bundle_files(case, exported, {}, {})
    assert bare[name] == average.canonical()
    for language in ("zh", "en"):
        told = bare[f"README.{language}.md"].decode().splitlines()[-1]
        assert ("falling-20-day.csv" in told, average.file_sha256 in told) == (True, True)
    given = {"a.json": computed.encode(), "falling-20-day.csv": candles.read_bytes()}
    whole = bundle_files(case, exported, {}, given)
    assert (name in whole, b"falling-20-day.csv" in whole["README.en.md"]) == (False, False)
    assert not inputs_missing(replace(case, sales=finished[0].sales), {})  # no rule rests on it


def test_two_inputs_of_one_name_are_refused(journal: Path, tmp_path: Path) -> None:
    candles = EXAMPLE / "falling-20-day.csv"
    computed = call("benchmark", "compute", EXAMPLE / "falling-20-day.toml", "--candles", candles, "--json")
    (tmp_path / candles.name).write_text(computed.stdout)
    given = ("--benchmark", tmp_path / candles.name, candles)
    done = call("bundle", CASE, tmp_path / "b.zip", "--journal", journal, *given)
    assert (done.returncode, "is called falling-20-day.csv too" in done.stderr) == (ExitCode.USAGE, True), done.stderr
    assert not (tmp_path / "b.zip").exists()


KEYS = [
    "PRIVATE+KEY+example.org/record+00000000+AAAA",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
    "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617",
    "zprvAWgYBBk7JR8Gjrh4UJQ2uJdG1r3WNRRfURiABBE3RvMXYSrRJL62XuezvGdPvG6GFBZduosCc1YP5wixPox7zhZLfiUm8aunE96BBa4Kei5",
    "6PRVWUbkzzsbcVac2qwfssoUJAN1Xhrg6bNk8J7Nzm5H7kxEbn2Nh2ZoGg",
    "private key 0x" + "4f" * 32,
    'privateKey: "' + "4F" * 32 + '"',
    '{"crypto":{"ciphertext":"' + "5e" * 32 + '","kdf":"scrypt"}}',
    '{\\"kty\\":\\"OKP\\",\\"crv\\":\\"Ed25519\\",\\"d\\":\\"' + "A" * 43 + '\\"}',
    '"mnemonic": "' + "abandon " * 11 + 'about"',
    "seed phrase: " + "legal winner thank year wave sausage worth useful legal winner thank yellow",
    "PuTTY-User-Key-File-3: ssh-ed25519",
    "AKIAIOSFODNN7EXAMPLE",
]


@pytest.mark.parametrize("key", KEYS)
def test_key_material_is_refused(key: str) -> None:
    with pytest.raises(RuleRefused, match=r"notes\.txt holds what looks like a private key") as refused:
        refuse_keys({"notes.txt": f"some text {key}\n".encode()})
    assert key not in str(refused.value)


def test_a_secret_of_this_machine_is_refused_and_hashes_are_not() -> None:
    with pytest.raises(RuleRefused, match="secret of this machine"):
        refuse_keys({"a": b"x hunter2hunter2 y"}, ["hunter2hunter2"])
    almost = KEYS[4][:-1] + "K"  # the check sum of a key, not: any text of such letters
    refuse_keys({"a": b"00" * 32 + almost.encode() + b" 4f" * 40}, ["short"])


def test_a_short_secret_is_found_as_a_whole_word() -> None:
    for text in (b'{"why":"the PIN is 407219, as ever"}', b"407219", b"pin=407219\n"):
        with pytest.raises(RuleRefused, match="secret of this machine"):
            refuse_keys({"events.jsonl": text}, ["407219"])
    refuse_keys({"events.jsonl": b'"qty":"0.407219","id":"a407219","sha":"1407219f"', "r.pdf": b"407219"}, ["407219"])


@pytest.mark.parametrize(
    "text",
    [
        '"public_key":"' + "4f" * 32 + '","signature":"' + "5e" * 64 + '"',
        "the private key stays in the device; sha256 " + "4f" * 32,
        '"seed":7,"why":"no seed phrase was ever given to the venue by anybody of the institution in this case"',
        '"d":"1","kind":"FillRecorded"',
    ],
)
def test_hashes_public_keys_and_sentences_are_no_keys(text: str) -> None:
    refuse_keys({"events.jsonl": text.encode()})


def test_the_pin_of_a_device_and_the_password_of_a_database_are_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executor.cli.recording import secrets_here

    (tmp_path / "pin").write_text("407219\n")
    uri = f"pkcs11:token=t;object=k?module-path=/m.so&pin-source={tmp_path / 'pin'}"
    monkeypatch.setenv("EXECUTOR_RECORD_KEY", uri)
    assert {"407219", "p%40ss", "p@ss"} <= set(secrets_here("postgresql://me:p%40ss@db/journal"))


def test_the_record_s_own_key_never_leaves(journal: Path, tmp_path: Path) -> None:
    """A person writes the seed of the record's key into a reason; nothing is written out."""
    from executor.cli.recording import secrets_here

    (seed,) = secrets_here(journal)
    with pytest.raises(RuleRefused, match=r"events\.jsonl holds a secret"):
        refuse_keys({"events.jsonl": f'{{"why":"{seed}"}}'.encode()}, secrets_here(journal))


def test_a_key_whose_base64_holds_a_plus_is_known_whole(tmp_path: Path) -> None:
    from executor.cli.recording import record_key_path, secrets_here

    record_key_path(tmp_path / "j").write_text("PRIVATE+KEY+executor/record+0badcafe+AQab+cd/ef+g=\n")
    assert secrets_here(tmp_path / "j") == ["AQab+cd/ef+g="]


@pytest.mark.parametrize("name", [".candles.csv", "../candles.csv", "a/candles.csv", "/candles.csv", "", "a\nb.csv"])
def test_an_input_that_the_verifier_would_not_see_is_refused(
    finished: tuple[CaseFile, dict[str, bytes]], name: str
) -> None:
    with pytest.raises(InputRefused, match="needs a plain name"):
        bundle_files(*finished, {}, {name: b"timestamp,close\n"})


def test_the_same_files_give_the_same_zip(finished: tuple[CaseFile, dict[str, bytes]]) -> None:
    case, exported = finished
    dated = datetime(2026, 3, 2, tzinfo=UTC)
    one = zipped(bundle_files(case, exported, {"r.html": b"x"}, {}), dated)
    assert one == zipped(dict(reversed(bundle_files(case, exported, {"r.html": b"x"}, {}).items())), dated)
