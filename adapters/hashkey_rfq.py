"""HashKey's Instant RFQ: quotes can be asked for by the public documents; executing one can not.

The call that executes a quote is in no public copy of the documents. Without the operator's ``rfq_accept_path`` every
acceptance is refused in a clear sentence. With it, the quote's id, our order id and the two currencies are posted
there (the parameters that the history page shows), and whatever that call answers, the venue's RFQ history decides.
"""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

from adapters import hashkey_parse as parse
from adapters.hashkey_errors import VENUE, Action
from adapters.hashkey_parse import Malformed, Row
from adapters.hashkey_wire import HashKeySettings, HashKeyWire, Params, unusable
from adapters.venue import Fill, NotSent, Quote, QuoteTrade, Rejected, RejectReason, Unknown, VenueError

_PAGE = 1000
_ONE_PER_SECOND = 2  # weight that turns two queries a second into the one that rfq/transactions allows
_LOOK_EVERY = timedelta(seconds=1)


class InstantRfq:
    """Quotes, acceptances and the history of quotes of one account."""

    def __init__(self, settings: HashKeySettings, wire: HashKeyWire) -> None:
        self._settings = settings
        self._wire = wire

    async def quote(self, base: str, quote: str, qty: Decimal) -> Quote:
        """POST ``/api/v1/rfq/getQuote`` (HashKey docs, Get RFQ Quote). It moves nothing, so an unclear answer is
        merely no quote."""
        params = {"buyCcy": quote, "sellCcy": base, "sellAmount": format(qty, "f")}
        try:
            data = await self._wire.send("POST", "/api/v1/rfq/getQuote", params, Action.READ)
        except Unknown as unclear:
            raise NotSent(VENUE, f"no quote: {unclear.message}", code=unclear.code) from None
        try:
            asked = parse.rfq_quote(
                data, VENUE, base, quote, qty, executable=self._settings.rfq_accept_path is not None
            )
        except Malformed as why:
            raise unusable(str(why), Action.READ) from None
        if asked.notional <= 0:
            raise Rejected(VENUE, "the quote pays nothing", reason=RejectReason.NO_PRICE)
        return asked

    async def accept(self, quote: Quote, client_order_id: str, symbol: str) -> Fill:
        """Accept once, then read the outcome from the history. Anything that stays unclear is ``Unknown``."""
        path = self._settings.rfq_accept_path
        if path is None:
            raise Rejected(
                VENUE,
                "HashKey does not document how to execute an Instant RFQ quote: ask HashKey for the call and set "
                "rfq_accept_path; nothing was sent",
                reason=RejectReason.NOT_CONFIGURED,
            )
        if quote.expires_at <= self._wire.venue_now():
            raise Rejected(VENUE, "the quote is past its life; nothing was sent", reason=RejectReason.EXPIRED)
        params = {
            "quoteId": quote.quote_id,
            "clientOrderId": client_order_id,
            "buyCcy": quote.quote,
            "sellCcy": quote.base,
        }
        await self._wire.send("POST", path, params, Action.ACCEPT)
        settled = await self._outcome(quote, client_order_id)
        if (settled.base, settled.quote, settled.qty) != (quote.base, quote.quote, quote.qty):
            raise Unknown(VENUE, "the RFQ history shows another pair or amount for this quote")
        return Fill(
            trade_id=settled.trade_id,
            client_order_id=client_order_id,
            venue_order_id=settled.trade_id,
            symbol=symbol,
            qty=settled.qty,
            px=quote.px,
            notional=settled.notional,
            fee=settled.fee,
            fee_asset=quote.quote,
            at=settled.at,
        )

    async def trades(self, base: str, quote: str, since: datetime) -> list[QuoteTrade]:
        """Finished RFQ trades of the pair from ``/api/v1/rfq/transactions``, oldest first. No reading while an
        acceptance of the pair since then is under way: it is no trade yet, and it may become one."""
        found: dict[str, QuoteTrade] = {}
        seen: set[tuple[str, str]] = set()
        page = 1
        while True:
            listed = await self._history({"page": str(page), "limit": str(_PAGE)})
            known = len(seen)
            seen.update((str(entry.get("quoteId")), str(entry.get("rfqOrderId"))) for entry in listed)
            for entry in listed:
                if (entry.get("sellCcy"), entry.get("buyCcy")) == (base, quote) and _under_way(entry, since):
                    raise NotSent(VENUE, f"the RFQ history calls an acceptance {entry.get('status')!s:.20}")
            try:
                done = [parse.rfq_trade(entry) for entry in listed if entry.get("status") == "Successful"]
            except Malformed as why:
                raise unusable(str(why), Action.READ) from None
            found.update({trade.trade_id: trade for trade in done})
            if len(listed) < _PAGE:
                break
            if len(seen) == known:
                raise NotSent(VENUE, "the RFQ history gives the same page again: what else it holds is not known")
            page += 1
        wanted = [one for one in found.values() if (one.base, one.quote) == (base, quote) and one.at >= since]
        return sorted(wanted, key=lambda one: (one.at, one.trade_id))

    async def _outcome(self, quote: Quote, client_order_id: str) -> QuoteTrade:
        """Look until the history calls the acceptance Successful or Failed, or patience runs out."""
        looks = max(1, self._settings.rfq_settle_patience // _LOOK_EVERY)
        why, there = "the RFQ history does not show the acceptance", False
        for look in range(looks):
            if look:
                await asyncio.sleep(_LOOK_EVERY.total_seconds())
            try:
                listed = await self._history({"clientOrderId": client_order_id})
                ours = [one for one in listed if one.get("quoteId") == quote.quote_id]
                status = parse.text(ours[0], "status") if len(ours) == 1 else ""
                if status == "Successful":
                    return parse.rfq_trade(ours[0])
            except (VenueError, Malformed) as error:
                why = f"accepted, but the RFQ history cannot be read: {error}"
                continue
            if status == "Failed":
                raise Rejected(VENUE, "the RFQ history calls the acceptance failed", code=status)
            why, there = (f"the RFQ history calls the acceptance {status}", True) if status else (why, there)
        raise Unknown(VENUE, why, exists=there)

    async def _history(self, params: Params) -> list[Row]:
        data = await self._wire.get("/api/v1/rfq/transactions", params, weight=_ONE_PER_SECOND)
        try:
            return parse.rfq_rows(data)
        except Malformed as why:
            raise unusable(str(why), Action.READ) from None


def _under_way(entry: Row, since: datetime) -> bool:
    """Accepted since then and without an end. A quote that was only asked for has no order id of ours."""
    if not entry.get("clientOrderId") or entry.get("status") in ("Successful", "Failed"):
        return False
    try:
        return parse.moment(entry, "submitTime") >= since
    except Malformed:
        return True
