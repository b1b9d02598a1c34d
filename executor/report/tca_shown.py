"""Execution quality for people and programs: every number beside its definition."""

from fractions import Fraction
from typing import Any

from executor.report.figures import figure
from executor.report.measures import MEASURES, QUOTE_MEASURES
from executor.report.tca import Tca, Values
from executor.report.tca_quotes import Round


def tca_values(found: Tca) -> dict[str, Any]:
    """One JSON object: amounts as strings, ``None`` where something was not recorded, and the definitions."""
    return {
        "parent": found.parent_id,
        "asset": found.asset,
        "quote_asset": found.quote_asset,
        "mids_after_fills_from": found.source,
        "whole": _figures(found.whole),
        "groups": {
            name: {part: _figures(values) for part, values in parts.items()} for name, parts in found.groups.items()
        },
        "rounds": [_round(each) for each in found.rounds],
        "definitions": {name: measure.en for name, measure in (MEASURES | QUOTE_MEASURES).items()},
    }


def tca_table(found: Tca) -> str:
    """For people: the whole with definitions, then the parts, then the quotes."""
    lines = [f"parent {found.parent_id}; mids after the fills from: {found.source}", ""]
    whole = _figures(found.whole)
    for name, measure in MEASURES.items():
        if name in whole:
            lines.append(f"{measure.name_en:<32} {_cell(whole[name], measure.unit):>24}  {measure.en}")
    for name, parts in found.groups.items():
        lines += ["", f"by {name:<9}" + "".join(f"{_short(each):>17}" for each in _BY_PART)]
        for part, values in parts.items():
            cells = _figures(values)
            lines.append(f"   {part:<9}" + "".join(f"{cells[each] or 'not recorded':>17}" for each in _BY_PART))
    lines += _quotes(found.rounds)
    return "\n".join(lines)


_BY_PART = (
    "filled_qty",
    "avg_px",
    "fees_bps",
    "arrival_slippage_bps",
    "vwap_slippage_bps",
    "participation",
    "effective_half_spread_bps",
    "markout_60s_bps",
    "passive_share",
    "fill_rate",
    "floor_distance_bps",
)


def _quotes(rounds: list[Round]) -> list[str]:
    if not rounds:
        return []
    lines = ["", "quotes     " + "".join(f"{name:>17}" for name in ("venue", "price", *QUOTE_MEASURES))]
    for made in rounds:
        shown = _round(made)
        for answer in shown["answers"]:
            cells = [answer["venue"], answer["px"], answer["spread_bps"], answer["rank"]]
            cells += [shown["cover_bps"] if answer["rank"] == "1" else None, answer["response_s"]]
            cells += [shown["hold_s"] if answer["chosen"] else None]
            cells += [str(shown["rejects"]) if answer["chosen"] else None]
            lines.append(f"{made.asked_at:%m-%d %H:%M}" + "".join(f"{'-' if c is None else c:>17}" for c in cells))
    lines += [f"  {measure.name_en}: {measure.en}" for measure in QUOTE_MEASURES.values()]
    return lines


def _figures(values: Values) -> dict[str, str | None]:
    return {name: figure(value, MEASURES[name].unit) for name, value in values.items()}


def _round(made: Round) -> dict[str, Any]:
    return {
        "asked_at": made.asked_at.isoformat(),
        "leg": made.leg,
        "qty": figure(made.qty, "qty"),
        "mid": figure(made.mid, "px"),
        "why": made.why,
        "cover_bps": figure(made.cover_bps, "bps"),
        "hold_s": figure(made.hold_s, "seconds"),
        "rejects": 1 if made.executed is False else 0,
        "answers": [
            {
                "venue": answer.venue,
                "px": figure(answer.px, "px"),
                "spread_bps": figure(answer.spread_bps, "bps"),
                "rank": figure(answer.rank, "count"),
                "response_s": figure(answer.response_s, "seconds"),
                "chosen": answer.chosen,
                "refusal": answer.refusal,
            }
            for answer in made.answers
        ],
    }


def _cell(text: str | None, unit: str) -> str:
    if text is None:
        return "not recorded"
    return f"{figure(Fraction(text) * 100, 'bps')} %" if unit == "share" else f"{text} {_UNITS[unit]}".strip()


_UNITS = {"bps": "bps", "seconds": "s", "px": "", "money": "", "qty": "", "count": ""}


def _short(name: str) -> str:
    return name.removesuffix("_bps").replace("half_spread", "spread")[:16]
