"""Canonical bytes (RFC 8785) and their SHA-256: what is frozen, hashed, signed and compared."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value made of objects with ASCII keys, arrays, strings, integers, booleans and nulls.

    Within that range Python's encoder with sorted keys gives exactly the bytes of the standard (a test compares the
    two). Floats are refused: an amount is a string."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Any) -> str:
    """SHA-256, hex, of the canonical bytes."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"a float ({value}) cannot be made canonical: amounts are strings")
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.isascii():
                raise TypeError(f"the key '{key}' is not ASCII")
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
