"""OSL's pairs, put together from three public lists that each know a part.

``/api/v4/instrument`` has the bounds that the order book enforces; ``/api/v5/symbols`` knows which pairs are published,
to which kind of client, and the default fee rates; ``/api/3/currencyStatic`` says which pairs the brokerage trades.
Display decimals (``priceDecimals``, ``quantityDecimals``) are not used: they are not increments.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.osl_json import Malformed, flag, mapping, number, number_or_none, rows, text, text_or_empty
from adapters.osl_settings import OslSettings
from adapters.venue import Instrument

_AVAILABLE = {"pi": "piAvailable", "retail": "retailAvailable"}


@dataclass(frozen=True, slots=True)
class Listing:
    """``left_out`` names the pairs that could not be read, each with the reason. ``brokerage`` has an entry for every
    (base, quote) of the brokerage: empty when it may be sold there, else why not."""

    instruments: dict[str, Instrument]
    left_out: dict[str, str]
    brokerage: dict[tuple[str, str], str]


def listing(v4: object, v5: object, static: object, settings: OslSettings) -> Listing:
    """Join the three lists. Raises ``Malformed`` when one of them is no list at all."""
    published = {text(row, "symbol"): row for row in rows(v5, "the list of symbols")}
    brokerage = _brokerage(static)
    instruments: dict[str, Instrument] = {}
    left_out: dict[str, str] = {}
    for row in rows(v4, "the list of instruments"):
        symbol = text(row, "symbol")
        try:
            instruments[symbol] = _instrument(row, published.get(symbol), brokerage, settings)
        except Malformed as fault:
            left_out[symbol] = str(fault)
    return Listing(instruments, left_out, brokerage)


def _instrument(
    row: Mapping[str, object],
    published: Mapping[str, object] | None,
    brokerage: Mapping[tuple[str, str], str],
    settings: OslSettings,
) -> Instrument:
    base, quote = text(row, "currency"), text(row, "settlCurrency")
    if published is None:
        raise Malformed("not in /api/v5/symbols")
    why = _why_not_trading(published, settings) or brokerage.get((base, quote), "")
    taker, maker = settings.taker_fee, settings.maker_fee
    instrument = Instrument(
        symbol=text(row, "symbol"),
        base=base,
        quote=quote,
        tick_size=number(row, "tickSize"),
        step_size=number(row, "stepSize"),
        min_qty=number(row, "minOrderQty"),
        max_qty=number(row, "maxOrderQty"),
        min_notional=number(row, "minValue"),
        max_notional=number(row, "maxValue"),
        taker_fee=number(published, "takerFeeRate") if taker is None else taker,
        maker_fee=number(published, "makerFeeRate") if maker is None else maker,
        trading=not why,
        why_not_trading=why,
        min_px=number_or_none(row, "minPrice"),
        max_px=number_or_none(row, "maxPrice"),
    )
    if min(instrument.tick_size, instrument.step_size, instrument.max_qty, instrument.max_notional) <= 0:
        raise Malformed("an increment or an upper bound is zero or less")
    return instrument


def _why_not_trading(published: Mapping[str, object], settings: OslSettings) -> str:
    if text_or_empty(published, "status") != "1":
        return "not published"
    available = _AVAILABLE[settings.client_type]
    try:
        return "" if flag(published, available) else f"{available} is false"
    except Malformed:
        return f"{available} is not stated"


def _brokerage(static: object) -> dict[tuple[str, str], str]:
    inner = mapping(mapping(static, "the answer").get("currencyStatic"), "currencyStatic")
    found: dict[tuple[str, str], str] = {}
    for pair in mapping(inner.get("currencyPairs"), "currencyPairs").values():
        row = mapping(pair, "a currency pair")
        found[text(row, "tradedCcy"), text(row, "settlementCcy")] = _why_closed(row)
    return found


def _why_closed(row: Mapping[str, object]) -> str:
    """Why the pair may not be sold. A switch that is not stated is not taken for open."""
    try:
        engine = mapping(row.get("engineSettings"), "engineSettings")
        if not flag(engine, "tradingEnabled"):
            return "trading is not enabled"
        if flag(engine, "cancelOnly"):
            return "cancel only"
        return "selling is restricted" if flag(engine, "restrictedSell") else ""
    except Malformed as fault:
        return str(fault)
