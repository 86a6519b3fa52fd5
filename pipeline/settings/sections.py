"""The sections of the settings, each with its defaults."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from pipeline.errors import UsageError
from pipeline.settings.places import secret


def _seconds(value: object) -> object:
    """A bare number in the environment is seconds, as it is in the file."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_seconds)]
"""Seconds (`30`) or ISO 8601 (`PT30S`)."""


class Section(BaseModel):
    """What all sections have in common: nothing unknown in them, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
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


class RegistrySettings(Section):
    """A Confluent-compatible schema registry."""

    url: str = ""
    username: str = ""
    password: SecretStr | None = None
    ssl_ca_location: str = ""


class ProviderSettings(Section):
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


class RedisSettings(Section):
    """Shared quota and cache for a fleet; empty: each worker on its own."""

    url: str = ""
    namespace: str = "pipeline"
    """Keeps fleets apart that share a server."""
    workers: Annotated[int, Field(ge=0)] = 0
    """About how many workers share it: one that starts while Redis is away takes an even part of the quotas; 0: not
    known, it begins with a twentieth."""


class GatewaySettings(Section):
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


class EngineSettings(Section):
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


class VaultSettings(Section):
    """Keys that seal originals: `id:base64 of 32 bytes`, comma-separated, the first one seals, all open."""

    keys: SecretStr | None = None


class RedactionSettings(Section):
    """Taking personal data out."""

    ner_model: str = "en_core_web_sm"
    """spaCy pipeline, by name or path, for policies with `ner` (extra [ner])."""


class CatalogueSettings(Section):
    """Where topics, schemas and enrichments are read from; empty: what ships with the package."""

    topics: str = ""
    schemas: str = ""
    enrichments: str = ""


class TelemetrySettings(Section):
    """Logs and metrics."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    metrics_port: int = 0
    """Prometheus metrics on 127.0.0.1 at this port; 0: off."""


class GuardSettings(Section):
    """When dead letters pass this share of a window, the processor pauses and says so."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    window: Annotated[int, Field(ge=10)] = 200
    run: Annotated[int, Field(ge=0)] = 50
    """So many records in a row with the same fingerprint pause it, too; 0: any number."""
    probe_after: Duration = timedelta(seconds=60)
    """How long the processor stays paused before it tries again."""
    probe: Annotated[int, Field(ge=1)] = 10
    """So many records at once are tried then; when the first so many die, it is paused again."""


class DeadLetterSettings(Section):
    """What people do with dead letters from this machine."""

    index: str = ""
    """Folder of the index that lists and groups are read from; empty: in the cache. It may be lost."""
    roles: tuple[Literal["viewer", "operator", "privacy"], ...] = ("viewer", "operator", "privacy")
    """What who works here may do; Kafka's own rights hold beside it."""
    quota_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Of the first tier's requests a minute, what replays may take."""
    canary: Annotated[int, Field(ge=0)] = 10
    """So many are sent first and waited for; 0: all at once."""
    canary_bound: Annotated[float, Field(ge=0, le=1)] = 0.2
    """A replay stops when more than this share of its first records dies again."""
    canary_timeout: Duration = timedelta(minutes=5)
    """For so long the outcome of the first records is waited for."""


class ConsoleSettings(Section):
    """The operators' web console: where it listens, who may sign in, which workers it asks."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8600
    tokens: SecretStr | None = None
    """Who may sign in: `name:role+role:token`, several with blanks or lines between them."""
    user_header: str = ""
    """Header in which a proxy names who signed in there; empty: no proxy does."""
    roles_header: str = ""
    """Header in which it names their roles, with commas between them."""
    proxies: tuple[str, ...] = ()
    """Addresses or networks of these proxies: from anywhere else the headers are not believed."""
    https: bool = False
    """Reached by https only, through a proxy: cookies are sent over nothing else."""
    session: Duration = timedelta(hours=8)
    """For so long a sign-in holds."""
    workers: tuple[str, ...] = ()
    """Where workers tell of themselves (`http://host:9464/metrics`); empty: this machine's `telemetry.metrics_port`."""


class LimitSettings(Section):
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


class BudgetSettings(Section):
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
