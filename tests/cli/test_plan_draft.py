"""`executor plan draft`: from a preset and a mandate to a plan in which nothing is a silent default."""

import errno
import json
import tomllib
from pathlib import Path

import pytest

from executor.exit_codes import ExitCode
from executor.new_files import write_new
from tests.cli.commands import EXAMPLES, Table, call, credit, plan, write_mandate

PRESETS = ("beijing", "ftx", "korea", "saxony", "shanghai")
VOLUME = {
    "qty": "1000",
    "measured_until": "2026-03-01",
    "source": "a file of volumes",
    "file_sha256": "0" * 64,
}
ANSWERS: dict[str, Table] = {
    "beijing": {
        "legs.0.clip": "0.1",
        "legs.0.pause": "5m",
        "legs.0.min_quotes": "1",
        "price_rules.0.px": "90000",
        "price_rules.0.currency": "USD",
        "price_rules.0.scope": "per_fill",
        "price_rules.0.compare": "before_fees",
    },
    "shanghai": {
        "duration": "1d",
        "legs.0.slices": "12",
        "legs.0.min_notional": "100",
        "price_rules.0.renewal": "each_trade_date",
        "price_rules.0.currency": "USD",
        "price_rules.0.scope": "per_fill",
        "price_rules.0.compare": "before_fees",
        "benchmark.source": "made-up candles",
        "benchmark.pair": "BTC/USD",
        "benchmark.currency": "USD",
        "benchmark.candle_length": "1h",
        "benchmark.candle_stamp": "open",
        "benchmark.method": "mean_of_daily_closes",
        "benchmark.volume_unit": "quote",
        "benchmark.day_boundary": "UTC",
        "benchmark.tolerated_missing_candles": "0",
        "benchmark.tolerated_missing_days": "0",
        "benchmark.rounding": "up",
        "benchmark.decimals": "2",
        "benchmark.trade_date": "2026-01-21",
    },
    "korea": {
        "duration": "90d",
        "legs.0.slices": "12",
        "legs.0.min_notional": "100",
        "price_rules.0.around": "venue_mid",
        "caps.day_boundary": "+09:00",
        "caps.venue_volume_days": "30",
        **{f"caps.venue_volumes.{n}.{key}": value for n in (0, 1) for key, value in VOLUME.items()},
    },
    "ftx": {
        "duration": "30d",
        "legs.0.slices": "12",
        "legs.0.min_notional": "100",
        "price_rules.0.px": "90000",
        "price_rules.0.scope": "per_fill",
        "price_rules.0.compare": "before_fees",
        "caps.first_week": "2026-03-07",
    },
    "saxony": {
        "duration": "24d",
        "legs.0.clip": "0.1",
        "legs.0.pause": "5m",
        "legs.0.min_quotes": "1",
        "price_rules.0.px": "90000",
        "price_rules.0.currency": "USD",
        "price_rules.0.scope": "per_fill",
        "price_rules.0.compare": "before_fees",
        "caps.participation_window": "1h",
        **{f"caps.venue_volumes.{n}.{key}": value for n in (0, 1) for key, value in VOLUME.items()},
    },
}
COMMON = {
    "quote_asset": "USD",
    "floor_px": "85000",
    "waiting.tell": "[operator]",
    "waiting.escalate_to": "[the court]",
    "waiting.escalate_after": "4h",
}


@pytest.fixture
def mandate(tmp_path: Path) -> Path:
    """A mandate whose plan is still to be drawn up."""
    purses = [credit("osl", "exchange", "0.3"), credit("hashkey", "trading", "0.2")]
    path = write_mandate(tmp_path, plan(), holding="0.5", credited=purses)
    (tmp_path / "plan.toml").unlink()
    return path


def drafted(preset: str, mandate: Path, answers: Table) -> Table:
    words = [word for key, value in answers.items() for word in ("--set", f"{key}={value}")]
    done = call("plan", "draft", preset, mandate, "--json", *words)
    assert done.returncode == ExitCode.OK, done.stderr
    told: Table = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("preset", PRESETS)
def test_what_no_source_says_is_asked_and_refused_until_it_is_answered(preset: str, mandate: Path) -> None:
    asked = drafted(preset, mandate, {})["open"]
    answered = set(COMMON) | set(ANSWERS[preset])
    assert set(asked) - {"price_rules.0.benchmark"} == answered
    refused = call("plan", "hash", mandate)
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    for key in set(asked) - {key for key in asked if key.startswith("benchmark")}:
        assert f" {key}: is not set; set it to " in refused.stderr


@pytest.mark.parametrize("preset", PRESETS)
def test_with_every_answer_it_is_a_plan(preset: str, mandate: Path) -> None:
    told = drafted(preset, mandate, COMMON | ANSWERS[preset])
    assert told["open"] == {}
    assert len(call("plan", "hash", mandate).stdout.strip()) == 64
    values = tomllib.loads((mandate.parent / "plan.toml").read_text())
    assert (values["asset"], values["qty"], values["venues"]) == ("BTC", "0.5", ["hashkey", "osl"])


def test_a_rule_for_each_trade_date_names_the_terms_of_its_average(mandate: Path) -> None:
    """The terms are a file that `benchmark compute` reads, and the hash that the rule names is theirs."""
    told = drafted("shanghai", mandate, COMMON | ANSWERS["shanghai"])
    (terms,) = (path for path in told["files"] if path.endswith(".benchmark.toml"))
    computed = call("benchmark", "compute", terms, "--candles", EXAMPLES / "benchmarks" / "falling-20-day.csv")
    assert computed.returncode == ExitCode.OK, computed.stderr
    rule = tomllib.loads((mandate.parent / "plan.toml").read_text())["price_rules"][0]
    assert f"terms     sha256 {rule['benchmark']}" in computed.stdout
    assert computed.stdout.startswith("average   92638.25 USD")


def test_a_band_around_the_reference_price_asks_how_that_is_made(mandate: Path) -> None:
    answers = COMMON | ANSWERS["korea"] | {"price_rules.0.around": "reference"}
    assert set(drafted("korea", mandate, answers)["open"]) == {
        "reference.min_sources",
        "reference.agreement_bps",
        "reference.max_age",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("beijing", "--set", "price_rules.1.px=1"), "the draft has no 1 there"),
        (("beijing", "--set", "floor_px"), "write KEY=VALUE"),
        (("peking",), "there is no preset 'peking'; shipped ones are beijing, ftx"),
        (("beijing", "--asset", "ETH"), "ETH is not among the holdings"),
    ],
)
def test_what_cannot_be_drafted_is_refused(mandate: Path, words: tuple[str, ...], says: str) -> None:
    done = call("plan", "draft", words[0], mandate, *words[1:])
    assert done.returncode == ExitCode.USAGE
    assert says in done.stderr
    assert not (mandate.parent / "plan.toml").exists()


def test_a_complete_draft_that_does_not_hold_together_is_refused(mandate: Path) -> None:
    answers = COMMON | ANSWERS["beijing"] | {"legs.0.qty": "0.4"}
    words = [word for key, value in answers.items() for word in ("--set", f"{key}={value}")]
    done = call("plan", "draft", "beijing", mandate, *words)
    assert done.returncode == ExitCode.USAGE
    assert "the legs add up to 0.4, the plan sells 0.5" in done.stderr
    assert not (mandate.parent / "plan.toml").exists()


def test_a_deposit_asks_what_it_must_cover(mandate: Path) -> None:
    """Beijing's 110 % is filled in; which coins, when to halt, and a rate between two currencies are asked."""
    paid = '\n[deposit]\namount = "400000"\ncurrency = "CNY"\nform = "cash"\n'
    mandate.write_text(mandate.read_text() + paid)
    answers = COMMON | ANSWERS["beijing"]
    assert set(drafted("beijing", mandate, answers)["open"]) == {
        "cover.coins", "cover.halt_percent", "cover.rates.USD",
    }  # fmt: skip
    (mandate.parent / "plan.toml").unlink()
    said = {"cover.coins": "all", "cover.halt_percent": "100", "cover.rates.USD": "7.1"}
    assert drafted("beijing", mandate, answers | said)["open"] == {}
    cover = tomllib.loads((mandate.parent / "plan.toml").read_text())["cover"]
    assert (str(cover["release_percent"]), cover["warn_percents"]) == ("110", ["110", "105", "100"])
    assert len(call("plan", "hash", mandate).stdout.strip()) == 64


def test_a_plan_is_not_overwritten(mandate: Path) -> None:
    drafted("beijing", mandate, {})
    again = call("plan", "draft", "beijing", mandate)
    assert again.returncode == ExitCode.USAGE
    assert "never overwritten" in again.stderr


def test_signed_terms_beside_a_plan_are_not_overwritten(mandate: Path) -> None:
    terms = mandate.with_name("plan.benchmark.toml")
    terms.write_text("# agreed and signed")
    refused = call("plan", "draft", "shanghai", mandate)
    assert refused.returncode == ExitCode.USAGE
    assert f"{terms} exists already; a draft is never overwritten" in refused.stderr
    assert terms.read_text() == "# agreed and signed"
    assert not (mandate.parent / "plan.toml").exists()


def test_a_disk_that_is_full_leaves_nothing_that_blocks_the_next_draft(
    mandate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(mandate.parent.iterdir())
    synced = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        failed = call("plan", "draft", "shanghai", mandate)
    assert failed.returncode == ExitCode.ERROR
    assert "No space left on device" in failed.stderr
    assert set(mandate.parent.iterdir()) == before
    assert len(drafted("shanghai", mandate, {})["files"]) == 2
    assert len(set(mandate.parent.iterdir()) - before) == 2


def test_a_file_that_appears_meanwhile_is_not_overwritten_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("another's")
    with pytest.raises(FileExistsError) as taken:
        write_new({tmp_path / "a": "ours", tmp_path / "b": "ours"})
    assert taken.value.filename == str(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").read_text() == "another's"
