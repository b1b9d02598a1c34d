"""Draws up a plan from a preset and a mandate: what a source or the mandate says is filled in, the rest is asked.

A question stands in the file as ``SET: ...`` until somebody answers it; every command that reads a plan refuses one
with an open question. What the draft itself proposes (how slices vary) stands in the file too, for the people who sign.
"""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.preset_file import open_questions
from config.toml_file import faults
from executor.domain.average import AverageTerms
from executor.domain.money import ZERO, plain
from executor.domain.plan import Mandate, Plan
from executor.errors import InputRefused

PRESETS = Path(__file__).resolve().parent / "presets"
_REFERENCE = {
    "min_sources": "SET: how many of the plan's venues must show a price, for example 2",
    "agreement_bps": "SET: how far each may lie from the median, in basis points",
    "max_age": "SET: how old a price may be, for example 30s",
}
_TWAP = {"size_jitter": "0.3", "time_jitter": "0.3", "style": "cross", "catch_up": "2"}


def preset_path(name: str) -> Path:
    """The file of a shipped preset, or ``name`` itself if it is a file. Raises ``InputRefused``."""
    shipped = PRESETS / f"{name}.toml"
    if shipped.is_file():
        return shipped
    if Path(name).is_file():
        return Path(name)
    known = ", ".join(sorted(path.stem for path in PRESETS.glob("*.toml")))
    raise InputRefused(f"PRESET: there is no preset '{name}'; shipped ones are {known}, or name a file")


def draft(preset: Mapping[str, Any], mandate: Mandate, answers: Mapping[str, str], asset: str | None) -> dict[str, Any]:
    """The plan as a table: what is still open says ``SET: ...``. Raises ``InputRefused`` for an answer to nothing, and
    when a complete plan does not hold together."""
    table = _proposed(preset, mandate, asset)
    if answers.get("price_rules.0.around") == "reference":
        table["reference"] = dict(_REFERENCE)
    quote = answers.get("quote_asset")
    if quote and "cover" in table and quote != table["cover"]["currency"]:
        table["cover"]["rates"] = {quote: f"SET: what one {quote} is worth in {table['cover']['currency']}"}
    for key, text in answers.items():
        _set(table, key, text)
    _name_terms(table)
    if not open_questions(table):
        try:
            Plan.model_validate({key: value for key, value in table.items() if key != "benchmark"})
        except ValidationError as error:
            raise InputRefused(faults(error, "the draft")) from None
    return table


def _proposed(preset: Mapping[str, Any], mandate: Mandate, asset: str | None) -> dict[str, Any]:
    held = {holding.asset for holding in mandate.holdings}
    if asset is None and len(held) > 1:
        raise InputRefused(f"--asset: the mandate holds {', '.join(sorted(held))}; a plan sells one of them")
    asset = asset or held.pop()
    qty = sum((holding.qty for holding in mandate.holdings if holding.asset == asset), ZERO)
    if not qty:
        raise InputRefused(f"--asset: {asset} is not among the holdings of the mandate")
    venues = sorted({credit.venue for credit in mandate.credited if credit.asset == asset})
    table: dict[str, Any] = {
        "asset": asset,
        "quote_asset": "SET: the currency in which the venues quote it, for example USD",
        "qty": plain(qty),
        "floor_px": "SET: the lowest price of any order, whatever the price rules say",
        "venues": venues,
        "duration": preset["window"]["complete_within"],
        "seed": int.from_bytes(hashlib.sha256(mandate.case_id.encode()).digest()[:4], "big"),
        "legs": [_leg(preset, plain(qty))],
        "price_rules": [dict(rule) for rule in preset["price_rules"]],
        "waiting": {
            "tell": "SET: who is told that the price is below the rule, for example [operator@example.org]",
            "escalate_to": "SET: who is told besides if it stays so",
            "escalate_after": "SET: after how long, for example 4h",
        },
    }
    if mandate.deposit is not None:
        table["cover"] = _cover(preset, mandate.deposit.currency)
    if "caps" in preset:
        table["caps"] = _caps(preset["caps"], venues)
    if "benchmark" in preset:
        asked = {"trade_date": "SET: the date of the sale, for example 2026-03-02"}
        table["benchmark"] = dict(preset["benchmark"]) | asked
    return table


def _leg(preset: Mapping[str, Any], qty: str) -> dict[str, Any]:
    quotes = preset.get("quotes")
    if quotes and quotes["required"]:
        return {
            "kind": "otc",
            "qty": qty,
            "clip": "SET: how much one request for quotes asks for",
            "pause": "SET: the time between two requests, for example 10m",
            "min_quotes": quotes["min_quotes"],
        }
    return {
        "kind": "twap",
        "qty": qty,
        "slices": "SET: in how many slices it is sold",
        **_TWAP,
        "min_notional": "SET: the smallest order, in the quote asset, for example 100",
    }


def _cover(preset: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """What the deposit of the mandate must cover. The draft proposes the levels of the warnings."""
    agreed = preset.get("deposit", {}).get("percent", "SET: the agreed ratio in percent, for example 110")
    return {
        "currency": currency,
        "coins": "SET: all (coins of the case that are not sold) or reserved (for a plan); no source says which",
        "release_percent": agreed,
        "halt_percent": "SET: under how many percent the sale is halted when the price has risen; no source says it",
        "warn_percents": ["110", "105", "100"],
    }


def _caps(published: Mapping[str, Any], venues: list[str]) -> dict[str, Any]:
    caps = {key: value for key, value in published.items() if key != "week_value_by_court"}
    if "week_values" in caps:
        caps["first_week"] = "SET: the date on which the first week begins, for example 2026-03-07 (a Saturday)"
    if "venue_volume_percent" in caps or "participation_percent" in caps:
        caps["venue_volumes"] = [
            {
                "venue": venue,
                "qty": f"SET: what {venue} traded a day on average, in coins, over the days that the cap names",
                "measured_until": "SET: the day after the last of those days, for example 2026-03-01",
                "source": "SET: where the volumes come from, in words",
                "file_sha256": "SET: the SHA-256 of the file of volumes or candles that was averaged",
            }
            for venue in venues
        ]
    return caps


def _name_terms(table: dict[str, Any]) -> None:
    """Where each trade date has its own average, a rule names the terms by their hash: once they are complete it can be
    worked out."""
    terms = {key: value for key, value in table.get("benchmark", {}).items() if key != "trade_date"}
    if not terms or open_questions(terms):
        return
    try:
        digest = AverageTerms.model_validate(terms).terms_sha256
    except ValidationError as error:
        raise InputRefused(faults(error, "the draft", "benchmark")) from None
    for rule in table["price_rules"]:
        if rule["kind"] == "average" and rule["renewal"] == "each_trade_date":
            rule["benchmark"] = digest


def _set(table: dict[str, Any], key: str, text: str) -> None:
    """Put an answer at its dotted key, for example ``price_rules.0.px``."""
    *path, last = key.split(".")
    place: Any = table
    for part in path:
        place = _child(place, part)
        if place is None:
            raise InputRefused(f"--set {key}: the draft has no {part} there; its keys are those of the plan file")
    if not isinstance(place, dict):
        raise InputRefused(f"--set {key}: {last} is not a key of a table; the keys are those of the plan file")
    place[last] = _value(text)


def _child(place: Any, part: str) -> Any:
    if isinstance(place, list):
        return place[int(part)] if part.isdecimal() and int(part) < len(place) else None
    return place.get(part) if isinstance(place, dict) else None


def _value(text: str) -> Any:
    if text.isdecimal() and (text == "0" or text[0] != "0"):
        return int(text)
    if text.startswith("[") and text.endswith("]"):
        return [part.strip() for part in text[1:-1].split(",") if part.strip()]
    return text


# --- as TOML ----------------------------------------------------------------------------------------------------------


def toml(table: Mapping[str, Any], head: str) -> str:
    """``table`` as TOML below a comment: values first, then tables and lists of tables, one level inside another."""
    lines = [f"# {line}".rstrip() for line in head.splitlines()] + [""]
    _write(table, "", lines)
    return "\n".join(lines).rstrip() + "\n"


def _write(table: Mapping[str, Any], name: str, lines: list[str]) -> None:
    inner = {key: value for key, value in table.items() if isinstance(value, dict) or _tables(value)}
    lines += [f"{key} = {_text(value)}" for key, value in table.items() if key not in inner]
    for key, value in inner.items():
        full = f"{name}.{key}" if name else key
        for each in value if isinstance(value, list) else [value]:
            lines += ["", f"[[{full}]]" if isinstance(value, list) else f"[{full}]"]
            _write(each, full, lines)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f'"{plain(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_text(each) for each in value) + "]"
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)
