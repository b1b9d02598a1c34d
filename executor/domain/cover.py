"""Deposit cover: the deposit against what it stands for, at the market's price.

    cover = deposit / (coins held * mark + proceeds on their way), in percent

Source: a deposit of 110 % of the seized value, so that the money is safe if the institution or its people abscond,
returned when the police receive the proceeds (Caixin). Which coins it stands for, at what price, in which currency and
what follows when the price rises is said in no source: the plan must.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from executor.domain.fields import Code, Frozen, PositiveAmount
from executor.domain.money import EXACT, RATIO, ZERO, add, plain, times

_HUNDRED = Decimal(100)
_CENT, _FINEST = Decimal("0.01"), Decimal("0.00000001")


class Cover(Frozen):
    """What the deposit must cover; nothing has a default.

    ``currency`` is the deposit's. ``coins``: it stands for ``all`` coins of the case that are neither sold nor
    returned, or for those ``reserved`` for a plan. ``release_percent``: coins are reserved only up to what gives this
    cover. ``halt_percent``: under it the sale is halted. ``warn_percents``, falling: people are told when the cover
    falls under each. ``rates``: what one unit of another currency, or of another asset of the case, is worth in
    ``currency``; fixed with the plan."""

    currency: Code
    coins: Literal["all", "reserved"]
    release_percent: PositiveAmount
    halt_percent: PositiveAmount
    warn_percents: Annotated[tuple[PositiveAmount, ...], Field(min_length=1)]
    rates: dict[Code, PositiveAmount] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _said_only(self, values: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = values(self)
        return {key: value for key, value in told.items() if key != "rates" or value}

    @model_validator(mode="after")
    def _consistent(self) -> "Cover":
        if self.halt_percent > self.release_percent:
            raise ValueError("cover.halt_percent is over release_percent: what was just released would be halted")
        if any(before <= after for before, after in pairwise(self.warn_percents)):
            raise ValueError("cover.warn_percents must fall, for example [110, 105, 100]")
        if self.currency in self.rates:
            raise ValueError(f"cover.rates: {self.currency} is the deposit's own currency and needs no rate")
        return self

    def fits(self, asset: str, quote_asset: str) -> str:
        """Why this cannot be the cover of a plan that sells ``asset`` for ``quote_asset``; empty if it can."""
        if asset in self.rates:
            return f"cover.rates: {asset} is valued at the market's price, not at a rate"
        if quote_asset != self.currency and quote_asset not in self.rates:
            return f"cover.rates.{quote_asset}: say what one {quote_asset} is worth in {self.currency}"
        return ""


class NoValue(Exception):
    """There is no rate for what the deposit stands for."""


@dataclass(frozen=True, slots=True)
class Stand:
    """How the deposit stands: its amount and, in the same currency, what it stands for, with ``held`` coins of the
    plan's asset at ``coin_px`` each; ``mark_px`` is the market's price in the quote asset."""

    terms: Cover
    deposit: Decimal
    exposure: Decimal
    held: Decimal
    coin_px: Decimal
    mark_px: Decimal

    def under(self, percent: Decimal) -> bool:
        """True if the cover is under ``percent``, exactly."""
        return times(self.deposit, _HUNDRED) < times(percent, self.exposure)

    @property
    def percent(self) -> Decimal | None:
        """The cover, two decimals, rounded down; ``None`` where there is nothing to cover."""
        if not self.exposure:
            return None
        return RATIO.divide(times(self.deposit, _HUNDRED), self.exposure).quantize(_CENT, ROUND_DOWN)

    @property
    def level(self) -> Decimal | None:
        """The lowest of the warning levels that the cover is under; ``None`` if it is under none."""
        return min((each for each in self.terms.warn_percents if self.under(each)), default=None)

    def covered(self, percent: Decimal) -> Decimal:
        """How many coins of the plan's asset the deposit covers at ``percent``, beside all else that it stands for."""
        rest = EXACT.subtract(self.exposure, times(self.held, self.coin_px))
        room = RATIO.divide(times(self.deposit, _HUNDRED), percent) - rest
        return RATIO.divide(max(room, ZERO), self.coin_px).quantize(_FINEST, ROUND_DOWN)

    def __str__(self) -> str:
        currency = self.terms.currency
        return (
            f"{plain(self.percent) if self.percent is not None else 'no'} %: {plain(self.deposit)} {currency} against "
            f"{plain(self.exposure)} {currency} at a mark of {plain(self.mark_px)}"
        )


def stand(
    terms: Cover,
    pair: tuple[str, str],
    deposit: Mapping[str, Decimal],
    coins: Mapping[str, Decimal],
    proceeds: Mapping[str, Decimal],
    mark_px: Decimal,
) -> Stand:
    """The cover at ``mark_px``; ``pair`` is the plan's asset and quote asset, ``coins`` and ``proceeds`` are what the
    deposit stands for. A deposit in another currency than the plan names does not count. Raises ``NoValue``."""
    asset, quote_asset = pair

    def worth(unit: str, amount: Decimal) -> Decimal:
        if unit == terms.currency:
            return amount
        if unit == asset:
            return worth(quote_asset, times(amount, mark_px))
        if unit not in terms.rates:
            raise NoValue(f"the case holds {plain(amount)} {unit}, and cover.rates of the plan has no rate for it")
        return times(amount, terms.rates[unit])

    exposure = ZERO
    for part in (coins, proceeds):
        for unit, amount in part.items():
            if amount:
                exposure = add(exposure, worth(unit, amount))
    held, coin_px = coins.get(asset, ZERO), worth(asset, Decimal(1))
    return Stand(terms, deposit.get(terms.currency, ZERO), exposure, held, coin_px, mark_px)
