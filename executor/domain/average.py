"""What must be agreed before an average over days means one number. Computed by :mod:`executor.market.benchmark`.

Shanghai sells at not less than the average price of the 20 days before the trade date (BlockBeats citing the Shanghai
High Court, 2025; Tianjin Daily). The sources do not say which venue feeds the average, closes or volume-weighted, where
a day ends, or in which currency: every one of these is a required parameter here and none has a default.
"""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from executor.domain.canonical import digest
from executor.domain.fields import Code, Frozen, Seconds
from executor.domain.trade_days import boundary

Rounding = Literal["up", "down", "half_even"]

_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class AverageTerms(Frozen):
    """How an average is made, apart from the day for which it is made. Nothing has a default.

    ``source`` says in words where the candles come from; ``pair`` is written as the source writes it; ``currency`` is
    that of its prices: nothing is converted. ``volume_unit`` is what the file's volume counts. ``candle_price`` belongs
    to the volume-weighted method. ``tolerated_missing_candles`` counts in days that have some candles,
    ``tolerated_missing_days`` counts days that have none. A floor is strictest with ``rounding`` ``up``.
    """

    source: _Text
    pair: _Text
    currency: Code
    candle_length: Seconds
    candle_stamp: Literal["open", "close"]
    method: Literal["mean_of_daily_closes", "volume_weighted"]
    candle_price: Literal["close", "hlc3", "ohlc4"] | None = None
    volume_unit: Literal["base", "quote"]
    day_boundary: str
    days: Annotated[int, Field(ge=1, le=366)]
    tolerated_missing_candles: Annotated[int, Field(ge=0)]
    tolerated_missing_days: Annotated[int, Field(ge=0)]
    rounding: Rounding
    decimals: Annotated[int, Field(ge=0, le=18)]

    @field_validator("day_boundary")
    @classmethod
    def _known(cls, value: str) -> str:
        boundary(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "AverageTerms":
        if (self.method == "volume_weighted") != (self.candle_price is not None):
            raise ValueError("candle_price belongs to method volume_weighted: give both or neither")
        if self.tolerated_missing_days >= self.days:
            raise ValueError("tolerated_missing_days must leave at least one day")
        return self

    @property
    def terms_sha256(self) -> str:
        """What a plan names when each trade date has its own average under the same terms."""
        return digest(self.model_dump(mode="json", include=set(AverageTerms.model_fields)))

    def values(self) -> dict[str, Any]:
        """The terms as JSON values."""
        return self.model_dump(mode="json")


class AverageParams(AverageTerms):
    """Terms and the trade date."""

    trade_date: Annotated[date, Field(ge=date(2009, 1, 3), le=date(2999, 12, 31))]
