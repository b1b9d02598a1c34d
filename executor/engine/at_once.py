"""Several things at once, each to its end. One thing alone is simply done: it needs no task of its own."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def all_at_once(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. The first fault is raised at once, as ``asyncio.gather`` does."""
    if len(works) == 1:
        return [await works[0]]
    return list(await asyncio.gather(*works))


async def ends_at_once(works: Sequence[Coroutine[Any, Any, T]]) -> list[T | BaseException]:
    """The results in order, with a fault in the place of what failed."""
    if len(works) == 1:
        try:
            return [await works[0]]
        except Exception as fault:
            return [fault]
    return await asyncio.gather(*works, return_exceptions=True)
