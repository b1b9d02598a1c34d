"""The record's signing key in a file, in the spelling of signed notes, and the verifier keys that go with it.

The private file holds one line, ``PRIVATE+KEY+<name>+<id>+<base64>``; beside it stands ``<file>.pub`` with the verifier
key that is handed to everyone. A private file that others may read is refused.
"""

import base64
import os
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from executor.errors import CredentialsRefused, InputRefused, RecordBroken
from executor.journal.note import PLAIN, HeldKey, Signer, VerifierKey, good_name, key_id, unbase64
from executor.new_files import write_new

_PRIVATE = "PRIVATE+KEY+"


def public_path(path: Path) -> Path:
    """Where the verifier key of a private file stands."""
    return path.with_name(f"{path.name}.pub")


def new_key(path: Path, name: str) -> VerifierKey:
    """Make a key pair named ``name``. Nothing is ever overwritten: a lost key cannot be made again."""
    if not good_name(name):
        raise InputRefused(f"key name {name!r}: no spaces, no plus; best a host name you own: example.org/record")
    for each in (path, public_path(path)):
        if each.exists():
            raise InputRefused(f"{each} exists already; a key is never overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = Ed25519PrivateKey.generate().private_bytes_raw()
    held = HeldKey(name, seed)
    spelled = base64.b64encode(bytes([PLAIN]) + seed).decode()
    _place(path, f"{_PRIVATE}{name}+{key_id(name, PLAIN, held.public).hex()}+{spelled}\n", 0o600)
    key = VerifierKey(name, held.public)
    _place(public_path(path), f"{key}\n", 0o644)
    return key


def _place(path: Path, line: str, mode: int) -> None:
    """Write a file that is there whole or not at all, whatever dies meanwhile, and never over another."""
    try:
        write_new({path: line}, mode)
    except FileExistsError:
        raise InputRefused(f"{path} exists already; a key is never overwritten") from None


def read_key(path: Path) -> HeldKey:
    """The private key in ``path``. Raises ``CredentialsRefused``; no message holds any of the key."""
    try:
        with path.open() as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CredentialsRefused(f"{path} may be read by others: chmod 600 {path}, and think about a new key")
            line = file.read().strip()
    except OSError as error:
        raise CredentialsRefused(f"{path}: the record's key cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise CredentialsRefused(f"{path} is not a signing key; `executor keys new FILE` makes one") from None
    try:
        name, claimed, spelled = line.removeprefix(_PRIVATE).split("+", 2)
        raw = unbase64(spelled)
    except (ValueError, RecordBroken):
        raise CredentialsRefused(f"{path} is not a signing key; `executor keys new FILE` makes one") from None
    if not line.startswith(_PRIVATE) or not good_name(name) or len(raw) != 33 or raw[0] != PLAIN:
        raise CredentialsRefused(f"{path} is not an Ed25519 signing key; `executor keys new FILE` makes one")
    held = HeldKey(name, raw[1:])
    if key_id(name, PLAIN, held.public).hex() != claimed:
        raise CredentialsRefused(f"{path}: the key id does not belong to the key: the file is damaged")
    return held


def read_or_new(path: Path, name: str) -> HeldKey:
    """The key in ``path``, made if there has never been one there: if only its public half is left, that is said. Of
    several processes that begin at once one makes it; a public half that a crash left unwritten is written."""
    if not path.exists() and not public_path(path).exists():
        try:
            new_key(path, name)
        except InputRefused:
            if not path.exists():
                raise
    held = read_key(path)
    publish(path, held)
    return held


def publish(path: Path, held: Signer) -> None:
    """Write the public half of a key where its file ``path`` is, or would be, unless one is there already. Raises
    ``CredentialsRefused`` if it cannot be written."""
    if not public_path(path).exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(InputRefused):  # another process was quicker
                _place(public_path(path), f"{VerifierKey(held.name, held.public)}\n", 0o644)
        except OSError as error:
            raise CredentialsRefused(
                f"{public_path(path)} cannot be written ({error.strerror}): copy it from where the key was made"
            ) from None


def read_verifiers(path: Path) -> list[VerifierKey]:
    """The verifier keys in ``path``, one a line. Raises ``InputRefused``."""
    try:
        return [VerifierKey.parse(line) for line in path.read_text().splitlines() if line.strip()]
    except OSError as error:
        raise InputRefused(f"{path}: the keys cannot be read ({error.strerror}); name them with --keys") from None
    except (RecordBroken, UnicodeDecodeError) as error:
        raise InputRefused(f"{path}: {error}") from None
