"""The venues of the planning mode over one market: the pairs, fees and bounds of the mocked OSL and HashKey."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.clock import Clock
from adapters.mock.dealers import Dealers
from adapters.mock.hashkey_rows import HashKeyRules
from adapters.mock.osl_rows import PairRules
from adapters.mock.params import VenueGrid
from adapters.mock.planning_market import PlanningBook, PlanningMarket
from adapters.mock.planning_venue import PlanningVenue, Sold
from adapters.mock.world import FEES, HASHKEY_MIN_ORDER_FEE, WorldSpec
from adapters.venue import Instrument, VenueTraits

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class PlanningWorld:
    """``venues`` are in the order of the traits that were given; ``sold`` is what they brought together."""

    market: PlanningMarket
    venues: list[PlanningVenue]
    sold: Sold


def planning_world(spec: WorldSpec, clock: Clock, traits: Mapping[str, VenueTraits]) -> PlanningWorld:
    """Venues in memory with the traits of the real adapters, by name."""
    market, sold = PlanningMarket(spec.market_params, spec.seed, spec.start, spec.start_px), Sold()
    venues = []
    for number, (name, told) in enumerate(traits.items()):
        instrument = _instrument(name, spec)
        venues.append(
            PlanningVenue(
                name,
                told,
                instrument,
                clock,
                market=market,
                book=PlanningBook(market, spec.venue_params, VenueGrid(instrument.tick_size, instrument.step_size)),
                dealers=Dealers(market, spec.market_params, spec.seed + number),
                purses=_purses(name, told, spec),
                min_order_fee=HASHKEY_MIN_ORDER_FEE if name == "hashkey" else _ZERO,
                sold=sold,
            )
        )
    return PlanningWorld(market, venues, sold)


def _purses(name: str, traits: VenueTraits, spec: WorldSpec) -> dict[str, Decimal]:
    accounts = {traits.order_account, *([traits.rfq.account] if traits.rfq else [])}
    return {
        account: sum(
            (
                credit.qty
                for credit in spec.credits
                if (credit.venue, credit.account, credit.asset) == (name, account, spec.base)
            ),
            _ZERO,
        )
        for account in sorted(accounts)
    }


def _instrument(name: str, spec: WorldSpec) -> Instrument:
    osl, hashkey = PairRules(), HashKeyRules()
    rules: PairRules | HashKeyRules = osl if name == "osl" else hashkey
    values = (osl.min_value, osl.max_value) if name == "osl" else (hashkey.min_notional, hashkey.max_notional)
    taker, maker = FEES[name]
    return Instrument(
        symbol=spec.base + spec.quote,
        base=spec.base,
        quote=spec.quote,
        tick_size=rules.tick,
        step_size=rules.step,
        min_qty=rules.min_qty,
        max_qty=rules.max_qty,
        min_notional=values[0],
        max_notional=values[1],
        taker_fee=taker,
        maker_fee=maker,
        trading=True,
        min_order_fee=HASHKEY_MIN_ORDER_FEE if name == "hashkey" else _ZERO,
    )
