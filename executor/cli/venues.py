"""`executor venues check`: connect, sign, and say what was seen, before anything is sold."""

import asyncio
import json
from typing import Any

import click

from adapters.clock import SystemClock
from adapters.venue import Permissions, Unauthorized, Venue, VenueError
from executor.cli.compose import Kind, connected, settings_for
from executor.domain.money import plain
from executor.engine.desk import refuse_unsafe_key
from executor.errors import CredentialsRefused, VenueUnreachable


@click.group("venues")
def venues() -> None:
    """Look at the venues of the venues directory."""


@venues.command("check")
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--on", "kind", type=click.Choice(["mock", "sandbox", "production"]), required=True, help="Which profiles."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a venue.")
def check(names: tuple[str, ...], kind: Kind, as_json: bool) -> None:
    """Connect to each of NAMES (osl, hashkey), sign a request, and show clock offset, pairs, purses and permissions.

    For production venues it fails unless the key can be seen, or was confirmed, to trade and not to withdraw."""
    faults = asyncio.run(_check_all(names, kind, as_json))
    if faults:
        raise faults[0]


async def _check_all(names: tuple[str, ...], kind: Kind, as_json: bool) -> list[CredentialsRefused | VenueUnreachable]:
    faults: list[CredentialsRefused | VenueUnreachable] = []
    for venue in connected(settings_for(quiet=True), names, kind, SystemClock()):
        try:
            seen = await _look(venue)
            _show(seen, as_json)
            if kind == "production":
                refuse_unsafe_key(venue.name, Permissions(seen["may_trade"], seen["may_withdraw"]))
        except Unauthorized as error:
            faults.append(CredentialsRefused(f"{error}; check the key of {venue.name} and its permissions"))
        except VenueError as error:
            faults.append(VenueUnreachable(str(error)))
        except CredentialsRefused as error:
            faults.append(error)
        finally:
            await venue.aclose()
        if faults:
            click.echo(f"{venue.name}: {faults[-1]}", err=True)
    return faults


async def _look(venue: Venue) -> dict[str, Any]:
    await venue.start()
    offset = await venue.clock_offset()
    instruments = await venue.instruments()
    permissions = await venue.permissions()
    balances = await venue.balances()
    return {
        "venue": venue.name,
        "clock_offset_ms": round(offset.total_seconds() * 1000),
        "pairs": len(instruments),
        "pairs_open": sorted(symbol for symbol, one in instruments.items() if one.trading),
        "may_trade": permissions.trade,
        "may_withdraw": permissions.withdraw,
        "permissions_note": permissions.note,
        "purses": [
            {"account": b.account, "asset": b.asset, "free": plain(b.free), "locked": plain(b.locked)} for b in balances
        ],
    }


def _show(seen: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(seen))
        return
    words = {True: "yes", False: "no", None: "not visible"}
    click.echo(
        f"{seen['venue']}: clock offset {seen['clock_offset_ms']} ms, {seen['pairs']} pairs, "
        f"open: {', '.join(seen['pairs_open'])}"
    )
    may = f"  may trade: {words[seen['may_trade']]}  may withdraw: {words[seen['may_withdraw']]}"
    click.echo(f"{may}  {seen['permissions_note']}".rstrip())
    for purse in seen["purses"]:
        click.echo(f"  {purse['account']:<12}{purse['asset']:<6} free {purse['free']}  locked {purse['locked']}")
