"""Name to adapter. Third parties plug in through the entry-point group ``disposal_executor.venues``."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

import httpx

from adapters.clock import Clock
from adapters.venue import Venue

ENTRY_POINTS = "disposal_executor.venues"
Factory = Callable[[Any, httpx.AsyncClient, Clock], Venue]

# Module and class by name: imported only when asked for, so that light commands stay light.
_BUILT_IN = {"osl": ("adapters.osl", "Osl"), "hashkey": ("adapters.hashkey", "HashKey")}


def adapter(name: str) -> Factory:
    """The constructor ``(settings, client, clock) -> Venue`` of the adapter called ``name``. Raises ``KeyError`` naming
    the known ones."""
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name]
        return cast(Factory, getattr(import_module(module), attribute))
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in found:
        raise KeyError(f"there is no adapter '{name}'; known: {', '.join(sorted(_BUILT_IN | found))}")
    return cast(Factory, found[name].load())
