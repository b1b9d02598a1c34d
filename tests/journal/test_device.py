"""The record's key in a PKCS#11 device: a token of SoftHSM's, made for the test, signs a whole rehearsal."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from executor.errors import CredentialsRefused, InputRefused, JournalFailed
from executor.journal import device
from executor.journal.device import DeviceUri, open_device
from executor.journal.leaves import SqliteLeaves
from executor.journal.line import encode, time_text
from executor.journal.note import VerifierKey
from executor.journal.recorder import Sequencer
from executor.journal.sqlite import SqliteStore
from executor.journal.store import Append, Row
from tests.cli.commands import call, objects, plan, twap, write_mandate
from tests.domain.events_made import AT
from tests.journal.case_made import events, lines_of

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
MODULE = next((each for each in MODULES if Path(each).exists()), "")
PIN, NAME = "493817", "example.org/record"
needs_softhsm = pytest.mark.skipif(
    not MODULE or not shutil.which("softhsm2-util"),
    reason="NO DEVICE SIGNS: SoftHSM is not installed; on Debian or Ubuntu: apt-get install softhsm2",
)
URI = f"pkcs11:token=record;object=example.org%2Frecord?module-path={MODULE}"
# A key for another name, and one that is no Ed25519 key, stand in the same token.
KEYS = """
import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
with pkcs11.lib({module!r}).get_token(token_label="record").open(rw=True, user_pin={pin!r}) as session:
    for label in ("example.org/record", "example.org/other"):
        curve = {{pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("1.3.101.112")}}
        domain = session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, curve, local=True)
        domain.generate_keypair(store=True, label=label, mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN)
    session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label="rsa")
"""


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A token with keys; the environment that leads to it. Set here too: the library reads it when it is loaded."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    env = {"SOFTHSM2_CONF": str(folder / "conf")}
    own = os.environ | env
    made = ["softhsm2-util", "--init-token", "--free", "--label", "record", "--so-pin", "00000000", "--pin", PIN]
    subprocess.run(made, env=own, check=True, capture_output=True, timeout=60)
    script = KEYS.format(module=MODULE, pin=PIN)
    subprocess.run([sys.executable, "-c", script], env=own, check=True, capture_output=True, timeout=60)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOFTHSM2_CONF", env["SOFTHSM2_CONF"])
        yield env


@needs_softhsm
def test_a_key_in_a_device_signs(token: dict[str, str]) -> None:
    held = open_device(URI, PIN)
    assert held.name == NAME
    one = held.sign(b"a text\n")
    Ed25519PublicKey.from_public_bytes(held.public).verify(one, b"a text\n")
    assert held.sign(b"a text\n") == one  # the same bytes each time, as RFC 8032 wants it
    other = open_device(URI.replace("%2Frecord?", "%2Fother?"), PIN)
    assert other.public != held.public
    assert PIN not in repr(held)


@needs_softhsm
def test_what_cannot_be_used_is_said_without_the_pin(token: dict[str, str], tmp_path: Path) -> None:
    def said(uri: str, pin: str = PIN) -> str:
        with pytest.raises(CredentialsRefused) as refused:
            open_device(uri, pin)
        assert PIN not in str(refused.value)
        return str(refused.value)

    assert "refuses the PIN of record" in said(URI, "000000")
    assert "NoSuchKey" in said(URI.replace("%2Frecord", "%2Fnobody"))
    assert "NoSuchKey" in said(URI.replace("example.org%2Frecord", "rsa"))  # not an Ed25519 key
    assert "NoSuchToken" in said(URI.replace("token=record", "token=none"))
    assert "cannot be used" in said(f"pkcs11:token=record;object=a?module-path={tmp_path}/none.so")
    assert "EXECUTOR_RECORD_PIN" in said(URI, "")
    pin = tmp_path / "pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o644)
    assert "chmod 600" in said(f"{URI}&pin-source=file:{pin}", "")
    pin.chmod(0o600)
    assert open_device(f"{URI}&pin-source=file:{pin}", "").name == NAME
    assert "cannot be read" in said(f"{URI}&pin-source={tmp_path}/none", "")
    assert "cannot be read" in said(f"{URI}&pin-source={PIN}", "")  # the PIN itself in the place of a file


@needs_softhsm
def test_a_bad_signature_of_a_device_is_never_used(token: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    held = open_device(URI, PIN)
    monkeypatch.setattr(device, "_signed", lambda session, label, message: bytes(64))
    with pytest.raises(JournalFailed, match="does not verify"):
        held.sign(b"a text\n")


@needs_softhsm
def test_a_device_that_comes_back_is_asked_again(token: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure is survived by beginning anew; a device that is gone is said, and nothing is signed."""
    import pkcs11

    held, good, failures = open_device(URI, PIN), device._signed, [1]

    def fails(session: object, label: str, message: bytes) -> bytes:
        if failures and failures.pop():
            raise pkcs11.exceptions.DeviceRemoved
        return good(session, label, message)

    monkeypatch.setattr(device, "_signed", fails)
    assert VerifierKey(held.name, held.public).verifies("x\n", held.sign(b"x\n"))
    failures += [1, 1]
    with pytest.raises(JournalFailed, match=r"cannot be signed: .* DeviceRemoved"):
        held.sign(b"x\n")


@needs_softhsm
def test_a_refused_pin_is_never_tried_again(
    token: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device changes its mind in the middle of a sale: one login, whatever the recorder does afterwards; with the
    right PIN all that waited is signed."""
    import pkcs11

    held, store = open_device(URI, PIN), SqliteStore(tmp_path / "j")
    sequencer, logins, plain = Sequencer(SqliteLeaves(store.path), held), list[str](), pkcs11.lib
    monkeypatch.setattr(pkcs11, "lib", lambda module: logins.append(module) or plain(module))
    monkeypatch.setattr(held, "_pin", "271828")
    for line in lines_of(events(1))[:3]:
        row = Row(line.stream, line.version, line.case_id, line.kind, time_text(line.at), encode(line))
        assert store.commit([Append([row])]) == [None]
        with pytest.raises(JournalFailed, match=r"cannot be signed: the device refuses the PIN .* is not tried again"):
            sequencer.advance(AT)
    with pytest.raises(CredentialsRefused, match="not tried again"):
        open_device(URI, "271828")
    assert len(logins) == 1
    other = Sequencer(SqliteLeaves(store.path), open_device(URI, PIN))
    (note,) = other.advance(AT)
    assert note.text.split("\n")[1] == "3"
    for each in (store, sequencer, other):
        each.close()


@needs_softhsm
def test_a_rehearsal_signed_by_a_device_verifies_everywhere(token: dict[str, str], tmp_path: Path) -> None:
    """The run, the checkpoints, `verify`, the export and verify.py: nobody can tell it from a key in a file, and there
    is no private key anywhere in the folder."""
    env = token | {"EXECUTOR_RECORD_KEY": URI, "EXECUTOR_RECORD_PIN": PIN}
    journal = tmp_path / "j"
    shown = call("record-key", env=env | {"EXECUTOR_JOURNAL": str(journal)})
    assert (shown.returncode, shown.stdout.partition("+")[0]) == (0, NAME), shown.stderr
    done = call("dry-run", write_mandate(tmp_path, plan(twap())), "--journal", journal, env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "j.key.pub").read_text() == shown.stdout
    assert not (tmp_path / "j.key").exists()
    (found,) = objects(call("verify", "--journal", journal, "--json").stdout)
    assert (found["waiting"], list(found["parents"].values())) == (0, ["completed"])
    assert call("export", "TEST-1", tmp_path / "out", "--journal", journal).returncode == 0
    checked = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", ".", shown.stdout],
        cwd=tmp_path / "out", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout.endswith("OK\n")) == (0, True), checked.stdout
    wrong = env | {"EXECUTOR_RECORD_KEY": URI.replace("%2Frecord", "%2Fother")}
    other = call("checkpoint", "--journal", journal, env=wrong)
    assert (other.returncode, "another key than" in other.stderr) == (4, True), other.stderr


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("pkcs11:token=a;object=b?module-path=/x&pin-value=1234", "a PIN does not belong into a URI"),
        ("pkcs11:token=a;object=b", "lacks module-path"),
        ("pkcs11:token=a?module-path=/x", "lacks object"),
        ("pkcs11:token=a;slot-id=3;object=b?module-path=/x", "slot-id: each of"),
        ("pkcs11:token=a;token=b;object=b?module-path=/x", "token: each of"),
        ("pkcs11:token=a;object=b%20c?module-path=/x", "no spaces, no plus"),
    ],
)
def test_a_uri_that_names_no_key_is_refused(uri: str, why: str) -> None:
    with pytest.raises(InputRefused, match=why) as refused:
        DeviceUri.parse(uri)
    assert "1234" not in str(refused.value)


def test_a_uri_is_taken_apart() -> None:
    named = DeviceUri.parse("pkcs11:token=My%20token;object=example.org%2Fr?module-path=/l.so&pin-source=file:/p")
    assert (named.token, named.label, named.module, named.pin_source) == ("My token", "example.org/r", "/l.so", "/p")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(InputRefused, match=r"disposal-executor\[pkcs11\]"):
        open_device("pkcs11:token=a;object=b?module-path=/x", "1")
