"""The holidays of Hong Kong, from the list beside this file or one that EXECUTOR_HOLIDAYS names."""

import os
from datetime import date, datetime
from pathlib import Path

from config.toml_file import read_toml
from executor.errors import InputRefused

VARIABLE = "EXECUTOR_HOLIDAYS"
LIST = Path(__file__).with_name("hong_kong_holidays.toml")


def hong_kong_holidays() -> dict[int, frozenset[date]]:
    """The holidays of each year that is listed. Raises ``InputRefused`` if the list cannot be read."""
    path = Path(os.environ.get(VARIABLE) or LIST)
    found = {}
    for year, days in read_toml(path).items():
        if not year.isdecimal() or not isinstance(days, list) or not all(_of(year, day) for day in days):
            raise InputRefused(f"{path}: {year}: is YEAR = [dates of that year]; correct it")
        found[int(year)] = frozenset(days)
    return found


def _of(year: str, day: object) -> bool:
    return isinstance(day, date) and not isinstance(day, datetime) and day.year == int(year)
