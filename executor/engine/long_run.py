"""Less looking for garbage while a run lasts that makes and drops a million small things and keeps few of them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 20_000  # objects between two looks; Python's own figure is 700


@contextmanager
def long_run() -> Iterator[None]:
    """What is there already (the program itself) is left out of every look; new things are looked at less often."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
