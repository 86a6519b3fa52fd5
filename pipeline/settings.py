"""All settings, and the only reader of the environment.

Order, first wins: environment (`PIPELINE_*`, nested by `__`), `pipeline.toml` in the working directory (or the file
named by `PIPELINE_CONFIG`), the embedded stack when one runs, the defaults below. Secrets come from the environment,
or from files it names (`..._FILE`), never from the TOML file.

A service that environment or file name replaces the embedded one wholly: nothing of the embedded one (a password, the
simulator's key) is sent to it. With a cluster of your own nothing of the embedded stack is used at all.
"""

from __future__ import annotations

import functools
import json
import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipeline.errors import UsageError

CACHE_FOLDER = Path(
    os.environ.get("PIPELINE_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enrichment-pipeline"
)
"""Everything this machine may lose: downloaded servers, the embedded stack's data, worker slots."""
TABLES_FOLDER = CACHE_FOLDER / "tables"
"""Where the compiled table of redaction is kept: making it takes seconds."""


def _seconds(value: object) -> object:
    """A bare number in the environment is seconds, as it is in the file."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_seconds)]
"""Seconds (`30`) or ISO 8601 (`PT30S`)."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Section):
    """The cluster. Anything else that librdkafka knows goes into `options` by its own name."""

    bootstrap_servers: str = ""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: SecretStr | None = None
    ssl_ca_location: str = ""
    group_protocol: Literal["consumer", "classic"] = "consumer"
    """`consumer` is KIP-848 (brokers from 4.0); `classic` uses cooperative-sticky on older ones."""
    options: dict[str, str] = Field(default_factory=dict)

    def client(self) -> dict[str, str]:
        """The librdkafka settings that every client of this cluster shares. Holds the password: never log it.

        Raises UsageError when no cluster is named.
        """
        if not self.bootstrap_servers:
            raise UsageError(
                "no Kafka: start the embedded one (pipeline dev up) or set PIPELINE_KAFKA__BOOTSTRAP_SERVERS"
            )
        found = {"bootstrap.servers": self.bootstrap_servers, "security.protocol": self.security_protocol}
        if self.sasl_mechanism:
            found["sasl.mechanism"] = self.sasl_mechanism
            found["sasl.username"] = self.sasl_username
            found["sasl.password"] = self.sasl_password.get_secret_value() if self.sasl_password else ""
        if self.ssl_ca_location:
            found["ssl.ca.location"] = self.ssl_ca_location
        return found | self.options


class RegistrySettings(_Section):
    """A Confluent-compatible schema registry."""

    url: str = ""
    username: str = ""
    password: SecretStr | None = None
    ssl_ca_location: str = ""


class ProviderSettings(_Section):
    """One account at one provider. `requests_per_minute` and the token quotas are the account's own; 0 is no quota."""

    wire: Literal["openai", "anthropic", "local"]
    """`local` is no wire: classifiers of one's own, which answer in this process."""
    folder: str = ""
    """Of `wire = local`: where the classifiers are that `pipeline fallback train` made."""
    base_url: str = ""
    """Empty: the vendor's own address. vLLM, Ollama and llama.cpp are `wire = openai` with their address here."""
    api_key_env: str = ""
    """Name of the environment variable that holds the key (or of the file, as `<NAME>_FILE`)."""
    api_key: SecretStr | None = None
    """Only set by the embedded stack, whose simulator takes any key."""
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    input_tokens_per_minute: int = 0
    output_tokens_per_minute: int = 0
    max_concurrency: int = 1000
    timeout: Duration = timedelta(seconds=60)
    simulated: bool = False
    """True for the simulator: its outputs say so in their provenance."""

    def key(self) -> SecretStr | None:
        """The key, or None when its variable is not set."""
        return self.api_key or secret(self.api_key_env)

    def keyless(self) -> bool:
        """True when it cannot be asked for want of a key."""
        return self.wire != "local" and not self.base_url and self.key() is None


class RedisSettings(_Section):
    """Shared quota and cache for a fleet; empty: each worker on its own."""

    url: str = ""
    namespace: str = "pipeline"
    """Keeps fleets apart that share a server."""


class GatewaySettings(_Section):
    """How models are asked, by all enrichments together."""

    tenant_weights: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """A tenant's share of a scarce quota beside the others'; one that is not named has 1."""
    hedge: bool = False
    """In the interactive lane, ask a second model too when the first takes longer than usual."""
    cache: bool = True
    """Give the answer of an equal question again instead of asking."""
    cache_fresh: Duration = timedelta(hours=1)
    """For so long an answer is given again."""
    cache_stale: Duration = timedelta(hours=24)
    """For so long after that it still stands in while no provider can be asked."""
    cache_similar_from: Annotated[float, Field(ge=0, le=1)] = 0.0
    """From this likeness on a question gets the answer of one that is nearly the same; 0: of equal ones only."""


class EngineSettings(_Section):
    """The stream engine of a worker."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """Records in `process` at once."""
    backlog: Annotated[int, Field(ge=1)] = 5000
    """Records fetched and not yet finished, waiting for their key's turn included."""
    commit_interval: Duration = timedelta(milliseconds=50)
    grace: Duration = timedelta(seconds=10)
    """How long records in flight may go on at a stop or a revoked partition."""
    slot: str = ""
    """Stable name of this worker among its group's; empty: the lowest free one on this host."""


class VaultSettings(_Section):
    """Keys that seal originals: `id:base64 of 32 bytes`, comma-separated, the first one seals, all open."""

    keys: SecretStr | None = None


class RedactionSettings(_Section):
    """Taking personal data out."""

    ner_model: str = "en_core_web_sm"
    """spaCy pipeline, by name or path, for policies with `ner` (extra [ner])."""


class CatalogueSettings(_Section):
    """Where topics, schemas and enrichments are read from; empty: what ships with the package."""

    topics: str = ""
    schemas: str = ""
    enrichments: str = ""


class TelemetrySettings(_Section):
    """Logs and metrics."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    metrics_port: int = 0
    """Prometheus metrics on 127.0.0.1 at this port; 0: off."""


class GuardSettings(_Section):
    """When dead letters pass this share of a window, the processor pauses and says so."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    window: Annotated[int, Field(ge=10)] = 200
    probe_after: Duration = timedelta(seconds=60)
    """How long the processor stays paused before it tries again."""


class LimitSettings(_Section):
    """One budget: US dollars, tokens or both (0: any number) for a tenant, an enrichment, or all together (`*`)."""

    tenant: str = "*"
    enrichment: str = "*"
    period: Literal["day", "month"] = "day"
    usd: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    tokens: Annotated[int, Field(ge=0)] = 0
    soft_share: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.8")
    """From this share on it is said aloud and records get no second opinion."""
    hard: Literal["hold", "cheaper", "fallback", "dead_letter"] = "hold"
    """What becomes of records once it is spent."""


class BudgetSettings(_Section):
    """What may be spent, as one worker counts it. Money is in US dollars; 0: no limit."""

    daily_usd: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    """Everything stops for the day once this is spent."""
    limits: tuple[LimitSettings, ...] = ()
    record_calls: Annotated[int, Field(ge=1)] = 15
    """Answers that one record may take, corrections and other tiers included."""
    record_tokens: Annotated[int, Field(ge=0)] = 200_000
    """Tokens, in and out, that one record may take."""
    alarm_factor: Annotated[Decimal, Field(gt=1)] = Decimal(4)
    """So many times the day's average in five minutes is said aloud."""
    alarm_usd: Annotated[Decimal, Field(ge=0)] = Decimal(1)
    """Less than this in five minutes is not."""


class Settings(BaseSettings):
    """Everything that can be set. `pipeline config` prints the effective values, secrets hidden."""

    model_config = SettingsConfigDict(
        env_prefix="PIPELINE_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    """By name. `openai` and `anthropic` are always there, with the vendors' own addresses and variables."""
    redis: RedisSettings = RedisSettings()
    gateway: GatewaySettings = GatewaySettings()
    engine: EngineSettings = EngineSettings()
    redaction: RedactionSettings = RedactionSettings()
    vault: VaultSettings = VaultSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    guard: GuardSettings = GuardSettings()
    budget: BudgetSettings = BudgetSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        layers = _layers(settings_cls)
        return init_settings, *(_Tables(settings_cls, layer) for layer in layers.values())


class Origin(StrEnum):
    """Where a setting's effective value comes from, first one wins."""

    ENVIRONMENT = "environment"
    FILE = "file"
    EMBEDDED = "embedded"
    DEFAULT = "default"


class _Tables(PydanticBaseSettingsSource):
    """Settings from a nested mapping."""

    def __init__(self, settings_cls: type[BaseSettings], tables: Mapping[str, object]) -> None:
        super().__init__(settings_cls)
        self._tables = dict(tables)

    def get_field_value(self, field: object, field_name: str) -> tuple[object, str, bool]:
        return self._tables.get(field_name), field_name, False

    def __call__(self) -> dict[str, object]:
        return self._tables


class _Environment(EnvSettingsSource):
    """`PIPELINE_*`; `PIPELINE_..._FILE` names a file that holds the value, as mounted secrets do."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = dict(super()._load_env_vars())
        for name in [name for name in found if name.startswith("pipeline_") and "__" in name]:
            section = name.removeprefix("pipeline_").split("__")[0]
            if section not in self.settings_cls.model_fields:
                raise UsageError(f"{name.upper()} is set, but there are no {section} settings (pipeline config)")
            if name.endswith("_file"):
                found.setdefault(name.removesuffix("_file"), _read_secret(name.upper(), found.pop(name) or ""))
        return found


def origins() -> Mapping[str, Origin]:
    """Where each effective value comes from, by its dotted name (`kafka.bootstrap_servers`)."""
    layers = _layers(Settings)
    found = {}
    for path in _leaves(load().model_dump()):
        found[".".join(path)] = next((name for name, layer in layers.items() if _has(layer, path)), Origin.DEFAULT)
    return found


def secret(name: str) -> SecretStr | None:
    """The secret in the variable `name`, or in the file that `<name>_FILE` names; None when neither is set."""
    if not name:
        return None
    if value := os.environ.get(name):
        return SecretStr(value)
    if path := os.environ.get(f"{name}_FILE"):
        return SecretStr(_read_secret(f"{name}_FILE", path))
    return None


def embedded_state_file() -> Path:
    """Where a running embedded stack says how to reach it (written by `pipeline dev up`)."""
    return CACHE_FOLDER / "stack" / "state.json"


@functools.cache
def load() -> Settings:
    """The effective settings. Raises UsageError, one line, when one of them is not valid."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        variable = "PIPELINE_" + "__".join(str(part).upper() for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UsageError(f"there is no setting {name} ({variable}): pipeline config lists them") from None
        raise UsageError(
            f"setting {name} is not valid: {first['msg']} (set {variable}, or mend pipeline.toml)"
        ) from None
    except SettingsError as error:
        raise UsageError(f"the environment cannot be read: {error}") from None


_VENDORS: Mapping[str, object] = {
    "openai": {"wire": "openai", "api_key_env": "OPENAI_API_KEY"},
    "anthropic": {"wire": "anthropic", "api_key_env": "ANTHROPIC_API_KEY"},
}
_SECRETS = frozenset({"sasl_password", "password", "keys", "api_key"})
_WHO = frozenset({"wire", "base_url", "api_key", "api_key_env", "simulated"})
"""Settings of a provider that say who is asked; the others only say how much."""


def _layers(settings_cls: type[BaseSettings]) -> Mapping[Origin, Mapping[str, object]]:
    environment, file = _Environment(settings_cls)(), _toml()
    return {
        Origin.ENVIRONMENT: environment,
        Origin.FILE: file,
        Origin.EMBEDDED: _embedded(environment, file),
        Origin.DEFAULT: {"providers": _VENDORS},
    }


def _leaves(table: Mapping[str, object], at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in table.items():
        found += _leaves(value, (*at, name)) if isinstance(value, Mapping) and value else [(*at, name)]
    return found


def _has(table: object, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(table, Mapping) or name not in table:
            return False
        table = table[name]
    return True


def _toml() -> Mapping[str, object]:
    named = os.environ.get("PIPELINE_CONFIG")
    path = Path(named or "pipeline.toml")
    if not path.exists():
        if named:
            raise UsageError(f"PIPELINE_CONFIG names {path}, which does not exist")
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    for leaf in _leaves(tables):
        if leaf[0] not in Settings.model_fields:
            raise UsageError(f"{path}: there are no {leaf[0]} settings (pipeline config)")
        if leaf[-1] in _SECRETS:
            variable = "PIPELINE_" + "__".join(leaf).upper()
            raise UsageError(f"{path} holds {'.'.join(leaf)}: secrets belong into {variable} or {variable}_FILE")
    return tables


def _embedded(*given: Mapping[str, object]) -> Mapping[str, object]:
    """The running embedded stack's settings, without the services that `given` settings replace."""
    if any(_has(layer, ("kafka", "bootstrap_servers")) for layer in given):
        return {}
    try:
        state = json.loads(embedded_state_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not _alive(state.get("pid", 0)):
        return {}
    found: dict[str, object] = dict(state.get("settings", {}))
    for section in ("registry", "redis"):
        if any(_has(layer, (section, "url")) for layer in given):
            found.pop(section, None)
    providers = found.get("providers")
    if isinstance(providers, Mapping):
        found["providers"] = {
            name: provider
            for name, provider in providers.items()
            if not any(_has(layer, ("providers", name, field)) for layer in given for field in _WHO)
        }
    return found


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{variable} names {path}, which cannot be read ({why})") from None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (OSError, TypeError):
        return False
    return pid > 0
