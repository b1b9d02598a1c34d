"""The `executor` command, as a real process or inside this one, and the files that it reads.

Every command starts without ``EXECUTOR_...`` variables, without a terminal and with nothing to read on stdin.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from executor.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "config" / "examples"
PROGRAM = (sys.executable, "-c", "from executor.cli.main import main; main()")
Table = dict[str, Any]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process: the test's own without settings of the program, plus ``extra``."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("EXECUTOR_")}
    return own | dict(extra or {})


def execute(
    *arguments: object, env: Mapping[str, str] | None = None, timeout: int = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=ROOT,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def call(*arguments: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The same in this process: quicker, for what does not depend on being a process of its own."""
    argv = ["executor", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", argv),
        patch.object(sys, "stdin", io.StringIO()),
        patch.dict(os.environ, environment(env), clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        main()
    assert isinstance(left.value.code, int)
    return subprocess.CompletedProcess(argv, left.value.code, out.getvalue(), err.getvalue())


def objects(text: str) -> list[Table]:
    """The JSON objects of an output, one a line."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(isinstance(each, dict) for each in found)
    return found


def twap(qty: str = "0.2", **changes: Any) -> Table:
    """A leg of slices that cross."""
    leg = {"kind": "twap", "qty": qty, "slices": 4, "size_jitter": "0", "time_jitter": "0", "style": "cross"}
    return leg | {"catch_up": "2", "min_notional": "100"} | changes


def otc(qty: str, **changes: Any) -> Table:
    """A leg of clips by quote."""
    return {"kind": "otc", "qty": qty, "clip": qty, "pause": "2s", "min_quotes": 1} | changes


def plan(*legs: Table, **changes: Any) -> Table:
    """A plan; without legs it sells 0.2 BTC in four slices within ten minutes."""
    base = {"asset": "BTC", "quote_asset": "USD", "qty": "0.2", "floor_px": "90000", "venues": ["osl", "hashkey"]}
    return base | {"duration": "10m", "seed": 7, "legs": list(legs) or [twap()]} | changes


def credit(venue: str, account: str, qty: str, asset: str = "BTC") -> Table:
    """Coins in a purse."""
    return {"venue": venue, "account": account, "asset": asset, "qty": qty}


def write_mandate(
    folder: Path, plan_table: Table, *, holding: str = "600", credited: Sequence[Table] | None = None, **changes: Any
) -> Path:
    """Write a mandate with its plan into ``folder`` and return the mandate's path."""
    asset = plan_table.get("asset", "BTC")
    purses = [credit("osl", "exchange", "200"), credit("osl", "brokerage", "200"), credit("hashkey", "trading", "200")]
    table = {
        "case_id": "TEST-1",
        "authority": "Example authority",
        "institution": "Example institution",
        "legal_basis": "Example basis",
        "proceeds_account": "Example account",
        "plan": "plan.toml",
        "holdings": [{"asset": asset, "network": "bitcoin", "qty": holding}],
        "credited": purses if credited is None else list(credited),
    }
    write_toml(folder / "plan.toml", plan_table)
    write_toml(folder / "mandate.toml", table | changes)
    return folder / "mandate.toml"


def write_toml(path: Path, table: Table) -> None:
    """Write strings, whole numbers, lists of strings, and lists of tables, as TOML."""
    plain = {key: value for key, value in table.items() if not _tables(value)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items() if not isinstance(value, dict)]
    for key, value in plain.items():
        if isinstance(value, dict):
            lines += [f"[{key}]", *(f"{name} = {_value(each)}" for name, each in value.items() if each != {})]
    for key, value in table.items():
        for each in value if _tables(value) else ():
            lines += [f"[[{key}]]", *(f"{name} = {json.dumps(inner)}" for name, inner in each.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {json.dumps(each)}" for name, each in value.items()) + " }"
    return json.dumps(value)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
