"""Identifiers that are functions of what they name, so that a restart finds the same ones again."""

import base64
import hashlib
from typing import Any

from executor.domain.canonical import digest

CLIENT_ID_MAX = 20


def frozen_plan(case_id: str, plan: dict[str, Any]) -> dict[str, Any]:
    """What is frozen and approved: the plan and the case that it is for. A plan approved for one case is another
    plan in any other."""
    return {"case_id": case_id, "plan": plan}


def plan_hash(frozen: dict[str, Any]) -> str:
    """SHA-256, hex, of the canonical bytes of a frozen plan."""
    return digest(frozen)


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
