"""Ed25519 signatures of people over what they approve (RFC 8032, by the `cryptography` library)."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# Names the purpose, so that a signature made for one thing can never be shown as one for another.
_APPROVAL = b"disposal-executor plan approval v1\n"


def approval_message(case_id: str, plan_hash: str) -> bytes:
    """The bytes that an approver signs: purpose, case, plan."""
    return _APPROVAL + f"{case_id}\n{plan_hash}\n".encode()


def public_hex(private: Ed25519PrivateKey) -> str:
    """The public half, 64 hex digits: the name of a key."""
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def sign(private: Ed25519PrivateKey, message: bytes) -> str:
    """The signature, 128 hex digits."""
    return private.sign(message).hex()


def verified(public: str, message: bytes, signature: str) -> bool:
    """True if ``signature`` over ``message`` was made with the private half of ``public``. False for anything else,
    malformed input included."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
