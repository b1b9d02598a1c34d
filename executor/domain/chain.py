"""Reconciliation to zero of one chain: what came out of each step against what went into the next.

A chain is a row of steps with their papers. An error in one paper shows up to three times: the paper does not add up,
and it differs from its neighbours on both sides. Each is traced to one line by three rules, in this order:

1. A paper that does not add up is a break on its line. If it would add up with the neighbour's figure in place of its
   own, the difference to that neighbour is the same error.
2. A step that takes ``e`` too much from the one before and hands ``e`` too much to the one after (or too little) is
   itself wrong: one break on its line.
3. What is left between two steps is a break on the line of the later one: it does not account for what it was given.

A step without papers is ``missing``, never assumed. The next step is compared with the last one that is there; what
cannot be explained between them belongs to the missing one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from executor.domain.money import EXACT, ZERO, add, plain
from executor.domain.papers import Key, Paper

Amounts = dict[Key, Decimal]

OK, MISSING, BREAK = "ok", "missing", "break"


@dataclass(slots=True)
class Step:
    """A step of a chain. ``lone`` names the line on which a difference to the step before stands, if not its own."""

    name: str
    papers: list[Paper] = field(default_factory=list)
    lone: str = ""
    present: bool = False  # there, though nothing went through it

    @property
    def there(self) -> bool:
        """True if something shows this step."""
        return self.present or bool(self.papers)

    def came(self) -> Amounts:
        """What went in."""
        return _summed([(paper.source, paper.amount) for paper in self.papers])

    def went(self) -> Amounts:
        """What came out."""
        return _summed([(paper.target, paper.net) for paper in self.papers])


@dataclass(slots=True)
class Line:
    """One line of the reconciliation: its status, what is not accounted for by currency, and why."""

    chain: str
    name: str
    status: str = OK
    residual: dict[str, Decimal] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)
    refs: list[str] = field(default_factory=list)

    def broken(self, why: str, amounts: Amounts | None = None) -> None:
        """A break on this line. A missing line stays missing."""
        self.status = MISSING if self.status == MISSING else BREAK
        self.details.append(why)
        for (currency, _), amount in (amounts or {}).items():
            self.residual[currency] = add(self.residual.get(currency, ZERO), amount)


def reconcile(chain: str, steps: Sequence[Step], absorbed: Amounts | None = None) -> list[Line]:
    """The lines of one chain; the first step is the source. ``absorbed``: differences at the second step that another
    line explains."""
    return _Chain(chain, steps, absorbed or {}).lines()


class _Chain:
    def __init__(self, chain: str, steps: Sequence[Step], absorbed: Amounts) -> None:
        self._named = {step.name: Line(chain, step.name) for step in steps}
        self._there = [step for step in steps if step.there]
        self._gaps: dict[str, str] = {}  # a step that is there, and the first missing one before it
        missing = ""
        for step in steps:
            line = self._named[step.name]
            line.refs = [paper.ref for paper in step.papers]
            if not step.there:
                line.status = MISSING
                line.details.append("nothing in the record shows this step")
                missing = missing or step.name
            else:
                self._gaps[step.name], missing = missing, ""
        self._differences = self._compared(absorbed)
        self._pending(steps)

    def _compared(self, absorbed: Amounts) -> list[Amounts]:
        """For each step that is there, what the one before gave and it did not take; nothing for the source."""
        found: list[Amounts] = [{}] if self._there else []
        for number, (before, step) in enumerate(pairwise(self._there)):
            gave, took = _level(before.went(), step.came())
            strangers = {key[0] for key in gave}.isdisjoint(key[0] for key in took)
            if self._gaps[step.name] and strangers and gave and took:
                found.append({})  # another currency: what is missing between them is the conversion itself
                continue
            keys = sorted(gave.keys() | took.keys())
            gap = {key: EXACT.subtract(gave.get(key, ZERO), took.get(key, ZERO)) for key in keys}
            if number == 0:
                gap = {key: EXACT.subtract(amount, absorbed.get(key, ZERO)) for key, amount in gap.items()}
            found.append({key: amount for key, amount in gap.items() if amount})
        return found

    def _pending(self, steps: Sequence[Step]) -> None:
        """What the last step gave and the next, which is missing, should have taken."""
        if not self._there:
            return
        names, last = [step.name for step in steps], self._there[-1]
        after = [self._named[name] for name in names[names.index(last.name) + 1 :]]
        given = {key: amount for key, amount in last.went().items() if amount}
        if after and given:
            after[0].broken(f"{_words(given)} waits for it", given)
        elif last.papers:
            for line in after:
                line.status, line.details = OK, ["nothing is left for it"]

    def lines(self) -> list[Line]:
        """The lines, every difference on exactly one of them."""
        for number, step in enumerate(self._there):
            for paper in step.papers:
                if not paper.good:
                    self._faulty(number, paper)
        for number, step in enumerate(self._there):
            self._shifted(number, step)
        for number, step in enumerate(self._there):
            if self._differences[number]:
                self._lone(number, step)
        return list(self._named.values())

    def _faulty(self, number: int, paper: Paper) -> None:
        before = self._differences[number]
        after = self._differences[number + 1] if number + 1 < len(self._there) else {}
        line = self._named[paper.step]
        for key, gap in list(before.items()):
            if key[0] == paper.source[0] and paper.adds_up(add(paper.amount, gap), paper.net):
                del before[key]
                line.broken(f"{paper.ref} does not add up: it says {plain(paper.amount)}", {key: gap})
                return
        for key, gap in list(after.items()):
            if key[0] == paper.target[0] and paper.adds_up(paper.amount, EXACT.subtract(paper.net, gap)):
                del after[key]
                line.broken(f"{paper.ref} does not add up: it says {plain(paper.net)}", {key: gap})
                return
        line.broken(f"{paper.ref} does not add up")

    def _shifted(self, number: int, step: Step) -> None:
        if number + 1 >= len(self._there):
            return
        before, after = self._differences[number], self._differences[number + 1]
        for key, gap in list(before.items()):
            twin = next((other for other in after if other[0] == key[0] and add(gap, after[other]) == 0), None)
            if twin is not None:
                del before[key], after[twin]
                self._named[step.name].broken(
                    f"{_words({key: gap})} differs from the steps before and after", {key: gap}
                )

    def _lone(self, number: int, step: Step) -> None:
        gaps = self._differences[number]
        name = self._gaps[step.name] or step.lone or step.name
        before = self._there[number - 1].name
        self._named[name].broken(f"{_words(gaps)} between {before} and {step.name}", gaps)


def _summed(parts: Sequence[tuple[Key, Decimal]]) -> Amounts:
    total: Amounts = {}
    for key, amount in parts:
        total[key] = add(total.get(key, ZERO), amount)
    return total


def _level(left: Amounts, right: Amounts) -> tuple[Amounts, Amounts]:
    """Both by venue if both name venues, else both without."""
    if all(place for _, place in left) and all(place for _, place in right):
        return left, right
    return tuple(_summed([((key[0], ""), amount) for key, amount in side.items()]) for side in (left, right))  # type: ignore[return-value]


def _words(amounts: Amounts) -> str:
    return ", ".join(
        f"{plain(amount)} {currency}{f' at {place}' if place else ''}" for (currency, place), amount in amounts.items()
    )
