"""Where settings come from, layer by layer."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from pipeline.errors import UsageError
from pipeline.settings import places
from pipeline.settings.places import read_secret


class Origin(StrEnum):
    """Where a setting's effective value comes from, first one wins."""

    ENVIRONMENT = "environment"
    FILE = "file"
    EMBEDDED = "embedded"
    DEFAULT = "default"


class Tables(PydanticBaseSettingsSource):
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
                found.setdefault(name.removesuffix("_file"), read_secret(name.upper(), found.pop(name) or ""))
        return found


_VENDORS: Mapping[str, object] = {
    "openai": {"wire": "openai", "api_key_env": "OPENAI_API_KEY"},
    "anthropic": {"wire": "anthropic", "api_key_env": "ANTHROPIC_API_KEY"},
}
SECRETS = frozenset({"sasl_password", "password", "keys", "api_key", "tokens"})
_WHO = frozenset({"wire", "base_url", "api_key", "api_key_env", "simulated"})
"""Settings of a provider that say who is asked; the others only say how much."""


def layers(settings_cls: type[BaseSettings]) -> Mapping[Origin, Mapping[str, object]]:
    environment, file = _Environment(settings_cls)(), _toml(settings_cls)
    return {
        Origin.ENVIRONMENT: environment,
        Origin.FILE: file,
        Origin.EMBEDDED: _embedded(environment, file),
        Origin.DEFAULT: {"providers": _VENDORS},
    }


def leaves(table: Mapping[str, object], at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in table.items():
        found += leaves(value, (*at, name)) if isinstance(value, Mapping) and value else [(*at, name)]
    return found


def has(table: object, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(table, Mapping) or name not in table:
            return False
        table = table[name]
    return True


def _toml(settings_cls: type[BaseSettings]) -> Mapping[str, object]:
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
    for leaf in leaves(tables):
        if leaf[0] not in settings_cls.model_fields:
            raise UsageError(f"{path}: there are no {leaf[0]} settings (pipeline config)")
        if leaf[-1] in SECRETS:
            variable = "PIPELINE_" + "__".join(leaf).upper()
            raise UsageError(f"{path} holds {'.'.join(leaf)}: secrets belong into {variable} or {variable}_FILE")
    return tables


def _embedded(*given: Mapping[str, object]) -> Mapping[str, object]:
    """The running embedded stack's settings, without the services that `given` settings replace."""
    if any(has(layer, ("kafka", "bootstrap_servers")) for layer in given):
        return {}
    try:
        state = json.loads(places.embedded_state_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not _alive(state.get("pid", 0)):
        return {}
    found: dict[str, object] = dict(state.get("settings", {}))
    for section in ("registry", "redis"):
        if any(has(layer, (section, "url")) for layer in given):
            found.pop(section, None)
    providers = found.get("providers")
    if isinstance(providers, Mapping):
        found["providers"] = {
            name: provider
            for name, provider in providers.items()
            if not any(has(layer, ("providers", name, field)) for layer in given for field in _WHO)
        }
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (OSError, TypeError):
        return False
    return pid > 0
