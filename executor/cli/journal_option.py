"""The option that says where the journal is. Imports stay light: commands that only look must start fast."""

from pathlib import Path
from typing import Any

import click

from config.journal_path import place_of


class JournalPlace(click.ParamType[Path | str]):
    """A path, which becomes a ``Path``, or a URL, which stays a string."""

    name = "path or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        place = value if isinstance(value, Path) else place_of(value)
        if isinstance(place, Path):
            click.Path(dir_okay=False).convert(place, param, ctx)
        return place


journal_option = click.option(
    "--journal", type=JournalPlace(), help="The record: a file, or postgresql+psycopg://...; default EXECUTOR_JOURNAL."
)
