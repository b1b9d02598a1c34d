"""Reads a TOML file, exactly: numbers with a point become ``Decimal``. Every error names file, key and remedy.

Values are never repeated in an error: what was mistyped may be a secret that was pasted into the wrong place.
"""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from executor.errors import InputRefused

_DEPTH = 30  # plans and mandates are a few deep; the limit only keeps what walks a table from running out of stack
_NESTED = f"tables and lists stand more than {_DEPTH} deep in one another; no file of this program needs that"


def read_toml(path: Path) -> dict[str, Any]:
    """The table in ``path``. Raises ``InputRefused``."""
    table = _parsed(path)
    if not _is_shallow(table):
        raise InputRefused(f"{path}: {_NESTED}")
    return table


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise InputRefused(f"{path}: cannot be read ({error.strerror}); check the name and the permissions") from None
    except UnicodeDecodeError:
        raise InputRefused(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputRefused(f"{path}: is not valid TOML: {error}") from None
    except (ValueError, ArithmeticError):
        raise InputRefused(f"{path}: holds a number or date out of all bounds; correct it") from None
    except RecursionError:
        raise InputRefused(f"{path}: {_NESTED}") from None


def _is_shallow(table: dict[str, Any]) -> bool:
    level: list[Any] = [table]
    for _ in range(_DEPTH):
        inner = [list(each.values()) if isinstance(each, dict) else each for each in level]
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
    return not level


def faults(error: ValidationError, where: str, table: str = "") -> str:
    """One line per fault: ``where``, the path of the key (below ``table``), what is wrong and what to do."""
    return "\n".join(
        _line(".".join(str(part) for part in (table, *fault["loc"]) if part != ""), fault["type"], fault["msg"], where)
        for fault in error.errors(include_input=False, include_context=False, include_url=False)
    )


def _line(key: str, kind: str, message: str, where: str) -> str:
    key = key or "file"
    if kind == "missing":
        return f"{where}: {key}: is missing; add it"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where}: {key}: is not a known key; remove it or correct its spelling"
    return f"{where}: {key}: {message.removeprefix('Value error, ')}; correct the value"
