"""A slice of the seeded worlds in every test run: nothing breaks, every kind of fault is hit, a seed replays."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest
from click.testing import CliRunner

from adapters.mock.faults import FaultKind
from executor.cli.simulate import simulate as command
from executor.exit_codes import ExitCode
from executor.simulation import scenario, world
from executor.simulation.runner import kinds_named, outcome_of, simulate

BATCH, BATCHES = 13, 11  # with the worlds of the other tests here more than two hundred
TRIES = 12  # worlds in which one kind must be hit at least once


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_invariant_breaks(batch: int) -> None:
    report = simulate(range(1 + batch * BATCH, 1 + (batch + 1) * BATCH))
    assert report.worlds == BATCH
    assert not report.failing, "\n".join(f"{report.again(one)}: {one.breaches}" for one in report.failing)
    assert report.ends["completed"] > BATCH // 3  # worlds in which nothing can be sold would prove nothing


@pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: kind.name.lower())
def test_every_kind_is_hit(kind: FaultKind) -> None:
    for seed in range(1, 1 + TRIES):
        outcome = outcome_of(seed, (kind,))
        assert not outcome.breaches, f"executor simulate --seeds {seed} --faults {kind.name.lower()}"
        if outcome.hits:
            assert outcome.hits.keys() == {kind.name}
            return
    pytest.fail(f"{kind} hit nobody in {TRIES} worlds")


def test_a_seed_replays_byte_for_byte() -> None:
    here = [outcome_of(seed, tuple(FaultKind)) for seed in (4, 15, 22)]
    assert here == [outcome_of(seed, tuple(FaultKind)) for seed in (4, 15, 22)]
    # Another interpreter hashes strings with another seed: nothing may hang on the order of a set.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as other:
        assert other.submit(outcome_of, 15, tuple(FaultKind)).result() == here[1]


def test_worlds_differ_by_seed() -> None:
    assert len({outcome_of(seed, ()).digest for seed in (1, 2, 3)}) == 3


def test_the_journal_on_disk_and_in_memory_hold_the_same() -> None:
    drawn = scenario.drawn(10, tuple(FaultKind))
    in_memory = world.run_world(replace(drawn, on_disk=False))
    again = scenario.drawn(10, tuple(FaultKind))  # a fault remembers its hits
    assert world.run_world(replace(again, on_disk=True)) == in_memory


def test_command_prints_kinds_and_counts() -> None:
    ran = CliRunner().invoke(command, ["--seeds", "2..3", "--faults", "reset,partial-fill", "--workers", "1"])
    assert ran.exit_code == ExitCode.OK, ran.output
    assert "connection reset" in ran.output
    assert "0 worlds in which an invariant broke" in ran.output


def test_command_ends_with_8_and_the_line_that_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.Checker, "sold", lambda self: self._plan.qty * 2)
    ran = CliRunner().invoke(command, ["--seeds", "3", "--faults", "none", "--workers", "1", "--json"])
    assert ran.exit_code == ExitCode.RECORD_FAILED
    assert "executor simulate --seeds 3 --faults none" in ran.stderr
    (broken,) = json.loads(ran.stdout)["breaches"]
    assert broken["seed"] == 3


@pytest.mark.parametrize("arguments", [["--seeds", "3..1"], ["--seeds", "x"], ["--seeds", "1", "--faults", "gremlins"]])
def test_command_refuses_what_it_cannot_run(arguments: list[str]) -> None:
    assert CliRunner().invoke(command, arguments).exit_code == ExitCode.USAGE


def test_names_of_kinds() -> None:
    assert kinds_named("all") == tuple(FaultKind)
    assert kinds_named("late-request, too_many") == (FaultKind.LATE_REQUEST, FaultKind.TOO_MANY)


# Worlds that once found a fault in the program, and what it was.
FOUND = {
    24: "a child left for a person at the end raised the halt after the place that records it",
    244: "all was sold while a child was still left for a person, and the end was written all the same",
    521: "a plan whose leg found none of its venues with a book was divided by zero",
    819: "an acceptance that a proxy delivered twice was refused for its tonce and taken for not executed",
}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_found(seed: int) -> None:
    assert outcome_of(seed, tuple(FaultKind)).breaches == ()
