"""Where settings come from, and what must never mix: the embedded stack's values and a person's own services."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pipeline import settings
from pipeline.errors import UsageError
from pipeline.settings import Origin, Settings, places, sections, sources
from pydantic import SecretStr

EMBEDDED: Mapping[str, object] = {
    "kafka": {"bootstrap_servers": "127.0.0.1:1"},
    "registry": {"url": "http://127.0.0.1:2", "username": "embedded", "password": "embedded-password"},
    "redis": {"url": "redis://127.0.0.1:3"},
    "providers": {
        name: {"wire": name, "base_url": "http://127.0.0.1:4", "api_key": "simulated-key", "simulated": True}
        for name in ("openai", "anthropic")
    },
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings but those a test makes."""
    for name in list(os.environ):
        if name.startswith("PIPELINE_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "embedded_state_file", lambda: tmp_path / "cache" / "stack" / "state.json")
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


@pytest.fixture
def embedded() -> None:
    """An embedded stack that runs (as far as its pid says)."""
    file = places.embedded_state_file()
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"pid": os.getpid(), "settings": EMBEDDED}))


Set = Callable[..., Settings]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Settings with these variables set."""

    def load(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return settings.load()

    return load


@pytest.mark.usefixtures("embedded")
class TestEmbedded:
    def test_is_found_without_any_setting(self, given: Set) -> None:
        found = given()
        assert found.kafka.bootstrap_servers == "127.0.0.1:1"
        assert found.providers["openai"].simulated
        assert settings.origins()["registry.url"] is Origin.EMBEDDED

    def test_is_not_used_when_its_process_is_gone(self, given: Set) -> None:
        places.embedded_state_file().write_text(json.dumps({"pid": 2**22 + 1, "settings": EMBEDDED}))
        assert given().kafka.bootstrap_servers == ""

    @pytest.mark.parametrize("where", ["environment", "file"])
    def test_is_not_used_at_all_beside_a_cluster_of_ones_own(self, given: Set, where: str) -> None:
        if where == "file":
            Path("pipeline.toml").write_text('[kafka]\nbootstrap_servers = "own:9092"\n')
            found = given()
        else:
            found = given(PIPELINE_KAFKA__BOOTSTRAP_SERVERS="own:9092")
        assert found.kafka.bootstrap_servers == "own:9092"
        assert found.registry.url == ""
        assert found.providers["openai"].api_key is None
        assert not found.providers["openai"].simulated

    @pytest.mark.parametrize("field", ["BASE_URL", "API_KEY_ENV", "WIRE"])
    def test_gives_no_simulated_key_to_a_provider_of_ones_own(self, given: Set, field: str) -> None:
        value = {"BASE_URL": "https://llm.example", "API_KEY_ENV": "MY_KEY", "WIRE": "openai"}[field]
        found = given(**{f"PIPELINE_PROVIDERS__OPENAI__{field}": value, "OPENAI_API_KEY": "own", "MY_KEY": "own"})
        own = found.providers["openai"]
        assert own.key() == SecretStr("own")
        assert not own.simulated
        assert "127.0.0.1" not in own.base_url
        assert found.providers["anthropic"].simulated, "the other one stays embedded"

    def test_keeps_the_simulator_when_only_its_quota_is_set(self, given: Set) -> None:
        found = given(PIPELINE_PROVIDERS__OPENAI__REQUESTS_PER_MINUTE="500").providers["openai"]
        assert found.simulated
        assert found.requests_per_minute == 500

    def test_gives_no_password_to_a_registry_of_ones_own(self, given: Set) -> None:
        found = given(PIPELINE_REGISTRY__URL="https://registry.example")
        assert found.registry.url == "https://registry.example"
        assert found.registry.password is None
        assert found.registry.username == ""
        assert found.kafka.bootstrap_servers == "127.0.0.1:1", "the cluster stays embedded"

    def test_lets_redis_be_replaced(self, given: Set) -> None:
        assert given(PIPELINE_REDIS__URL="redis://own").redis.url == "redis://own"
        assert settings.origins()["redis.url"] is Origin.ENVIRONMENT


def test_one_field_of_a_vendor_can_be_set_without_repeating_the_others(given: Set) -> None:
    found = given(PIPELINE_PROVIDERS__OPENAI__REQUESTS_PER_MINUTE="500")
    assert found.providers["openai"].wire == "openai"
    assert found.providers["anthropic"].api_key_env == "ANTHROPIC_API_KEY"


def test_environment_wins_over_file_and_file_over_default(given: Set) -> None:
    Path("pipeline.toml").write_text("[engine]\nconcurrency = 7\nbacklog = 9\n")
    found = given(PIPELINE_ENGINE__CONCURRENCY="8")
    assert (found.engine.concurrency, found.engine.backlog) == (8, 9)
    where = settings.origins()
    assert where["engine.concurrency"] is Origin.ENVIRONMENT
    assert where["engine.backlog"] is Origin.FILE
    assert where["engine.slot"] is Origin.DEFAULT


@pytest.mark.parametrize("value", ["90", "90.0", "PT90S", "PT1M30S"])
def test_a_duration_is_seconds_or_iso_8601(given: Set, value: str) -> None:
    assert given(PIPELINE_ENGINE__GRACE=value).engine.grace.total_seconds() == 90


def test_an_empty_variable_is_no_setting(given: Set) -> None:
    assert given(PIPELINE_ENGINE__CONCURRENCY="").engine.concurrency == 1000


def test_secrets_may_stand_in_files(given: Set, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    found = given(
        PIPELINE_KAFKA__SASL_PASSWORD_FILE=str(tmp_path / "password"), OPENAI_API_KEY_FILE=str(tmp_path / "password")
    )
    assert found.kafka.sasl_password == SecretStr("from a file")
    assert found.providers["openai"].key() == SecretStr("from a file")


@pytest.mark.parametrize(
    ("variables", "toml", "said"),
    [
        ({"PIPELINE_KAFAK__BOOTSTRAP_SERVERS": "x"}, "", "no kafak settings"),
        ({"PIPELINE_KAFKA__BOOTSTRAP": "x"}, "", "no setting kafka.bootstrap"),
        ({"PIPELINE_ENGINE__CONCURRENCY": "many"}, "", "PIPELINE_ENGINE__CONCURRENCY"),
        ({"PIPELINE_ENGINE": "{"}, "", "engine"),
        ({"PIPELINE_PROVIDERS__OWN__BASE_URL": "x"}, "", "PIPELINE_PROVIDERS__OWN__WIRE"),
        ({"PIPELINE_CONFIG": "nowhere.toml"}, "", "nowhere.toml"),
        ({"PIPELINE_VAULT__KEYS_FILE": "nowhere"}, "", "PIPELINE_VAULT__KEYS_FILE names nowhere"),
        ({}, "[kafka", "pipeline.toml cannot be read"),
        ({}, "[kafak]\nx = 1", "no kafak settings"),
        ({}, '[kafka]\nsasl_password = "x"', "PIPELINE_KAFKA__SASL_PASSWORD"),
        ({}, '[providers.openai]\napi_key = "x"', "PIPELINE_PROVIDERS__OPENAI__API_KEY"),
    ],
)
def test_a_mistake_is_told_by_its_name(given: Set, variables: dict[str, str], toml: str, said: str) -> None:
    if toml:
        Path("pipeline.toml").write_text(toml)
    with pytest.raises(UsageError, match=said) as caught:
        given(**variables)
    assert "\n" not in str(caught.value)


def test_every_secret_field_is_kept_out_of_the_file() -> None:
    secrets = set()
    for section in vars(sections).values():
        if isinstance(section, type) and issubclass(section, sections.Section):
            secrets |= {name for name, field in section.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert secrets
    assert secrets <= sources.SECRETS


def test_values_are_not_in_the_message(given: Set) -> None:
    with pytest.raises(UsageError) as caught:
        given(PIPELINE_GUARD__SHARE="tell-nobody")
    assert "tell-nobody" not in str(caught.value)
