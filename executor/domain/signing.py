"""Ed25519 signatures of people over what they approve (RFC 8032, by the `cryptography` library)."""

from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# Names the purpose, so that a signature made for one thing can never be shown as one for another.
_APPROVAL = b"disposal-executor plan approval v2\n"
_FLOOR = b"disposal-executor floor raised v1\n"
_LIMIT = b"disposal-executor limit lowered v1\n"
_CHANGE = b"disposal-executor case change v1\n"


# The y coordinates of the points of small order, canonical or not. Under such a "key" a signature can be made that fits
# any message, without a private half (RFC 8032 leaves the check to the user; libsodium refuses the same list).
_P = 2**255 - 19
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _P - 1,
        _P,
        _P + 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)


def usable(public: str) -> bool:
    """True if ``public`` (hex) can speak for somebody: 32 bytes, and no point of small order."""
    try:
        raw = bytes.fromhex(public)
    except ValueError:
        return False
    return len(raw) == 32 and int.from_bytes(raw, "little") & (2**255 - 1) not in _SMALL_ORDER_Y


def approval_message(case_id: str, plan_hash: str, drafter: str, expires_at: datetime) -> bytes:
    """The bytes that an approver signs: purpose, case, plan, who drew it up, and until when it may be executed."""
    return _APPROVAL + f"{case_id}\n{plan_hash}\n{drafter}\n{expires_at.astimezone(UTC).isoformat()}\n".encode()


def change_message(case_id: str, change_hash: str) -> bytes:
    """The bytes that somebody signs who agrees to a change of a case: purpose, case, change."""
    return _CHANGE + f"{case_id}\n{change_hash}\n".encode()


def floor_message(case_id: str, plan_hash: str, floor_px: str) -> bytes:
    """The bytes that an approver signs who raises the floor of a plan: purpose, case, plan, price."""
    return _FLOOR + f"{case_id}\n{plan_hash}\n{floor_px}\n".encode()


def limit_message(case_id: str, plan_hash: str, limit: str, value: str) -> bytes:
    """The bytes that an approver signs who makes a cap of a plan stricter: purpose, case, plan, limit, value."""
    return _LIMIT + f"{case_id}\n{plan_hash}\n{limit}\n{value}\n".encode()


def public_hex(private: Ed25519PrivateKey) -> str:
    """The public half, 64 hex digits: the name of a key."""
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def sign(private: Ed25519PrivateKey, message: bytes) -> str:
    """The signature, 128 hex digits."""
    return private.sign(message).hex()


def verified(public: str, message: bytes, signature: str) -> bool:
    """True if ``signature`` over ``message`` was made with the private half of ``public``. False for anything else,
    malformed input and keys of small order included."""
    if not usable(public):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
