"""Reading a mandate and its plan: the example, and every error with file, key and remedy."""

from decimal import Decimal
from pathlib import Path

import pytest

from config.mandates import load_mandate
from executor.errors import InputRefused

EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "examples"
MANDATE = (EXAMPLES / "beijing-500btc.toml").read_text(encoding="utf-8")
PLAN = (EXAMPLES / "beijing-500btc.plan.toml").read_text(encoding="utf-8")


def written(folder: Path, mandate: str = MANDATE, plan: str | None = PLAN) -> Path:
    if plan is not None:
        (folder / "beijing-500btc.plan.toml").write_text(plan, encoding="utf-8")
    path = folder / "case.toml"
    path.write_text(mandate, encoding="utf-8")
    return path


def test_the_example_is_read_exactly() -> None:
    mandate, plan = load_mandate(EXAMPLES / "beijing-500btc.toml")
    assert mandate.case_id == "BJ-2026-0417"
    assert plan.qty == sum((leg.qty for leg in plan.legs), Decimal(0)) == Decimal(500)
    assert (plan.floor_px, plan.duration) == (Decimal(90_000), 8 * 3600)


def test_bare_numbers_keep_their_digits(tmp_path: Path) -> None:
    """A TOML number with a point never passes through binary fractions."""
    plan = PLAN.replace('floor_px = "90000"', "floor_px = 90000.10000000000000000001")
    assert load_mandate(written(tmp_path, plan=plan))[1].floor_px == Decimal("90000.10000000000000000001")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('floor_px = "90000"\n', "", "floor_px: is missing; add it"),
        ("seed = 20260417", 'seed = 20260417\nspeed = "fast"', "speed: is not a known key"),
        ('qty = "500"', 'qty = "499"', "the legs add up to 500, the plan sells 499"),
        ('asset = "BTC"', 'asset = "ETH"', "asset: ETH is not among the holdings"),
        ('clip = "10"', 'clip = "ten"', "'ten' is not a decimal number"),
        ('duration = "8h"', 'duration = "8 h"', "write a duration"),
        ('qty = "500"', "qty = ", "is not valid TOML"),
    ],
)
def test_a_fault_in_the_plan_names_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in PLAN
    path = written(tmp_path, plan=PLAN.replace(old, new, 1))
    with pytest.raises(InputRefused, match=said) as caught:
        load_mandate(path)
    assert "beijing-500btc.plan.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1e99999999999999999999", "holds a number or date out of all bounds"),
        ("9" * 5000, "holds a number or date out of all bounds"),
        ("[" * 30_000 + "]" * 30_000, "30 deep in one another"),
        ("{" + ".".join("a" * 500) + " = 1}", "30 deep in one another"),
    ],
    ids=["exponent", "digits", "lists", "tables"],
)
def test_what_toml_can_spell_and_python_cannot_read_is_a_fault_of_the_file(
    tmp_path: Path, value: str, said: str
) -> None:
    with pytest.raises(InputRefused, match=said) as caught:
        load_mandate(written(tmp_path, plan=PLAN.replace('qty = "500"', f"qty = {value}", 1)))
    assert "beijing-500btc.plan.toml" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_no_more_may_be_planned_than_is_held(tmp_path: Path) -> None:
    """Guards the holding: a plan for more than the case holds is refused before anything is connected."""
    mandate = MANDATE.replace('qty = "500"', 'qty = "450"', 1).replace('qty = "120"', 'qty = "70"')
    with pytest.raises(InputRefused, match=r"the plan sells 500 BTC, the mandate in .* holds 450"):
        load_mandate(written(tmp_path, mandate=mandate))


def test_a_fault_in_the_mandate_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, mandate=MANDATE.replace('qty = "120"', 'qty = "121"'))
    with pytest.raises(InputRefused, match="501 BTC are said to be credited, the holding is 500") as caught:
        load_mandate(path)
    assert "case.toml" in str(caught.value)


@pytest.mark.parametrize("missing", ["plan", "mandate"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    path = written(tmp_path, plan=None) if missing == "plan" else tmp_path / "absent.toml"
    with pytest.raises(InputRefused, match="cannot be read"):
        load_mandate(path)
