"""Reads a TOML file, exactly: numbers with a point become ``Decimal``. Every error names file, key and remedy.

Values are never repeated in an error: what was mistyped may be a secret that was pasted into the wrong place.
"""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from executor.errors import InputRefused


def read_toml(path: Path) -> dict[str, Any]:
    """The table in ``path``. Raises ``InputRefused``."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise InputRefused(f"{path}: cannot be read ({error.strerror}); check the name and the permissions") from None
    except UnicodeDecodeError:
        raise InputRefused(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputRefused(f"{path}: is not valid TOML: {error}") from None


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
