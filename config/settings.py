"""What the operator decides outside a plan: where the journal is, how to log, which venues, and the venues' keys.

Settings come from the environment (``EXECUTOR_...``), venue profiles from TOML files. Keys and secrets never stand in
a file that could be committed: they are read from a secrets directory, one file each, or from the environment, and
are ``SecretStr`` from the first moment.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, cast, get_type_hints
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.venue import Hours
from config.journal_path import DEFAULT as DEFAULT_JOURNAL
from config.journal_path import place_of
from config.logging import LogFormat, LogLevel
from config.toml_file import faults, read_toml
from executor.errors import CredentialsRefused, InputRefused

PREFIX = "EXECUTOR_"
TEMPLATES = Path(__file__).resolve().parent / "venues"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# The settings of an adapter that comes with another package: a dataclass whose SecretStr fields are its keys. Its
# class attribute ``SITES``, if there is one, says at which addresses each kind of profile may be.
ENTRY_POINTS = "disposal_executor.venue_settings"
_BUILT_IN = {
    "osl": ("adapters.osl_settings", "OslSettings"),
    "hashkey": ("adapters.hashkey_wire", "HashKeySettings"),
}

# Stands in for a secret while a profile is checked without its keys; Base64, since OSL's must be.
_PLACEHOLDER = "cGxhY2Vob2xkZXI="

# A header carries it, which takes nothing else.
_ONE_LINE = re.compile("[ -~]+")

_SECRET_KEY = re.compile(r"api_?key|secret|passphrase|password|private_?key|token", re.IGNORECASE)


class Settings(BaseSettings):
    """The settings of one process; each field is the environment variable ``EXECUTOR_<FIELD>``.

    ``secrets_dir`` holds one file per key (``osl_api_key``, ``osl_secret``, ...), as Docker and Kubernetes mount them.
    ``venues_dir`` holds the venue profiles; the default is the templates that come with the program.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    journal: Path | SecretStr = DEFAULT_JOURNAL  # a URL may hold a password
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    secrets_dir: Path | None = None
    venues_dir: Path = TEMPLATES

    @field_validator("journal", mode="before")
    @classmethod
    def _file_or_url(cls, value: Any) -> Any:
        place = place_of(value) if isinstance(value, str) else value
        return SecretStr(place) if isinstance(place, str) else place

    def profile(self, name: str) -> "VenueProfile":
        """The venue profile ``<venues_dir>/<name>.toml``. Raises ``InputRefused``."""
        path = self.venues_dir / f"{name}.toml"
        if not path.is_file():
            known = ", ".join(sorted(each.stem for each in self.venues_dir.glob("*.toml"))) or "none"
            raise InputRefused(f"there is no venue profile {path}; profiles there: {known}")
        return load_profile(path)


class ProfileHours(BaseModel):
    """When a venue takes orders, and when its dealers answer requests for quote."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orders: Hours | None = None
    quotes: Hours | None = None


class VenueProfile(BaseModel):
    """One account at one venue. ``name`` is what plans and the record call it; ``settings`` belongs to the adapter.

    ``kind`` must be said, and must fit the address: only a mock may be on this machine, and a mock may be nowhere else;
    production and sandbox are where the adapter says that the venue has them, or play fills would be taken for a sale.
    ``hours`` are those that the venue has told the operator; what is absent does not bind.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")
    adapter: str
    kind: Literal["production", "sandbox", "mock"]
    settings: dict[str, Any]
    hours: ProfileHours = ProfileHours()

    @model_validator(mode="after")
    def _address_fits_kind(self) -> "VenueProfile":
        url = _split(str(self.settings.get("base_url", "")))
        if not url.hostname:
            raise ValueError('settings.base_url must be given, as "https://host"')
        if self.kind == "mock" and url.hostname not in LOOPBACK:
            raise ValueError('kind is "mock" but settings.base_url is not on this machine')
        if self.kind != "mock" and (url.hostname in LOOPBACK or url.scheme != "https"):
            raise ValueError(f'kind is "{self.kind}", so settings.base_url must be https and not on this machine')
        return self


def load_settings() -> Settings:
    """Settings from the environment. Raises ``InputRefused`` naming the variable."""
    try:
        return Settings()
    except ValidationError as error:
        lines = (f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        raise InputRefused("\n".join(lines)) from None


def load_profile(path: Path) -> VenueProfile:
    """A venue profile, checked as far as it can be without its keys. Raises ``InputRefused``."""
    table = read_toml(path)
    for key in _secret_keys(table):
        raise InputRefused(
            f"{path}: {key}: keys and secrets never stand in a profile; remove it, put it in the secrets directory "
            f"or the environment, and if this file was ever shared, have the key replaced at the venue"
        )
    try:
        profile = VenueProfile.model_validate(table)
    except ValidationError as error:
        raise InputRefused(faults(error, str(path))) from None
    wanted = _settings_class(profile.adapter, str(path))
    placeholders = {name: SecretStr(_PLACEHOLDER) for name in _secret_fields(wanted)}
    _build(wanted, profile, placeholders, str(path))
    return profile


def load_keys(
    profile: VenueProfile, settings: Settings, environ: Mapping[str, str] = os.environ
) -> dict[str, SecretStr]:
    """Every secret that the adapter's settings name. Raises ``CredentialsRefused`` naming file and variable."""
    stem = profile.name.replace("-", "_")
    names = _secret_fields(_settings_class(profile.adapter, f"venue {profile.name}"))
    return {name: _read_secret(f"{stem}_{name}", settings.secrets_dir, environ) for name in names}


def adapter_settings(profile: VenueProfile, keys: Mapping[str, SecretStr]) -> Any:
    """What the adapter's constructor takes first, as ``adapters.registry`` calls it. Raises ``InputRefused``."""
    where = f"venue {profile.name}"
    return _build(_settings_class(profile.adapter, where), profile, keys, where)


def _split(address: str) -> SplitResult:
    """Raises ``ValueError`` where the HTTP client would find no address in it, or another one."""
    url = urlsplit(address)
    try:
        known = url.port is None or url.port > 0
    except ValueError:
        known = False
    if not known:
        raise ValueError("settings.base_url: what stands behind the colon must be a port, 1 to 65535")
    if url.username is not None or not re.fullmatch("[!-~]*", address):
        raise ValueError('settings.base_url must be "https://host" in plain letters, without a user')
    return url


def _build(wanted: type, profile: VenueProfile, keys: Mapping[str, SecretStr], where: str) -> Any:
    unknown = list(_unknown_keys(wanted, profile.settings, "settings"))
    if unknown:
        raise InputRefused("\n".join(f"{where}: {key}: is not a known key; known: {known}" for key, known in unknown))
    _must_be_at_the_venue(wanted, profile, where)
    try:
        return TypeAdapter(wanted).validate_python(profile.settings | dict(keys))
    except ValidationError as error:
        raise InputRefused(faults(error, where, "settings")) from None


def _must_be_at_the_venue(wanted: type, profile: VenueProfile, where: str) -> None:
    """Raises ``InputRefused`` if the address is none that the adapter knows for this kind (``SITES``)."""
    sites: Mapping[str, frozenset[str]] = getattr(wanted, "SITES", {})
    allowed = sites.get(profile.kind)
    if allowed is not None and str(profile.settings["base_url"]).removesuffix("/") not in allowed:
        raise InputRefused(
            f'{where}: settings.base_url: kind "{profile.kind}" of adapter {profile.adapter} is at '
            f"{' or '.join(sorted(allowed))} and nowhere else; correct base_url or kind"
        )


def _settings_class(adapter: str, where: str) -> type:
    """The adapter's settings dataclass. Imported only now: an adapter pulls in the HTTP stack."""
    if adapter in _BUILT_IN:
        module, name = _BUILT_IN[adapter]
        return cast(type, getattr(import_module(module), name))
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if adapter not in found:
        known = ", ".join(sorted(_BUILT_IN | found))
        raise InputRefused(f"{where}: adapter: there is no adapter {adapter!r}; known: {known}")
    return cast(type, found[adapter].load())


def _secret_fields(wanted: type) -> list[str]:
    hints = get_type_hints(wanted)
    return [each.name for each in fields(wanted) if hints[each.name] is SecretStr]


def _unknown_keys(wanted: type, table: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """A dataclass ignores what it does not know; a mistyped key must not be ignored. Nested tables are looked into."""
    hints = get_type_hints(wanted)
    known = [each.name for each in fields(wanted) if hints[each.name] is not SecretStr]
    for key, value in table.items():
        if key not in known:
            yield f"{where}.{key}", ", ".join(known)
        elif isinstance(value, dict) and isinstance(hints[key], type) and is_dataclass(hints[key]):
            yield from _unknown_keys(hints[key], value, f"{where}.{key}")


def _secret_keys(table: Mapping[str, Any], where: str = "") -> Iterator[str]:
    for key, value in table.items():
        if _SECRET_KEY.search(key):
            yield f"{where}{key}"
        elif isinstance(value, dict):
            yield from _secret_keys(value, f"{where}{key}.")


def _read_secret(name: str, folder: Path | None, environ: Mapping[str, str]) -> SecretStr:
    """Two sources that both answer are refused: nobody could say afterwards which key had signed."""
    variable = f"{PREFIX}{name.upper()}"
    file = folder / name if folder is not None else None
    from_file = _file_text(file) if file is not None else ""
    from_environment = environ.get(variable, "").strip()
    if from_file and from_environment:
        raise CredentialsRefused(f"{name} is given twice, in {file} and in {variable}; remove one")
    if not (from_file or from_environment):
        place = f"the file {file}" if file else f"a file {name} in a directory named by {PREFIX}SECRETS_DIR"
        raise CredentialsRefused(f"{name} is missing; put it in {place}, or in the environment variable {variable}")
    found = from_file or from_environment
    if not _ONE_LINE.fullmatch(found):
        raise CredentialsRefused(
            f"{file if from_file else variable} must hold the key as one line of printable ASCII and nothing else; "
            "copy it anew from the venue"
        )
    return SecretStr(found)


def _file_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsRefused(f"{file} cannot be read ({type(error).__name__}); check owner and mode") from None
