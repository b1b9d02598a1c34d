"""Signatures, filters, fees, orders and quotes of HashKey, without a venue."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import SecretStr

from adapters import hashkey_parse as parse
from adapters.hashkey_parse import Malformed, Rates
from adapters.hashkey_wire import encode, sign
from adapters.venue import OrderStatus, Rejected

D = Decimal
# The documents' own sample secret; it opens nothing.
SECRET = SecretStr("lH3ELTNiFxCQTmi9pPcWWikhsjO04Yoqw3euoHUuOLC3GYBW64ZqzQsiOEHXQS76")
VECTORS = {
    "V0": (
        "symbol=ETHBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1538323200000",
        "5f2750ad7589d1d40757a55342e621a44037dad23b5128cc70e18ec1d1c3f4c6",
    ),
    "V0m": (
        "symbol=ETHBTC&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=0.1&recvWindow=5000&timestamp=1538323200000",
        "885c9e3dd89ccd13408b25e6d54c2330703759d7494bea6dd5a3d1fd16ba3afa",
    ),
    "V0c": (
        "timestamp=1538323200000&recvWindow=5000&symbol=ETHBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1",
        "dc3da333869e295f33e8ff4461093766f68f4c0e8e565295e0aea882814fd6ab",
    ),
    "V1": (
        "timestamp=1790000000000&recvWindow=5000&symbol=BTCUSD&side=SELL&type=LIMIT&quantity=0.12345&price=100000.12"
        "&timeInForce=IOC&newClientOrderId=lot-0007-c01",
        "c46a7a9bd1a406fdc44d9e4c184b50f734b2a332430056a1e2f13df7823157d2",
    ),
    "V2": (
        "timestamp=1790000000000&recvWindow=5000&origClientOrderId=lot-0007-c01",
        "a9d6d5e3540966599f79cb532a3ad3b046d42b3dd549b4ed9946d7a30cc192c1",
    ),
}


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_signature_vectors(name: str) -> None:
    message, signature = VECTORS[name]
    assert sign(SECRET, message) == signature


@pytest.mark.parametrize("value", ["lot 1", "lot+1", "lot/1", "lot&x=1", "", "拍賣"])
def test_nothing_is_sent_that_would_need_encoding(value: str) -> None:
    with pytest.raises(Rejected):
        encode({"newClientOrderId": value})


FILTERS: list[dict[str, str]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "100000.00000000", "tickSize": "0.01"},
    {
        "filterType": "LOT_SIZE",
        "minQty": "0.00001",
        "maxQty": "16",
        "stepSize": "0.00001",
        "marketOrderMinQty": "0.0001",
        "marketOrderMaxQty": "8",
    },
    {"filterType": "MIN_NOTIONAL", "minNotional": "10"},
    {
        "filterType": "TRADE_AMOUNT",
        "minAmount": "12",
        "maxAmount": "400000",
        "minBuyPrice": "0",
        "marketOrderMinAmount": "15",
        "marketOrderMaxAmount": "200000",
    },
    {"filterType": "LIMIT_TRADING", "maxSellPrice": "0", "buyPriceUpRate": "0.2", "sellPriceDownRate": "0.2"},
    {"filterType": "MARKET_TRADING", "buyPriceUpRate": "0.1", "sellPriceDownRate": "0.1"},
]
ROW: dict[str, object] = {
    "symbol": "BTCUSD",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USD",
    "retailAllowed": False,
    "piAllowed": True,
    "corporateAllowed": True,
    "omnibusAllowed": False,
    "filters": FILTERS,
}
RATES = Rates(D("0.0029"), D("0.0021"), frozenset({"USD"}))


def test_instrument_holds_every_bound() -> None:
    one = parse.instrument(ROW, "pi", RATES, D("1.99"))
    assert (one.tick_size, one.step_size) == (D("0.01"), D("0.00001"))
    assert (one.min_qty, one.max_qty) == (D("0.00001"), D(16))
    assert (one.min_notional, one.max_notional) == (D(12), D(400000))
    assert (one.min_px, one.max_px, one.max_below_reference) == (None, None, D("0.2"))
    assert (one.taker_fee, one.maker_fee, one.trading) == (D("0.0029"), D("0.0021"), True)
    assert one.min_order_fee == D("1.99")


def test_market_order_bounds_are_kept() -> None:
    bounds = parse.market_order_bounds(ROW)
    assert (bounds.min_qty, bounds.max_qty) == (D("0.0001"), D(8))
    assert (bounds.min_notional, bounds.max_notional, bounds.max_below_reference) == (D(15), D(200000), D("0.1"))


@pytest.mark.parametrize(
    ("client_type", "changed", "rates"),
    [
        ("retail", {}, RATES),
        ("omnibus", {}, RATES),
        ("pi", {"piAllowed": None}, RATES),
        ("pi", {"status": "HALT"}, RATES),
        ("pi", {"status": "RESUMING"}, RATES),
        ("pi", {}, None),
        ("pi", {}, Rates(D("0.001"), D("0.001"), frozenset({"HSK"}))),
    ],
)
def test_not_trading_has_a_reason(client_type: str, changed: dict[str, object], rates: Rates | None) -> None:
    one = parse.instrument({**ROW, **changed}, client_type, rates, D("1.99"))
    assert not one.trading
    assert one.why_not_trading


@pytest.mark.parametrize("missing", ["PRICE_FILTER", "LOT_SIZE", "MIN_NOTIONAL", "TRADE_AMOUNT"])
def test_a_pair_without_a_filter_is_unreadable(missing: str) -> None:
    filters = [one for one in FILTERS if one["filterType"] != missing]
    with pytest.raises(Malformed, match=missing):
        parse.instrument({**ROW, "filters": filters}, "pi", RATES, D("1.99"))


FILL: dict[str, object] = {
    "id": "2026000000000000001",
    "clientOrderId": "lot-0007-c01",
    "orderId": "20260000000000000001",
    "symbol": "BTCUSD",
    "price": "100000.12",
    "qty": "0.00123",
    "time": "1790000000000",
    "fee": {"feeCoinId": "USD", "feeCoinName": "USD", "fee": "0.35"},
    "feeSupplementaryAmount": "1.64",
}


def test_the_fee_is_the_total() -> None:
    one = parse.fill(FILL)
    assert (one.fee, one.fee_asset) == (D("1.99"), "USD")
    assert one.notional == D("0.00123") * D("100000.12")
    assert one.at == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "changed",
    [
        {"fee": None},
        {"fee": {}},
        {"fee": {"feeCoinId": "USD", "fee": ""}},
        {"fee": {"feeCoinId": "", "feeCoinName": "", "fee": "0.35"}},
        {"feeSupplementaryAmount": None},
        {"feeSupplementaryAmount": "-"},
        {"qty": "0"},
        {"price": "NaN"},
        {"time": "yesterday"},
    ],
)
def test_a_missing_number_is_never_a_zero(changed: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        parse.fill({**FILL, **changed})


ORDER: dict[str, object] = {
    "clientOrderId": "lot-0007-c01",
    "orderId": 20260000000000000001,
    "symbol": "BTCUSD",
    "origQty": "2",
    "executedQty": "0.5",
    "cumulativeQuoteQty": "50000.25",
    "status": "PARTIALLY_FILLED",
}


@pytest.mark.parametrize(
    ("word", "status", "terminal"),
    [
        ("NEW", OrderStatus.NEW, False),
        ("PARTIALLY_FILLED", OrderStatus.PARTIALLY_FILLED, False),
        ("PARTIALLY_CANCELED", OrderStatus.CANCELED, True),
        ("FILLED", OrderStatus.FILLED, True),
        ("CANCELED", OrderStatus.CANCELED, True),
        ("PENDING_CANCEL", OrderStatus.PENDING_CANCEL, False),
        ("REJECTED", OrderStatus.REJECTED, True),
        ("PENDING_NEW", OrderStatus.UNRECOGNISED, False),
    ],
)
def test_status_words(word: str, status: OrderStatus, terminal: bool) -> None:
    one = parse.order({**ORDER, "status": word})
    assert (one.status, one.raw_status, one.status.terminal) == (status, word, terminal)


def test_order_numbers() -> None:
    one = parse.order(ORDER)
    assert (one.venue_order_id, one.qty, one.cum_qty, one.avg_px) == (
        "20260000000000000001",
        D(2),
        D("0.5"),
        D("100000.50"),
    )
    assert parse.order({**ORDER, "executedQty": "0"}).avg_px is None


@pytest.mark.parametrize("changed", [{"executedQty": None}, {"executedQty": "3"}, {"status": ""}, {"orderId": None}])
def test_an_order_without_its_fields_is_malformed(changed: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        parse.order({**ORDER, **changed})


def test_book_must_be_in_order() -> None:
    good = {"t": 1790000000000, "b": [["100", "1"], ["99", "1"]], "a": [["101", "1"], ["102", "1"]]}
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert len(parse.book(good, "BTCUSD", now).bids) == 2
    for wrong in ({"b": [["99", "1"], ["100", "1"]]}, {"a": [["101", "0"]]}, {"b": None}, {"t": None}):
        with pytest.raises(Malformed):
            parse.book({**good, **wrong}, "BTCUSD", now)


@pytest.mark.parametrize(("created", "expires"), [("1725222781", "1725222836"), ("1725222781000", "1725222836000")])
def test_quote_times_in_seconds_or_milliseconds(created: str, expires: str) -> None:
    data = {
        "quoteId": "RFQ1",
        "buyCcy": "USD",
        "sellCcy": "BTC",
        "buyAmount": "250000.01",
        "sellAmount": "2.5",
        "quoteCreatedTime": created,
        "quoteExpiryTime": expires,
    }
    quote = parse.rfq_quote(data, "hashkey", "BTC", "USD", D("2.5"), executable=False)
    assert (quote.expires_at - quote.created_at).total_seconds() == 55
    assert quote.created_at.year == 2024
    assert (quote.notional, quote.px) == (D("250000.01"), D("100000.004"))
    with pytest.raises(Malformed):
        parse.rfq_quote(data, "hashkey", "BTC", "USD", D("2.6"), executable=False)


def test_balances_must_add_up() -> None:
    row = {"asset": "BTC", "total": "3", "free": "1", "locked": "2"}
    assert [(one.account, one.free, one.locked) for one in parse.balances({"balances": [row]}, "trading")] == [
        ("trading", D(1), D(2))
    ]
    for wrong in ({}, {"balances": [{**row, "total": "4"}]}, {"balances": [{**row, "free": None}]}):
        with pytest.raises(Malformed):
            parse.balances(wrong, "trading")


def test_rates_without_numbers_are_left_out() -> None:
    rows = [
        {"symbol": "BTCUSD", "actualTakerRate": "0.0029", "actualMakerRate": "0", "sellTakerFeeCurrency": "USD"},
        {"symbol": "ETHUSD"},
    ]
    assert parse.rates({"code": 0, "data": rows}) == {"BTCUSD": Rates(D("0.0029"), D(0), frozenset({"USD"}))}
    assert parse.rates({}) == {}
