"""Where the journal is, for commands that must not wait for the settings to load."""

import os
from pathlib import Path

VARIABLE = "EXECUTOR_JOURNAL"
DEFAULT = Path("var/journal.sqlite")


def journal_path(option: Path | None) -> Path:
    """The path given on the command line, else ``EXECUTOR_JOURNAL``, else ``var/journal.sqlite`` here."""
    return option or Path(os.environ.get(VARIABLE) or DEFAULT)
