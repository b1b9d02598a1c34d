"""Only the best of enough quotes is accepted, as the record of the round shows it, or another under a signed rule.

Asked where the intent is written, so that no caller of the engine can take a worse quote, one that was never asked for,
or one of too few. (Beijing: "ask for quotes, deal at the best quote", LIHKG repost, C.)
"""

from collections.abc import Collection, Sequence

from executor.domain.events import ChildIntended, QuoteAnswer, QuotesAsked
from executor.domain.preferences import Preference
from executor.guards.verdict import ALLOW, Verdict, refuse, wait


def check(
    asked: QuotesAsked | None,
    intent: ChildIntended,
    min_quotes: int,
    preferences: Sequence[Preference],
    affiliates: Collection[str],
) -> Verdict:
    """Judge the acceptance of a quote by the latest round of its leg, ``asked``. ``preferences`` are those in force
    now, ``affiliates`` the names in the register, in small letters."""
    answers = asked.answers if asked is not None else []
    found = [a for a in answers if (a.venue, a.quote_id) == (intent.venue, intent.quote_id) and a.quote_id]
    if asked is None or len(found) != 1 or (found[0].notional, asked.qty) != (intent.notional, intent.qty):
        return refuse("quotes.record", f"the record of the last round holds no such quote of {intent.venue}")
    (mine,) = found
    if mine.counterparty.casefold() in affiliates:
        return refuse("conflict", f"{mine.counterparty} stands in the register of affiliates and may not buy")
    if not mine.executable or mine.left_out:
        return refuse("quotes.record", f"the quote of {mine.venue} was left out: {mine.left_why or 'indicative'}")
    competing = [a for a in answers if a.quote_id and a.executable and a.left_out in ("", "floor")]
    if len(competing) < min_quotes:
        return refuse("quotes.number", f"{len(competing)} quotes can be accepted, the plan wants {min_quotes}")
    return _best(mine, [a for a in competing if not a.left_out], preferences)


def _best(mine: QuoteAnswer, good: Sequence[QuoteAnswer], preferences: Sequence[Preference]) -> Verdict:
    paid, best = mine.notional, max((a for a in good if a.notional is not None), key=lambda a: a.notional or 0)
    if paid is None or best.notional is None or paid >= best.notional:
        return ALLOW
    if any(rule.allows(mine.venue, mine.counterparty, paid, best.notional) for rule in preferences):
        return ALLOW
    why = f"{paid} at {mine.venue} is not the best quote, {best.notional} at {best.venue}, and no rule for another "
    return wait("quotes.best", why + "that two people have signed is in force (`executor plan prefer`)")
