"""Writes files that a person keeps (keys, drafts): each is there whole or not at all, and never over another."""

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def write_new(texts: Mapping[Path, str], mode: int = 0o666) -> None:
    """Write all of ``texts`` or none, in their order, whatever fails meanwhile (a full disk, another process).

    Each text is first written and synced under a name beside its own, so that a disk that fills leaves nothing that
    stands in the way of the next try; a link, unlike a rename, never replaces what is there. Raises ``FileExistsError``
    with the name that is taken, and ``OSError``.
    """
    beside = {path: path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}") for path in texts}
    placed: list[Path] = []
    try:
        for path, text in texts.items():
            _write(beside[path], text, mode)
        for path, whole in beside.items():
            _link(whole, path)
            placed.append(path)
    except OSError:
        for path in placed:
            path.unlink()
        raise
    finally:
        for whole in beside.values():
            with suppress(FileNotFoundError):
                whole.unlink()


def _write(whole: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _link(whole: Path, path: Path) -> None:
    try:
        os.link(whole, path)
    except FileExistsError as error:
        raise FileExistsError(error.errno, error.strerror, str(path)) from None
