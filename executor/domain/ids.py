"""Identifiers that are functions of what they name, so that a restart finds the same ones again."""

import base64
import hashlib
import json
from typing import Any

CLIENT_ID_MAX = 20


def plan_hash(plan: dict[str, Any]) -> str:
    """SHA-256, hex, of the plan's canonical JSON (RFC 8785: the plan holds strings, integers, booleans and nulls)."""
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parent_id(case_id: str, asset: str, plan_digest: str) -> str:
    """Ten lower-case letters and digits: the same case, asset and plan always give the same parent order."""
    digest = hashlib.sha256(f"{case_id}\0{asset}\0{plan_digest}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:10]


def client_order_id(parent: str, number: int) -> str:
    """The id of child ``number`` (from 1), at most 20 characters of ``[a-z0-9-]``: what every venue takes."""
    text = f"{parent}-{number}"
    if len(text) > CLIENT_ID_MAX:
        raise ValueError(f"child number {number} does not fit a client order id")
    return text
