"""Signed notes: text with Ed25519 signature lines, and the keys that sign and check them.

Formats: C2SP signed-note (the note, its key names and key ids, the spelling of keys) and C2SP tlog-cosignature v1 (a
witness's signature with the time at which it saw the text); Ed25519 is RFC 8032.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from executor.errors import RecordBroken

PLAIN, COSIGNATURE = 1, 4  # signature types of C2SP signed-note
SIGNATURES_MAX = 64
_DASH = "\u2014 "


class Signer(Protocol):
    """Something that holds an Ed25519 private key: a file, or a device that never gives the key away."""

    @property
    def name(self) -> str: ...

    @property
    def public(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """The four bytes that, with the name, say which key signed."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def good_name(name: str) -> bool:
    """True if ``name`` may name a key: not empty, no space of any kind, no plus, no control character."""
    return bool(name) and name.isprintable() and not any(each.isspace() or each == "+" for each in name)


def unbase64(text: str) -> bytes:
    """The bytes that ``text`` spells in standard base64; a second spelling of the same bytes is refused."""
    try:
        raw = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise RecordBroken(f"not base64: {text[:80]}") from None
    if base64.b64encode(raw).decode() != text:
        raise RecordBroken(f"not the one spelling in base64: {text[:80]}")
    return raw


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name, of one signature type."""

    name: str
    public: bytes
    kind: int = PLAIN

    @property
    def id(self) -> bytes:
        """Its key id."""
        return key_id(self.name, self.kind, self.public)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the 32 bytes of the public key, hex: what is read out over the telephone."""
        return hashlib.sha256(self.public).hexdigest()

    def named(self, name: str) -> "VerifierKey":
        """The same key under another name."""
        return VerifierKey(name, self.public, self.kind)

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """The key spelled ``name+id+base64``. Raises ``RecordBroken``."""
        name, _, rest = text.partition("+")
        claimed, _, spelled = rest.partition("+")
        raw = unbase64(spelled)
        if not good_name(name) or len(raw) != 33 or raw[0] not in (PLAIN, COSIGNATURE):
            raise RecordBroken(f"not an Ed25519 verifier key: {text[:80]}")
        key = cls(name, raw[1:], raw[0])
        if key.id.hex() != claimed:
            raise RecordBroken(f"verifier key {name}: id {claimed} does not belong to it")
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """True if ``signature`` is this key's over a note's text. For a cosignature the time is part of it."""
        message = text.encode()
        if self.kind == COSIGNATURE:
            if len(signature) != 72 or signature[0] & 0x80:
                return False
            message, signature = cosigned(message, int.from_bytes(signature[:8], "big")), signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note: its text, which ends in a newline, and who signed: name, key id, signature."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def __str__(self) -> str:
        lines = [f"{_DASH}{name} {base64.b64encode(key + raw).decode()}\n" for name, key, raw in self.signatures]
        return f"{self.text}\n{''.join(lines)}"

    @classmethod
    def parse(cls, written: str) -> "Note":
        """Take a note apart. Raises ``RecordBroken`` unless it has the form of one."""
        text, _, tail = written.rpartition("\n\n")
        lines = tail.split("\n")
        if not text or lines.pop() != "" or not 0 < len(lines) <= SIGNATURES_MAX:
            raise RecordBroken(f"not a signed note: {written[:80]!r}")
        if any(each < " " and each != "\n" for each in written):
            raise RecordBroken("a signed note has no control characters")
        return cls(f"{text}\n", tuple(_signature(line) for line in lines))

    def checked(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """The keys of ``keys`` that signed. Signatures of unknown keys are passed over, as the format demands; a bad
        one of a known key raises ``RecordBroken``."""
        known = {(key.name, key.id): key for key in keys}
        found = []
        for name, short, raw in self.signatures:
            key = known.get((name, short))
            if key is None:
                continue
            if not key.verifies(self.text, raw):
                raise RecordBroken(f"the signature of {name} ({short.hex()}) is not good")
            found.append(key)
        return found


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, spelled = line.removeprefix(_DASH).partition(" ")
    raw = unbase64(spelled)
    if not line.startswith(_DASH) or not good_name(name) or len(raw) < 5:
        raise RecordBroken(f"not a signature line: {line[:80]!r}")
    return name, raw[:4], raw[4:]


def cosigned(text: bytes, posix: int) -> bytes:
    """The message that a witness signs: the text under the time at which it saw it."""
    return b"cosignature/v1\ntime %d\n" % posix + text


def signed(text: str, name: str, signer: Signer) -> Note:
    """``text`` signed under ``name``."""
    return Note(text, ((name, key_id(name, PLAIN, signer.public), signer.sign(text.encode())),))


class HeldKey:
    """A private key in memory."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"HeldKey({self.name})"
