"""Presets: each parses once its questions are answered, states its published numbers, and is refused before."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from config.preset_file import Preset, load_preset, open_questions
from config.toml_file import read_toml
from executor.errors import InputRefused

PRESETS = Path(__file__).resolve().parents[2] / "config" / "presets"
NAMES = ("beijing", "ftx", "korea", "saxony", "shanghai")

# What a plan's people might answer; each key is asked by at least one preset.
ANSWERS = {
    "px": '"90000"',
    "currency": '"USD"',
    "scope": '"per_fill"',
    "compare": '"before_fees"',
    "min_quotes": "3",
    "renewal": '"once"',
    "benchmark": f'"{"a" * 64}"',
    "source": '"HashKey, by its public interface"',
    "pair": '"BTC/USD"',
    "candle_length": '"1m"',
    "candle_stamp": '"open"',
    "method": '"mean_of_daily_closes"',
    "volume_unit": '"base"',
    "day_boundary": '"Asia/Hong_Kong"',
    "tolerated_missing_candles": "0",
    "tolerated_missing_days": "0",
    "rounding": '"up"',
    "decimals": "2",
    "percent": "110",
    "complete_within": '"30d"',
    "around": '"venue_mid"',
    "venue_volume_days": "30",
    "counted": '"calendar"',
    "participation_window": '"1h"',
}


def answered(name: str, folder: Path, **changes: str) -> Path:
    """The preset with every ``SET:`` replaced by an answer."""
    text = (PRESETS / f"{name}.toml").read_text()
    answers = ANSWERS | changes
    path = folder / f"{name}.toml"
    path.write_text(re.sub(r'^(\w+) = "SET:.*"$', lambda m: f"{m[1]} = {answers[m[1]]}", text, flags=re.MULTILINE))
    return path


def filled(name: str, folder: Path) -> Preset:
    return load_preset(answered(name, folder))


def test_all_presets_are_here() -> None:
    assert tuple(sorted(path.stem for path in PRESETS.glob("*.toml"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_parses_once_its_questions_are_answered(name: str, tmp_path: Path) -> None:
    assert filled(name, tmp_path).name == name


@pytest.mark.parametrize("name", NAMES)
def test_an_open_question_is_refused_and_names_what_is_asked(name: str) -> None:
    path = PRESETS / f"{name}.toml"
    questions = open_questions(read_toml(path))
    assert questions
    with pytest.raises(InputRefused) as caught:
        load_preset(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(questions) == path.read_text().count('= "SET:')
    for line, key in zip(lines, questions, strict=True):
        assert re.fullmatch(rf"{re.escape(str(path))}: {re.escape(key)}: is not set; set it to \S.{{15,}}", line)


def test_one_open_question_is_enough(tmp_path: Path) -> None:
    path = answered("shanghai", tmp_path, method='"SET: mean_of_daily_closes or volume_weighted"')
    with pytest.raises(InputRefused, match=r"benchmark\.method: is not set; set it to mean_of_daily_closes or"):
        load_preset(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_table_says_where_its_values_come_from(name: str) -> None:
    """Each group of keys stands under a comment with a source and its grade, or asks for everything."""
    text = (PRESETS / f"{name}.toml").read_text()
    for group in re.split(r"^\[", text, flags=re.MULTILINE)[1:]:
        values = re.findall(r'^\w+ = (?!"SET:)', group, flags=re.MULTILINE)
        before = text[: text.index(group)][-400:]
        assert not values or re.search(r"\([ABC]\)", before + group), group


def test_published_numbers(tmp_path: Path) -> None:
    beijing, shanghai, korea, ftx, saxony = (
        filled(name, tmp_path) for name in ("beijing", "shanghai", "korea", "ftx", "saxony")
    )
    assert beijing.deposit is not None
    assert (beijing.price_rules[0].kind, beijing.deposit.percent) == ("fixed", 110)
    assert beijing.window.complete_within == 86_400
    assert shanghai.benchmark is not None
    assert (shanghai.price_rules[0].kind, shanghai.benchmark.days) == ("average", 20)
    assert getattr(shanghai.price_rules[0], "factor", None) == 1
    assert getattr(korea.price_rules[0], "percent", None) == 1
    caps: dict[str, Any] = korea.caps.model_dump(exclude_none=True)
    assert (caps["plan_percent_per_day"], caps["venue_volume_percent"], caps["min_venues"]) == (10, 5, 2)
    assert ftx.caps.week_values == (Decimal(50_000_000), Decimal(100_000_000))
    assert (ftx.caps.week_value_by_court, ftx.caps.week_currency) == (200_000_000, "USD")
    assert (ftx.caps.week_starts, ftx.caps.week_zone) == ("saturday", "America/New_York")
    assert ftx.notice is not None
    assert ftx.notice.days == 10
    assert saxony.caps.participation_percent == 1


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("shanghai", {"currency": '"US Dollar"'}, "currency"),
        ("shanghai", {"renewal": '"each_trade_date"'}, "names other terms than the benchmark's, [0-9a-f]{64}"),
        ("beijing", {"scope": '"sometimes"'}, "scope"),
        ("korea", {"day_boundary": '"Hongkong time"'}, "not a day boundary"),
    ],
)
def test_answers_that_do_not_fit(name: str, changes: dict[str, str], reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=reason):
        load_preset(answered(name, tmp_path, **changes))
