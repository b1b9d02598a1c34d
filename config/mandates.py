"""Reads a mandate file and the plan file that it names. Every error says file, key and what to do."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from config.preset_file import open_questions
from config.toml_file import faults, read_toml
from executor.domain.plan import Mandate, Plan
from executor.errors import InputRefused

M = TypeVar("M", bound=BaseModel)


def read_mandate(path: Path) -> Mandate:
    """The mandate in ``path``, whether or not its plan is drawn up already. Raises ``InputRefused``."""
    return _read(path, Mandate)


def load_mandate(path: Path) -> tuple[Mandate, Plan]:
    """The mandate in ``path`` and its plan. Raises ``InputRefused``."""
    mandate = _read(path, Mandate)
    plan_path = path.parent / mandate.plan
    _refuse_questions(plan_path)
    plan = _read(plan_path, Plan)
    held = {holding.asset: holding.qty for holding in mandate.holdings}
    if plan.asset not in held:
        raise InputRefused(f"{plan_path}: asset: {plan.asset} is not among the holdings in {path}; correct one of them")
    if plan.qty > held[plan.asset]:
        raise InputRefused(
            f"{plan_path}: qty: the plan sells {plan.qty} {plan.asset}, the mandate in {path} holds "
            f"{held[plan.asset]}; sell no more than is held"
        )
    return mandate, plan


def _refuse_questions(path: Path) -> None:
    """A drafted plan in which a question is still open is no plan."""
    found = open_questions(read_toml(path))
    if found:
        raise InputRefused(
            "\n".join(f"{path}: {key}: is not set; set it to {question}" for key, question in found.items())
        )


def _read(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate(read_toml(path))
    except ValidationError as error:
        raise InputRefused(faults(error, str(path))) from None
