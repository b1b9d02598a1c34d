"""Opens the journal for a command that changes it, and closes it whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from config.journal_path import journal_path
from executor.cli.journal_option import journal_option as journal_option
from executor.journal.journal import Journal
from executor.journal.open import Place, open_reading, open_store

T = TypeVar("T")

who_option = click.option("--who", required=True, help="Your name, for the record.")
why_option = click.option("--why", required=True, help="The reason, for the record.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


def with_journal(path: Place | None, act: Callable[[Journal], Awaitable[T]], *, new: bool = False) -> T:
    """Run ``act`` on the journal and return its answer. Unless ``new``, a journal that does not exist is refused: a
    person's act belongs into an existing record, and a mistyped path would make another."""

    async def opened() -> T:
        place = journal_path(path)
        if not new:
            open_reading(place).close()
        journal = Journal(open_store(place), threaded=False)
        try:
            return await act(journal)
        finally:
            await journal.aclose()

    return asyncio.run(opened())
