"""Identifiers are functions of what they name, and fit every venue."""

import hashlib
import re

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from executor.domain.ids import CLIENT_ID_MAX, client_order_id, parent_id, plan_hash

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefgh_", max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdefgh_", min_size=1), VALUES, max_size=5))
def test_the_plan_hash_is_that_of_the_canonical_bytes(plan: dict[str, object]) -> None:
    """RFC 8785, checked against another implementation: anyone can compute the hash that approvals bind to."""
    assert plan_hash(plan) == hashlib.sha256(rfc8785.dumps(plan)).hexdigest()  # type: ignore[arg-type]


def test_the_plan_hash_ignores_the_order_of_keys() -> None:
    assert plan_hash({"a": "1", "b": "2"}) == plan_hash({"b": "2", "a": "1"}) != plan_hash({"a": "2", "b": "1"})


@given(st.text(), st.text(), st.text())
def test_the_parent_id_is_ten_safe_characters_and_depends_on_all_parts(case: str, asset: str, digest: str) -> None:
    made = parent_id(case, asset, digest)
    assert re.fullmatch("[a-z2-7]{10}", made)
    assert made == parent_id(case, asset, digest)
    assert len({made, parent_id(case + "x", asset, digest), parent_id(case, asset, digest + "x")}) == 3


@given(st.integers(1, 10**9 - 1))
def test_client_ids_fit_and_differ(number: int) -> None:
    made = client_order_id("abcdefghij", number)
    assert re.fullmatch(f"[a-z0-9-]{{1,{CLIENT_ID_MAX}}}", made)
    assert made != client_order_id("abcdefghij", number + 1 if number < 10**9 - 1 else 1)


def test_an_id_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        client_order_id("abcdefghij", 10**9)
