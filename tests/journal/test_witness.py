"""RFC 3161 timestamps, given by an authority that the test sets up with openssl."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from executor.errors import InputRefused, RecordBroken
from executor.journal.note import Note, signed
from executor.journal.witness import timestamp_request, timestamped
from tests.journal.case_made import KEY

NOTE = signed("example.org/record/case/1\n1\nAAAA\n", "example.org/record/case/1", KEY)
CONFIG = """
[ tsa ]
default_tsa = here
[ here ]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""
PURPOSE = (
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root and a timestamping certificate under it."""
    if shutil.which("openssl") is None:
        pytest.skip("NO TIMESTAMP AUTHORITY: openssl is not installed")
    folder = tmp_path_factory.mktemp("authority")
    (folder / "tsa.cnf").write_text(CONFIG)
    (folder / "purpose.cnf").write_text(PURPOSE)
    (folder / "serial").write_text("01\n")
    for name in ("root", "other"):
        made = ("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "30")
        _openssl(
            folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made, "-addext", "keyUsage=critical,keyCertSign"
        )
    _openssl(
        folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=tsa"
    )
    _openssl(folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
             "-out", "tsa.pem", "-days", "20", "-extfile", "purpose.cnf")  # fmt: skip
    return folder


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def answer(folder: Path, request: bytes) -> bytes:
    (folder / "q.tsq").write_bytes(request)
    _openssl(folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", "a.tsr")
    return (folder / "a.tsr").read_bytes()


def test_a_timestamp_of_a_local_authority(authority: Path) -> None:
    given = answer(authority, timestamp_request(NOTE))
    at = timestamped(NOTE, given, (authority / "root.pem").read_bytes())
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=2)
    (authority / "text").write_text(NOTE.text)
    _openssl(authority, "ts", "-verify", "-data", "text", "-in", "a.tsr", "-CAfile", "root.pem")


def test_a_timestamp_that_is_not_good_is_refused(authority: Path) -> None:
    """Of another text, of another authority, changed, and no timestamp at all."""
    given, root = answer(authority, timestamp_request(NOTE)), (authority / "root.pem").read_bytes()
    with pytest.raises(RecordBroken, match="not good"):
        timestamped(Note(NOTE.text.replace("1", "2"), NOTE.signatures), given, root)
    with pytest.raises(RecordBroken, match="not good"):
        timestamped(NOTE, given, (authority / "other.pem").read_bytes())
    with pytest.raises(RecordBroken, match="not good"):
        timestamped(NOTE, given[:-9] + bytes([given[-9] ^ 1]) + given[-8:], root)
    with pytest.raises(RecordBroken, match="not good"):
        timestamped(NOTE, b"hello", root)
    with pytest.raises(InputRefused, match="no PEM"):
        timestamped(NOTE, given, b"hello")
