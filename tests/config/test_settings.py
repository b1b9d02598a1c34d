"""Settings, venue profiles and keys: what is refused, and whether the refusal tells the operator what to do."""

from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.hashkey_wire import HashKeySettings
from adapters.mock.osl_rows import CLIENT_ID_FIELD, FIELDS
from adapters.osl_settings import OslSettings, missing, wrong_site
from config.settings import TEMPLATES, Settings, adapter_settings, load_keys, load_profile, load_settings
from executor.errors import CredentialsRefused, InputRefused

KEYS = {"api_key": SecretStr("the-key"), "secret": SecretStr("dGhlLXNlY3JldA==")}
PROFILE = """
name = "osl"
adapter = "osl"
kind = "production"
[settings]
base_url = "https://trade-hk.osl.com"
"""


def profile_file(folder: Path, text: str) -> Path:
    path = folder / "venue.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(InputRefused) as refused:
        load_profile(profile_file(folder, text))
    return str(refused.value)


def test_defaults_need_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXECUTOR_JOURNAL", raising=False)
    settings = load_settings()
    assert settings.journal == Path("var/journal.sqlite")
    assert settings.log_format == "auto"


def test_environment_is_read_and_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXECUTOR_JOURNAL", "/data/j.sqlite")
    assert load_settings().journal == Path("/data/j.sqlite")
    monkeypatch.setenv("EXECUTOR_LOG_FORMAT", "xml")
    with pytest.raises(InputRefused, match=r"EXECUTOR_LOG_FORMAT: .*'console'.*'json'"):
        load_settings()


@pytest.mark.parametrize("name", ["osl", "osl-mock", "hashkey", "hashkey-mock"])
def test_every_template_loads(name: str) -> None:
    profile = load_profile(TEMPLATES / f"{name}.toml")
    assert profile.name == name
    made = adapter_settings(profile, KEYS)
    assert isinstance(made, OslSettings if profile.adapter == "osl" else HashKeySettings)
    assert made.secret.get_secret_value() == "dGhlLXNlY3JldA=="


def test_osl_template_leaves_the_unpublished_names_to_the_operator() -> None:
    """The adapter must refuse to start on the bare template: those names decide how much was sold."""
    made = adapter_settings(load_profile(TEMPLATES / "osl.toml"), KEYS)
    assert isinstance(made, OslSettings)
    assert "fields.cum_qty" in missing(made)
    assert wrong_site(made.base_url) == ""


def test_osl_mock_profile_uses_the_names_of_the_mock() -> None:
    made = adapter_settings(load_profile(TEMPLATES / "osl-mock.toml"), KEYS)
    assert isinstance(made, OslSettings)
    assert (made.fields, made.client_id_on_create) == (FIELDS, CLIENT_ID_FIELD)
    assert missing(made) == ""


def test_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(
        InputRefused, match=r"no venue profile .*kraken\.toml; profiles there: hashkey, hashkey-mock, osl"
    ):
        Settings().profile("kraken")


def test_numbers_stay_exact(tmp_path: Path) -> None:
    made = adapter_settings(load_profile(profile_file(tmp_path, PROFILE + "taker_fee = 0.00080\n")), KEYS)
    assert str(made.taker_fee) == "0.00080"
    assert isinstance(made.taker_fee, Decimal)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROFILE.replace('kind = "production"\n', ""), "kind: is missing; add it"),
        (PROFILE.replace("[settings]", "mode = 1\n[settings]"), "mode: is not a known key; remove it"),
        (PROFILE + "timeout = 3\n", "settings.timeout: is not a known key; known: base_url, "),
        (PROFILE + '[settings.fields]\ncumqty = "x"\n', "settings.fields.cumqty: is not a known key; known: cum_qty"),
        (PROFILE + "timeout_s = 3\n", "settings: timeout_s must be 10 or more"),
        (PROFILE + 'client_type = "vip"\n', "settings.client_type: Input should be 'pi' or 'retail'"),
        (
            PROFILE.replace('"osl"\nkind', '"kraken"\nkind'),
            "adapter: there is no adapter 'kraken'; known: hashkey, osl",
        ),
        (PROFILE.replace("https://trade-hk.osl.com", "http://trade-hk.osl.com"), "must be https"),
        (PROFILE.replace("trade-hk.osl.com", "127.0.0.1"), "not on this machine"),
        (PROFILE.replace('"production"', '"mock"'), "not on this machine"),
        (PROFILE.replace("osl.com", "osl.com:abc"), "what stands behind the colon must be a port"),
        (PROFILE.replace("osl.com", "osl.com:65536"), "what stands behind the colon must be a port"),
        (PROFILE.replace("osl.com", "osl.com@example.org"), "in plain letters, without a user"),
        (PROFILE.replace("osl.com", "osl.com\\n"), "in plain letters, without a user"),
        ("name = ", "is not valid TOML"),
    ],
)
def test_a_wrong_profile_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    sentence = refusal(tmp_path, text)
    assert sentence.startswith(str(tmp_path / "venue.toml"))
    assert said in sentence


HASHKEY_PROFILE = """
name = "hashkey"
adapter = "hashkey"
kind = "production"
[settings]
base_url = "https://api-pro.hashkey.com"
client_type = "corporate"
"""


@pytest.mark.parametrize(
    ("text", "kind", "base_url"),
    [
        (PROFILE, "sandbox", "https://trade-hk.osl.com"),
        (PROFILE, "production", "https://trade-hk.oslsandbox.com"),
        (PROFILE, "production", "https://api.osl.com"),
        (PROFILE, "production", "https://trade-hk.osl.com/proxy"),
        (PROFILE, "production", "https://trade-hk.osl.com:8443"),
        (HASHKEY_PROFILE, "sandbox", "https://api-pro.hashkey.com"),
        (HASHKEY_PROFILE, "production", "https://api-pro.sim.hashkeydev.com"),
        (HASHKEY_PROFILE, "production", "https://api-glb.hashkey.com"),
        (HASHKEY_PROFILE, "production", "https://api-pro.hashkey.example.org"),
    ],
)
def test_each_kind_is_at_the_venues_own_address(tmp_path: Path, text: str, kind: str, base_url: str) -> None:
    """Play fills must not be recorded as a sale, nor a rehearsal sell, nor a signed order go to somebody else."""
    own = OslSettings.SITES if text is PROFILE else HashKeySettings.SITES
    other = text.replace('"production"', f'"{kind}"')
    for site in own["production"]:
        other = other.replace(site, base_url)
    assert f'settings.base_url: kind "{kind}" of adapter {"osl" if text is PROFILE else "hashkey"} is at' in refusal(
        tmp_path, other
    )


@pytest.mark.parametrize("ending", ["", "/"])
@pytest.mark.parametrize(("text", "sites"), [(PROFILE, OslSettings.SITES), (HASHKEY_PROFILE, HashKeySettings.SITES)])
def test_both_kinds_load_where_the_venue_has_them(
    tmp_path: Path, text: str, sites: dict[str, frozenset[str]], ending: str
) -> None:
    (production,) = sites["production"]
    for kind, (site,) in sites.items():
        changed = text.replace('"production"', f'"{kind}"').replace(production, site + ending)
        assert load_profile(profile_file(tmp_path, changed)).kind == kind


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("looks = 1", "one look proves nothing"),
        ('quiet_period = "PT0S"', "one look proves nothing"),
        ('quiet_period = "PT4S"', "quiet_period must not be shorter than recv_window_ms"),
        ("recv_window_ms = 0", "recv_window_ms and fills_page must be 1 or more"),
        ("fills_page = 0", "recv_window_ms and fills_page must be 1 or more"),
        ('timeout = "PT0S"', "timeout must be more than nothing"),
        ('rfq_settle_patience = "-PT1S"', "rfq_settle_patience not negative"),
        ('queries_per_second = "0"', "queries_per_second and orders_per_second must be more than 0"),
        ('orders_per_second = "-1"', "queries_per_second and orders_per_second must be more than 0"),
        ('queries_per_second = "5.1"', "queries_per_second must be 5 at most, orders_per_second 20"),
        ('orders_per_second = "1000"', "queries_per_second must be 5 at most, orders_per_second 20"),
        ('taker_fee = "29"', "must be fractions"),
        ('maker_fee = "-0.0001"', "must be fractions"),
        ('min_order_fee = "-5"', "min_order_fee must be 0 or more"),
        ('rfq_accept_path = "api/v1/rfq/accept"', "rfq_accept_path must begin with /"),
        ('rfq_accept_path = "@example.org/accept"', "rfq_accept_path must begin with /"),
        ('rfq_accept_path = "/accept?x=1"', "rfq_accept_path must begin with /"),
        ('rfq_accept_path = ""', "rfq_accept_path must begin with /"),
    ],
)
def test_hashkeys_settings_have_bounds(tmp_path: Path, line: str, said: str) -> None:
    assert said in refusal(tmp_path, HASHKEY_PROFILE + line)


@pytest.mark.parametrize("line", ['taker_fee = "29"', 'maker_fee = "1"', 'maker_fee = "-0.0001"'])
def test_osls_fees_are_fractions(tmp_path: Path, line: str) -> None:
    assert "must be fractions" in refusal(tmp_path, PROFILE + line)


def test_the_documented_bounds_themselves_are_taken(tmp_path: Path) -> None:
    lines = 'quiet_period = "PT5S"\nlooks = 2\nqueries_per_second = "5"\norders_per_second = "20"\nmaker_fee = "0"\n'
    load_profile(profile_file(tmp_path, HASHKEY_PROFILE + lines + 'rfq_accept_path = "/api/v1/rfq/accept"'))


def test_the_mock_of_hashkey_may_be_hurried(tmp_path: Path) -> None:
    mock = HASHKEY_PROFILE.replace("production", "mock").replace("https://api-pro.hashkey.com", "http://127.0.0.1:1")
    load_profile(profile_file(tmp_path, mock + 'queries_per_second = "1000"\nquiet_period = "PT2S"\nlooks = 2'))
    assert "must be more than 0" in refusal(tmp_path, mock + 'queries_per_second = "0"')


def test_hashkey_must_say_which_client_it_is(tmp_path: Path) -> None:
    text = HASHKEY_PROFILE.replace('client_type = "corporate"', "")
    assert "settings.client_type: is missing; add it" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "line", ['api_key = "LEAK"', 'secret = "LEAK"', 'passphrase = "LEAK"', 'x = {apiKey = "LEAK"}']
)
def test_secrets_in_a_profile_are_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    sentence = refusal(tmp_path, PROFILE + line)
    assert "never stand in a profile" in sentence
    assert "LEAK" not in sentence


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    assert "LEAK" not in refusal(tmp_path, PROFILE + 'client_type = "LEAK"\n')


def test_keys_come_from_files_or_the_environment(tmp_path: Path) -> None:
    profile = load_profile(TEMPLATES / "hashkey-mock.toml")
    (tmp_path / "hashkey_mock_api_key").write_text("from-file\n", encoding="utf-8")
    environ = {"EXECUTOR_HASHKEY_MOCK_SECRET": "from-environment"}
    keys = load_keys(profile, Settings(secrets_dir=tmp_path), environ)
    assert keys["api_key"].get_secret_value() == "from-file"
    assert keys["secret"].get_secret_value() == "from-environment"
    assert "from-" not in repr(keys)


def test_a_missing_key_names_the_file_and_the_variable(tmp_path: Path) -> None:
    profile = load_profile(TEMPLATES / "osl.toml")
    with pytest.raises(CredentialsRefused) as refused:
        load_keys(profile, Settings(secrets_dir=tmp_path), {})
    assert str(tmp_path / "osl_api_key") in str(refused.value)
    assert "EXECUTOR_OSL_API_KEY" in str(refused.value)
    with pytest.raises(CredentialsRefused, match="a file osl_api_key in a directory named by EXECUTOR_SECRETS_DIR"):
        load_keys(profile, Settings(secrets_dir=None), {})


@pytest.mark.parametrize("key", ["LEAK\nsecond line", "LE–AK", "\ufeffLEAK", "LE\tAK"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    profile = load_profile(TEMPLATES / "osl.toml")
    (tmp_path / "osl_api_key").write_text(key, encoding="utf-8")
    with pytest.raises(CredentialsRefused, match=r"osl_api_key must hold the key as one line of printable") as in_file:
        load_keys(profile, Settings(secrets_dir=tmp_path), {"EXECUTOR_OSL_SECRET": "s"})
    with pytest.raises(CredentialsRefused, match=r"EXECUTOR_OSL_API_KEY must hold the key as one line") as in_variable:
        load_keys(profile, Settings(), {"EXECUTOR_OSL_API_KEY": key, "EXECUTOR_OSL_SECRET": "s"})
    assert "LE" not in str(in_file.value) + str(in_variable.value)


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "osl_api_key").write_text("one", encoding="utf-8")
    with pytest.raises(CredentialsRefused, match="given twice"):
        load_keys(load_profile(TEMPLATES / "osl.toml"), Settings(secrets_dir=tmp_path), {"EXECUTOR_OSL_API_KEY": "two"})


@dataclass(frozen=True)
class PluggedIn:
    """Settings of an adapter from another package, with a third secret."""

    base_url: str
    api_key: SecretStr
    passphrase: SecretStr


def test_another_packages_adapter_brings_its_settings_and_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("third", f"{__name__}:PluggedIn", "disposal_executor.venue_settings")
    monkeypatch.setattr(EntryPoint, "load", lambda _self: PluggedIn)
    monkeypatch.setattr("config.settings.entry_points", lambda group: [point] if group == point.group else [])
    profile = load_profile(profile_file(tmp_path, PROFILE.replace('adapter = "osl"', 'adapter = "third"')))
    keys = load_keys(profile, Settings(), {"EXECUTOR_OSL_API_KEY": "a", "EXECUTOR_OSL_PASSPHRASE": "b"})
    made = adapter_settings(profile, keys)
    assert isinstance(made, PluggedIn)
    assert made.passphrase.get_secret_value() == "b"


def test_a_key_that_cannot_be_read_is_not_taken_for_missing(tmp_path: Path) -> None:
    (tmp_path / "osl_api_key").mkdir()
    with pytest.raises(CredentialsRefused, match="cannot be read"):
        load_keys(load_profile(TEMPLATES / "osl.toml"), Settings(secrets_dir=tmp_path), {})
