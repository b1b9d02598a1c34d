"""Puts the parts of a command together: venues from profiles, journal, display, logging."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import httpx
from pydantic import SecretStr

from adapters.clock import Clock
from adapters.mock.keys import API_KEY, SECRET
from adapters.registry import adapter
from adapters.venue import Venue, VenueTraits
from config.logging import configure_logging
from config.settings import PREFIX, Settings, VenueProfile, adapter_settings, load_keys, load_settings
from executor.cli.output import Display
from executor.domain.orders import ParentStatus
from executor.domain.parent import Parent
from executor.engine.narrate import narrate
from executor.engine.parent_log import Observer
from executor.errors import InputRefused, RuleRefused
from executor.exit_codes import ExitCode
from executor.journal.line import Line
from executor.report.summary import summarise

if TYPE_CHECKING:  # at run time it would bring numpy into every run
    from adapters.mock.world import MockWorld

Kind = Literal["mock", "sandbox", "production"]
WIRE_TIMEOUT = httpx.Timeout(10, connect=5)


def settings_for(quiet: bool) -> Settings:
    """Settings, with logging set up. ``quiet`` keeps rehearsals to warnings unless the environment says otherwise."""
    settings = load_settings()
    level = "error" if quiet and "log_level" not in settings.model_fields_set else settings.log_level
    configure_logging(settings.log_format, level)
    return settings


def profiles(settings: Settings, names: Sequence[str], kind: Kind) -> list[VenueProfile]:
    """The profile of each venue for this kind of place. Raises ``InputRefused``."""
    found = []
    for name in names:
        profile = settings.profile(name if kind == "production" else f"{name}-{kind}")
        if profile.kind != kind:
            raise InputRefused(f"venue profile {profile.name} is of kind {profile.kind}, {kind} was asked for")
        found.append(profile)
    return found


def mocked(world: "MockWorld", settings: Settings, names: Sequence[str], clock: Clock) -> list[Venue]:
    """Real adapters whose wire ends in the mocked venues of ``world``."""
    _refuse_strangers(names, world.apps)
    return [
        _build(profile, _mock_keys(), world.client(profile.adapter), clock)
        for profile in profiles(settings, names, "mock")
    ]


def traits_of(settings: Settings, names: Sequence[str], known: Collection[str], clock: Clock) -> dict[str, VenueTraits]:
    """What the real adapters document of their venues, by name. Nothing is connected. Raises ``RuleRefused`` for a
    venue that is not among the ``known`` ones."""
    _refuse_strangers(names, known)
    unused = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    return {
        profile.adapter: _build(profile, _mock_keys(), unused, clock).traits
        for profile in profiles(settings, names, "mock")
    }


def _refuse_strangers(names: Sequence[str], known: Collection[str]) -> None:
    strangers = [name for name in names if name not in known]
    if strangers:
        raise RuleRefused(f"venue: {', '.join(strangers)} cannot be rehearsed; mocked venues: {', '.join(known)}")


def connected(
    settings: Settings,
    names: Sequence[str],
    kind: Kind,
    clock: Clock,
    client: Callable[[str], httpx.AsyncClient] = lambda _profile: httpx.AsyncClient(timeout=WIRE_TIMEOUT),
) -> list[Venue]:
    """Adapters over real sockets; ``client`` makes the connection of a profile. Raises ``CredentialsRefused`` when a
    key is missing, and ``InputRefused`` for a proxy that the client cannot use."""
    return [
        _build(profile, _keys(profile, settings), _reached_by(client, profile.name), clock)
        for profile in profiles(settings, names, kind)
    ]


def _reached_by(client: Callable[[str], httpx.AsyncClient], profile: str) -> httpx.AsyncClient:
    """The HTTP client reads the proxy from the environment when it is made; a proxy's address may hold a password."""
    try:
        return client(profile)
    except (ValueError, ImportError, httpx.InvalidURL):
        raise InputRefused(
            "the proxy named by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or NO_PROXY cannot be used; write http://host:port"
        ) from None


def _build(profile: VenueProfile, keys: dict[str, SecretStr], client: httpx.AsyncClient, clock: Clock) -> Venue:
    venue = adapter(profile.adapter)(adapter_settings(profile, keys), client, clock)
    rfq = venue.traits.rfq
    rfq = replace(rfq, hours=profile.hours.quotes) if rfq is not None else None
    venue.traits = replace(venue.traits, hours=profile.hours.orders, rfq=rfq)
    return venue


def _mock_keys() -> dict[str, SecretStr]:
    # The mock's keys are public: they open nothing but the mock.
    return {"api_key": SecretStr(API_KEY), "secret": SecretStr(SECRET)}


def _keys(profile: VenueProfile, settings: Settings) -> dict[str, SecretStr]:
    """The operator's keys. A mock needs none: the public ones are used where the environment names no others."""
    if profile.kind != "mock":
        return load_keys(profile, settings)
    stem = f"{PREFIX}{profile.name}".replace("-", "_").upper()
    public = {f"{stem}_{name.upper()}": key.get_secret_value() for name, key in _mock_keys().items()}
    return load_keys(profile, settings.model_copy(update={"secrets_dir": None}), public | dict(os.environ))


def observer(display: Display) -> Observer:
    """Tells the display and the log of every durable event."""

    def told(line: Line) -> None:
        display.event(line)
        narrate(line)

    return told


def finish(state: Parent, display: Display, extra: dict[str, Any]) -> ExitCode:
    """Show the summary; the exit code says whether all was sold."""
    display.summary(summarise(state) | extra)
    return ExitCode.OK if state.status is ParentStatus.COMPLETED and not state.breaks else ExitCode.REFUSED
