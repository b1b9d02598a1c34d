"""The example plan, whole: real adapters over the mocked venues, a day in seconds, exact to the last digit."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
from pydantic import SecretStr

from adapters.clock import LoopClock
from adapters.mock.keys import API_KEY, SECRET
from adapters.mock.world import Credit, MockWorld, WorldSpec
from adapters.registry import adapter
from adapters.venue import Venue
from config.mandates import load_mandate
from config.settings import TEMPLATES, adapter_settings, load_profile
from executor.domain.events import ChildIntended, FillRecorded, QuotesAsked
from executor.domain.orders import ParentStatus
from executor.domain.plan import Mandate, Plan
from executor.engine.runner import Runner
from executor.journal.journal import Journal
from executor.journal.line import Line
from executor.journal.sqlite import SqliteStore
from executor.report.summary import summarise
from tests.approved import approve
from tests.engine.rig import virtual

D = Decimal
START = datetime(2026, 3, 2, 1, tzinfo=UTC)
EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "examples" / "beijing-500btc.toml"
# Names under which the two faces take a client id and a limit price.
IDS, PRICES = ("newClientOrderId", "clientOrderId", "clOrdID"), ("price", "px")


def world_of(mandate: Mandate, plan: Plan, clock: LoopClock) -> MockWorld:
    credits = [Credit(c.venue, c.account, c.asset, c.qty) for c in mandate.credited]
    return MockWorld(WorldSpec("BTC", "USD", plan.seed, START - timedelta(minutes=1), D(100_000), credits), clock)


def connected(world: MockWorld, plan: Plan, clock: LoopClock, wire: list[dict[str, str]]) -> Sequence[Venue]:
    """The real adapters; what they post is kept in ``wire``."""

    async def note(request: httpx.Request) -> None:
        if request.method == "POST" and "order" in request.url.path.lower():
            body = request.content.decode()
            said = json.loads(body) if body.startswith("{") else dict(parse_qsl(body))
            wire.append(dict(parse_qsl(request.url.query.decode())) | {key: str(each) for key, each in said.items()})

    venues = []
    for name in plan.venues:
        profile = load_profile(TEMPLATES / f"{name}-mock.toml")
        keys = {"api_key": SecretStr(API_KEY), "secret": SecretStr(SECRET)}
        client = world.client(name)
        client.event_hooks["request"].append(note)
        venues.append(adapter(profile.adapter)(adapter_settings(profile, keys), client, clock))
    return venues


@pytest.mark.parametrize("seed", [20260417, 1, 2])
@virtual
async def test_the_example_plan_sells_all_of_it_exactly(seed: int, tmp_path: Path) -> None:
    """Fills add up to the quantity; the mock's cash, the record and the summary agree; nothing is under the floor."""
    mandate, plan = load_mandate(EXAMPLE)
    plan = plan.model_copy(update={"seed": seed})
    clock, wire, lines = LoopClock(START), list[dict[str, str]](), list[Line]()
    world = world_of(mandate, plan, clock)
    store = SqliteStore(tmp_path / "journal.sqlite")
    approve(store, mandate, plan, START)
    journal = Journal(store, threaded=False)
    runner = Runner(mandate, plan, connected(world, plan, clock, wire), journal, clock, observer=lines.append)
    state = await runner.run()
    await runner.aclose()
    assert state.status is ParentStatus.COMPLETED

    fills = [line.event for line in lines if isinstance(line.event, FillRecorded)]
    assert sum((fill.qty for fill in fills), D(0)) == plan.qty == D(500)
    assert len({(fill.venue, fill.trade_id) for fill in fills}) == len(fills)
    assert all(fill.px >= plan.floor_px for fill in fills)
    gross = sum((fill.px * fill.qty for fill in fills), D(0))
    fees = sum((fill.fee for fill in fills), D(0))
    summary = summarise(state)
    cash = sum((world.cash(name) for name in plan.venues), D(0))
    assert cash == gross - state.rounding - fees == D(summary["proceeds"])
    assert {fill.fee_asset for fill in fills} == {"USD"}
    assert sum((D(each["sold"]) for each in summary["by_venue"].values()), D(0)) == D(500)
    assert sum((D(each["gross"]) for each in summary["by_method"].values()), D(0)) == D(summary["gross"])

    intents = [line.event for line in lines if isinstance(line.event, ChildIntended)]
    ids = [intent.client_order_id for intent in intents]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z0-9-]{1,20}", each) for each in ids)
    assert all(len(line.event.answers) == 2 for line in lines if isinstance(line.event, QuotesAsked))
    _check_wire(wire, intents, plan)
    assert [line.version for line in journal.read(f"parent/{runner.parent_id}")] == list(range(1, len(lines) + 1))
    await journal.aclose()


def _check_wire(wire: list[dict[str, str]], intents: list[ChildIntended], plan: Plan) -> None:
    """Every order on the wire is one of the intents, once, with its limit, and no limit is under the floor."""
    prices = {}
    for sent in wire:
        (client_id,) = [sent[name] for name in IDS if name in sent] or [""]
        found = [D(sent[name]) for name in PRICES if name in sent]
        if client_id and found:
            assert client_id not in prices
            prices[client_id] = found[0]
    book = {intent.client_order_id: intent.limit_px for intent in intents if intent.method == "book"}
    assert prices == book
    assert min(prices.values()) >= plan.floor_px
