"""All settings, and the only reader of the environment.

Order, first wins: environment (`PIPELINE_*`, nested by `__`), `pipeline.toml` in the working directory (or the file
named by `PIPELINE_CONFIG`), the embedded stack when one runs, the defaults below. Secrets come from the environment,
or from files it names (`..._FILE`), never from the TOML file.

A service that environment or file name replaces the embedded one wholly: nothing of the embedded one (a password, the
simulator's key) is sent to it. With a cluster of your own nothing of the embedded stack is used at all.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from pipeline.errors import UsageError
from pipeline.settings import sources
from pipeline.settings.places import CACHE_FOLDER, TABLES_FOLDER, secret
from pipeline.settings.sections import (
    BudgetSettings,
    CatalogueSettings,
    ConsoleSettings,
    DeadLetterSettings,
    Duration,
    EngineSettings,
    GatewaySettings,
    GuardSettings,
    KafkaSettings,
    LimitSettings,
    ProviderSettings,
    RedactionSettings,
    RedisSettings,
    RegistrySettings,
    TelemetrySettings,
    VaultSettings,
)
from pipeline.settings.sources import Origin

__all__ = [
    "CACHE_FOLDER",
    "TABLES_FOLDER",
    "BudgetSettings",
    "CatalogueSettings",
    "ConsoleSettings",
    "DeadLetterSettings",
    "Duration",
    "EngineSettings",
    "GatewaySettings",
    "GuardSettings",
    "KafkaSettings",
    "LimitSettings",
    "Origin",
    "ProviderSettings",
    "RedactionSettings",
    "RedisSettings",
    "RegistrySettings",
    "Settings",
    "TelemetrySettings",
    "VaultSettings",
    "load",
    "origins",
    "secret",
]


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
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    budget: BudgetSettings = BudgetSettings()
    console: ConsoleSettings = ConsoleSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        found = sources.layers(settings_cls)
        return init_settings, *(sources.Tables(settings_cls, layer) for layer in found.values())


def origins() -> Mapping[str, Origin]:
    """Where each effective value comes from, by its dotted name (`kafka.bootstrap_servers`)."""
    layers = sources.layers(Settings)
    found = {}
    for path in sources.leaves(load().model_dump()):
        found[".".join(path)] = next(
            (name for name, layer in layers.items() if sources.has(layer, path)), Origin.DEFAULT
        )
    return found


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
