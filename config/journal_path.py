"""Where the journal is, for commands that must not wait for the settings to load."""

import os
from pathlib import Path

VARIABLE = "EXECUTOR_JOURNAL"
KEY_VARIABLE = "EXECUTOR_RECORD_KEY"
PIN_VARIABLE = "EXECUTOR_RECORD_PIN"
DEFAULT = Path("var/journal.sqlite")


def place_of(text: str) -> Path | str:
    """A URL stays as it is, anything else is a path."""
    return text if "://" in text else Path(text)


def journal_path(option: Path | str | None) -> Path | str:
    """What the command line says, else ``EXECUTOR_JOURNAL``, else ``var/journal.sqlite`` here: a path or a URL."""
    return option or place_of(os.environ.get(VARIABLE) or str(DEFAULT))


def record_key_path(place: Path | str) -> Path:
    """The key that signs the record: ``EXECUTOR_RECORD_KEY``, else beside the journal, or in ``var`` for a database. Of
    a key in a device only the public half stands there, with ``.pub``."""
    named = os.environ.get(KEY_VARIABLE)
    if named and not record_device():
        return Path(named)
    return place.with_name(f"{place.name}.key") if isinstance(place, Path) else DEFAULT.with_name("record.key")


def record_device() -> str:
    """The URI of the record's key if it is in a device (PKCS#11), else empty."""
    named = os.environ.get(KEY_VARIABLE, "")
    return named if named.startswith("pkcs11:") else ""


def record_pin() -> str:
    """The PIN of the device, if the environment has it."""
    return os.environ.get(PIN_VARIABLE, "")
