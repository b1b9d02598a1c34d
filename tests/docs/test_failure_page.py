"""The page on failures promises nothing that no test proves."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "failure.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_named_test_exists(path: str, name: str) -> None:
    """Guards the page against a test that was renamed or removed."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_entry_names_a_test() -> None:
    """Guards the page against an entry without proof."""
    entries = re.split(r"^\*\*", PAGE, flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries if "Test: `tests/" not in entry] == []
    assert len(entries) >= 20
