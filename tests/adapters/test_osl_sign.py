"""Every published or computed vector of OSL's three signatures, and the tonce."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.osl_sign import Tonce, sign_institution, sign_v3, sign_v4

SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
INSTITUTION_SECRET = "test-secret-0123456789abcdef"
ORDER = {
    "symbol": "BTCUSD",
    "side": "Sell",
    "ordType": "Limit",
    "orderQty": "0.25",
    "price": "86196.1",
    "timeInForce": "ImmediateOrCancel",
    "clOrdID": "hkx-000001",
}
NOW = datetime(2026, 9, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "body", "signature"),
    [
        (
            "api/3/retail/quote",
            '{"quoteRequest": {"buyTradedCurrency": false, "tradedCurrency": "BTC", "settlementCurrency": "USD", '
            '"tradedCurrencyAmount": "0.25"}, "tonce": 1790000000000000}',
            "s5MahfDEGCQhJt7Qv97ud0NrOlrZO4WO9zgC1/vlhezFK+zdjHTLuvynN1olPTUBndMT0ML/bOINBPCSCwGWJg==",
        ),
        (
            "api/3/retail/trade",
            '{"tradeRequest": {"quoteId": "QID"}, "tonce": 1790000000500000}',
            "M3kCUb2qJWNXnfz+xf6utOqIfRR2HNTqUg1mtbw7KXzWqeW2AAIu0myqElZqPopRd4STjdvGWNrIS9nj2oBttA==",
        ),
    ],
)
def test_v3_vectors(path, body, signature):
    assert sign_v3(SECRET, path, body) == signature


@pytest.mark.parametrize(
    ("method", "path", "body", "signature"),
    [
        (
            "GET",
            "/api/v4/order?symbol=BTCUSD&open=true",
            "",
            "HXJ4i7eQB8VrN+QQnVfwfQfVJo4rYmzVGr2wF+/wpH4FAip9eHpDPCUieQsanVWcFp+KuJMi92yCOZ9j7ki+1Q==",
        ),
        (
            "POST",
            "/api/v4/order",
            json.dumps(ORDER),
            "pELkWfQTT4L58ksArvO1Tnpp+kvFiIFXwKADVgNfhdeybLNnaEgchC5bXcsyQvLECxLu3sZ5OWhmbXJJxrn06w==",
        ),
        (
            "DELETE",
            "/api/v4/order",
            '{"orderID": ["OID1"]}',
            "AAPuWyg7uHsA4lvkmyT4iHPnwiMovUZHhMClyZp9Xyx8BuDepSsxWdVEbnyZFSJcGwTFrR+0aytKy34Uct4Sew==",
        ),
    ],
)
def test_v4_vectors(method, path, body, signature):
    assert sign_v4(SECRET, method, path, 1790000010, body) == signature


@pytest.mark.parametrize(
    ("method", "query", "body", "signature"),
    [
        ("GET", "?symbol=BTCUSDT&limit=50", "", "sKndOMOPb7j+uXQhTtKiEW+GoOwhk6MfsLZ7MmjMz00="),
        (
            "POST",
            "",
            '{"symbol":"BTCUSDT","side":"sell","orderType":"limit","price":"86196.1","size":"0.25",'
            '"clientOid":"hkx-000001"}',
            "MhxNRjoEdfPfjRs60uGEVMnoGtcN3qtANQRxqb/T0JQ=",
        ),
    ],
)
def test_institution_vectors(method, query, body, signature):
    made = sign_institution(INSTITUTION_SECRET, 1790000000000, method, "/api/v2/trade/order", query, body)
    assert made == signature


def test_tonce_is_the_time_in_microseconds():
    assert Tonce().next(datetime(2026, 9, 21, 14, 13, 20, 500000, tzinfo=UTC)) == 1790000000500000


@given(st.lists(st.integers(-10_000_000, 10_000_000), min_size=2))
def test_tonce_only_moves_forward_whatever_the_clock_does(steps):
    tonce, now, given = Tonce(), NOW, []
    for step in steps:
        now += timedelta(microseconds=step)
        given.append(tonce.next(now))
    assert all(earlier < later for earlier, later in pairwise(given))
