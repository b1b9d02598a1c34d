"""The record's signing key in a device (PKCS#11): an HSM or a token that signs and never gives the key away.

The key is named by a URI (RFC 7512), with its label as the name under which it signs:

    pkcs11:token=record;object=example.org%2Frecord?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/pin

Each signature has a session of its own, so nothing is left over when a device was restarted, and is verified before it
is used. The library is an extra and is imported only when a URI was given.
"""

import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from executor.errors import CredentialsRefused, ExecutorError, InputRefused, JournalFailed
from executor.journal.note import VerifierKey, good_name

SCHEME = "pkcs11:"
_KNOWN = {"token", "object", "module-path", "pin-source"}
_ONE_AT_A_TIME = threading.Lock()  # a library is logged in to a token once for the whole process
_REFUSED: dict[tuple[str, str, str], str] = {}  # module, token, PIN: why this process never tries it again


@dataclass(frozen=True, slots=True)
class DeviceUri:
    """Which key, in which token, through which library; ``pin_source`` is a file, or empty."""

    token: str
    label: str
    module: str
    pin_source: str

    @classmethod
    def parse(cls, uri: str) -> "DeviceUri":
        """The parts of ``uri``. Raises ``InputRefused``; the message never holds a PIN."""
        path, _, query = uri.removeprefix(SCHEME).partition("?")
        found: dict[str, str] = {}
        for each in filter(None, [*path.split(";"), *query.split("&")]):
            name, _, value = each.partition("=")
            if name == "pin-value":
                raise InputRefused(
                    "a PIN does not belong into a URI: set EXECUTOR_RECORD_PIN, or name a file: pin-source="
                )
            if name not in _KNOWN or name in found:
                raise InputRefused(
                    f"the URI of the record's key: {name}: each of {', '.join(sorted(_KNOWN))} once, no more"
                )
            found[name] = unquote(value)
        missing = [name for name in ("token", "object", "module-path") if not found.get(name)]
        if missing:
            raise InputRefused(f"the URI of the record's key lacks {', '.join(missing)}")
        if not good_name(found["object"]):
            raise InputRefused(f"the key's label {found['object']!r} names who signs: no spaces, no plus")
        source = found.get("pin-source", "").removeprefix("file://").removeprefix("file:")
        return cls(found["token"], found["object"], found["module-path"], source)


class DeviceKey:
    """A private key in a device. Satisfies ``note.Signer``."""

    def __init__(self, uri: DeviceUri, pin: str) -> None:
        self.name = uri.label
        self._uri = uri
        self._pin = pin
        self.public = b""
        self.public = self._asked(_public)

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature. Raises ``JournalFailed`` if the device gives none, or a bad one."""
        try:
            signature: bytes = self._asked(lambda session, label: _signed(session, label, message))
        except ExecutorError as error:
            raise JournalFailed(f"the record cannot be signed: {error}") from None
        if not VerifierKey(self.name, self.public).verifies(message.decode(), signature):
            raise JournalFailed(f"the device's signature does not verify with the public key of {self.name} beside it")
        return signature

    def _asked(self, act: Any) -> Any:
        """What ``act`` gives in a session of its own; once more, with the library begun anew, if the device fails.
        A PIN that was refused is never tried a second time: a device locks itself after a few."""
        import pkcs11

        login = (self._uri.module, self._uri.token, self._pin)
        with _ONE_AT_A_TIME:
            for attempt in (1, 2):
                if login in _REFUSED:
                    raise CredentialsRefused(_REFUSED[login])
                try:
                    library = pkcs11.lib(self._uri.module)
                    if attempt == 2:
                        library.reinitialize()
                    with library.get_token(token_label=self._uri.token).open(user_pin=self._pin) as session:
                        return act(session, self._uri.label)
                except _refusals() as error:
                    _REFUSED[login] = (
                        f"the device refuses the PIN of {self._uri.token} ({_kind(error)}); it is not tried again: "
                        "put the PIN right, then `executor checkpoint` signs what waits"
                    )
                    raise CredentialsRefused(_REFUSED[login]) from None
                except (pkcs11.exceptions.PKCS11Error, RuntimeError) as error:
                    if attempt == 2:
                        where = f"key {self._uri.label} in token {self._uri.token} ({self._uri.module})"
                        raise CredentialsRefused(f"{where} cannot be used: {_kind(error)}") from None
        raise AssertionError

    def __repr__(self) -> str:
        return f"DeviceKey({self.name})"


def open_device(uri: str, pin: str) -> DeviceKey:
    """The key that ``uri`` names, tried once. Raises ``InputRefused`` or ``CredentialsRefused``."""
    named = DeviceUri.parse(uri)
    try:
        import pkcs11  # noqa: F401
    except ImportError as missing:
        raise InputRefused(
            f"a key in a device needs the extra 'pkcs11': pip install 'disposal-executor[pkcs11]' ({missing})"
        ) from None
    found = DeviceKey(named, pin or _pin_in(named.pin_source))
    try:
        found.sign(b"the record's key is tried before anything rests on it\n")
    except JournalFailed as error:
        raise CredentialsRefused(str(error)) from None
    return found


def _pin_in(source: str) -> str:
    if not source:
        raise CredentialsRefused(
            "the device wants a PIN: set EXECUTOR_RECORD_PIN, or name a file in the URI: pin-source="
        )
    try:
        with Path(source).open() as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CredentialsRefused(f"{source} may be read by others: chmod 600 {source}, and change the PIN")
            return file.read().strip()
    except OSError as error:
        # Not its name: somebody may have put the PIN itself there.
        raise CredentialsRefused(
            f"the PIN cannot be read from the file that pin-source names ({error.strerror}): pin-source=/path/to/a/file"
        ) from None


def _refusals() -> tuple[type[Exception], ...]:
    """What a device answers to a PIN that it does not take."""
    from pkcs11 import exceptions as said

    return said.PinIncorrect, said.PinLocked, said.PinExpired, said.PinInvalid, said.PinLenRange


def _public(session: Any, label: str) -> bytes:
    """The 32 bytes of the public key. Devices give the point as it is, or as a DER octet string."""
    import pkcs11

    key = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, key_type=pkcs11.KeyType.EC_EDWARDS, label=label)
    point = bytes(key[pkcs11.Attribute.EC_POINT])
    if point[:-32] not in (b"", b"\x04\x20") or len(point) < 32:
        raise CredentialsRefused(f"key {label} in the device is not an Ed25519 key")
    return point[-32:]


def _signed(session: Any, label: str, message: bytes) -> bytes:
    import pkcs11

    key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, key_type=pkcs11.KeyType.EC_EDWARDS, label=label)
    return bytes(key.sign(message, mechanism=pkcs11.Mechanism.EDDSA))


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}{f': {error}' if str(error) else ''}"
