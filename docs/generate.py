"""Write the reference pages that are made from code, or with ``--check`` fail if one of them is stale.

``docs/errors.md``, ``docs/exit-codes.md`` and ``docs/logs.md`` say what the docstrings and enumerations say, so a page
cannot promise what the program does not do. Change the code, then run ``python docs/generate.py``.
"""

import argparse
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import adapters.venue
import executor
from adapters.venue import RejectReason, VenueError
from executor.errors import ExecutorError
from executor.exit_codes import ExitCode
from executor.log_events import LogEvent

DOCS = Path(__file__).resolve().parent
MADE_BY = "<!-- Made by docs/generate.py from the code. Change the code, then run: python docs/generate.py -->"

T = TypeVar("T")


def errors_page() -> str:
    """Every error a command can end with, and the closed taxonomy of venue errors behind them."""
    _load_all()
    commands: list[type[ExecutorError]] = [ExecutorError, *_subclasses(ExecutorError)]
    commands.sort(key=lambda error: (error.exit_code, error.__name__))
    venue: list[type[VenueError]] = _subclasses(VenueError)
    return _page(
        "Errors",
        "What a command can end with. The message names the particulars; the exit code is the one of the class.",
        _table(
            ("error", "exit code", "what it means and what to do"),
            ((f"`{error.__name__}`", str(int(error.exit_code)), _sentence(error)) for error in commands),
        ),
        "## Venue errors",
        "Every adapter reduces what a venue says to one of these, and the engine decides by the class alone.",
        _table(
            ("error", "what is known about the wire"),
            ((f"`{error.__name__}`", _sentence(error)) for error in venue),
        ),
        "## Why a venue said no",
        "`Rejected` carries one of these reasons.",
        _table(("reason", "meaning"), _reject_reasons()),
    )


def exit_codes_page() -> str:
    """The exit codes, for scripts."""
    return _page(
        "Exit codes",
        "Every command ends with one of these.",
        _table(("code", "name", "meaning"), ((str(int(code)), f"`{code.name}`", code.meaning) for code in ExitCode)),
    )


def logs_page() -> str:
    """The log events, for alerts."""
    return _page(
        "Log events",
        "The `event` of a log line is one of these. Logs go to stderr and are for people: the journal is the record.\n"
        "A line may carry `case`, `parent`, `child` and `venue`. With `EXECUTOR_LOG_FORMAT=json` each line is one\n"
        "JSON object. Values of keys that look like secrets are shown as `[redacted]`.",
        _table(("event", "meaning"), ((f"`{event.value}`", event.meaning) for event in LogEvent)),
    )


PAGES = {"errors.md": errors_page, "exit-codes.md": exit_codes_page, "logs.md": logs_page}


def stale(folder: Path) -> list[str]:
    """The names of the pages in ``folder`` that do not say what the code says."""
    return [name for name, make in PAGES.items() if not _says(folder / name, make())]


def write(folder: Path) -> None:
    """Write every page into ``folder``."""
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Entry point: 0 if all is well, 1 if ``--check`` found a stale page."""
    parser = argparse.ArgumentParser(description="Make the reference pages from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page is stale")
    if not parser.parse_args(arguments).check:
        write(DOCS)
        return 0
    out_of_date = stale(DOCS)
    for name in out_of_date:
        sys.stderr.write(f"docs/{name} is not what the code says -> run: python docs/generate.py\n")
    return 1 if out_of_date else 0


def _load_all() -> None:
    """Import every module of the executor: an error class is found wherever it is defined."""
    for module in pkgutil.walk_packages(executor.__path__, "executor."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _subclasses(base: type[T]) -> list[type[T]]:
    """``base``'s descendants in the product, each once, parents before children, in the order of definition."""
    found: list[type[T]] = []
    for child in base.__subclasses__():
        if not child.__module__.startswith(("executor.", "adapters.")):
            continue  # a test's own
        found += [each for each in (child, *_subclasses(child)) if each not in found]
    return found


def _reject_reasons() -> Iterator[tuple[str, str]]:
    """The reasons with the comment beside each, which is where ``adapters.venue`` explains them."""
    source = inspect.getsource(adapters.venue)
    for reason in RejectReason:
        beside = re.search(rf'^    {reason.name} = "{reason.value}"(?:  # (.+))?$', source, re.MULTILINE)
        meaning = beside.group(1) if beside and beside.group(1) else "none of the others"
        yield f"`{reason.value}`", meaning


def _sentence(documented: type) -> str:
    text = inspect.cleandoc(documented.__doc__ or "")
    return " ".join(text.replace("``", "`").split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _page(title: str, *paragraphs: str) -> str:
    return "\n\n".join((f"# {title}", MADE_BY, *paragraphs)) + "\n"


def _says(page: Path, text: str) -> bool:
    return page.is_file() and page.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
