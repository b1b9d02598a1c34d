"""Reads a mandate file and the plan file that it names. Every error says file, key and what to do."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from executor.domain.plan import Mandate, Plan
from executor.errors import InputRefused

M = TypeVar("M", bound=BaseModel)


def load_mandate(path: Path) -> tuple[Mandate, Plan]:
    """The mandate in ``path`` and its plan. Raises ``InputRefused``."""
    mandate = _read(path, Mandate)
    plan_path = path.parent / mandate.plan
    plan = _read(plan_path, Plan)
    held = {holding.asset: holding.qty for holding in mandate.holdings}
    if plan.asset not in held:
        raise InputRefused(f"{plan_path}: asset: {plan.asset} is not among the mandate's holdings in {path}")
    if plan.qty > held[plan.asset]:
        raise InputRefused(
            f"{plan_path}: qty: the plan sells {plan.qty} {plan.asset}, the mandate in {path} holds {held[plan.asset]}"
        )
    return mandate, plan


def _read(path: Path, model: type[M]) -> M:
    try:
        with path.open("rb") as file:
            values: dict[str, Any] = tomllib.load(file)
    except OSError as error:
        raise InputRefused(f"{path}: cannot be read ({error.strerror}); check the name") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputRefused(f"{path}: is not valid TOML: {error}") from None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputRefused("\n".join(f"{path}: {_sentence(fault)}" for fault in error.errors())) from None


def _sentence(fault: Any) -> str:
    # Pydantic names the member of a union in the location; it is not a key of the file.
    key = ".".join(str(part) for part in fault["loc"] if part not in ("twap", "otc")) or "file"
    if fault["type"] == "missing":
        return f"{key}: is missing; add it"
    if fault["type"] == "extra_forbidden":
        return f"{key}: is not a known key; remove it or correct its spelling"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')} (found {_short(fault['input'])})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
