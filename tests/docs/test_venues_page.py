"""docs/venues.md names numbers and addresses of the adapters: they are those of the code."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.hashkey_wire import HashKeySettings
from adapters.osl_settings import PRODUCTION, OslSettings
from adapters.osl_v4 import CANCELS_PER_REQUEST

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "venues.md").read_text(encoding="utf-8")
OSL = OslSettings(PRODUCTION, SecretStr("key"), SecretStr("c2VjcmV0"))
HASHKEY = HashKeySettings(SecretStr("key"), SecretStr("secret"), "corporate")


@pytest.mark.parametrize(
    "said",
    [
        f"the largest cancel array (we send {CANCELS_PER_REQUEST} at most)",
        f"`api-expires` offset (we send {OSL.expires_in_s} s)",
        f"{OSL.looks} looks over {OSL.quiet_period.seconds} s, and the purse agrees "
        f"| {HASHKEY.looks} looks over {HASHKEY.quiet_period.seconds} s, and the purse agrees",
        f"| {OSL.requests_per_second} orders/s, {OSL.requests_per_second} queries/s (our choice",
        f"| {HASHKEY.orders_per_second} orders/s, {HASHKEY.queries_per_second} queries/s (the lower",
        *(
            f'for `kind = "{kind}"` | `{min(OslSettings.SITES[kind])}` | `{min(HashKeySettings.SITES[kind])}` |'
            for kind in ("production", "sandbox")
        ),
    ],
)
def test_what_the_page_says_is_what_the_adapters_do(said: str) -> None:
    assert said in PAGE
