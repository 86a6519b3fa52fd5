"""`pipeline config`: the effective settings and where each comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

import click
from pydantic import SecretStr

from pipeline import settings
from pipeline.cli.output import json_option, print_json, print_table

_HIDDEN = "(hidden)"
_SECRET_OPTION = re.compile(r"password|secret|token|key|credential|jaas", re.IGNORECASE)
"""librdkafka's own settings are free text to us: whatever may hold a secret is taken for one."""
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show every setting, its value and its source: environment, file, embedded (stack) or default.

    Secrets are hidden. Set one by the variable PIPELINE_<NAME> with __ for each dot, or in pipeline.toml.

    \b
    Example:
      pipeline config
      PIPELINE_ENGINE__CONCURRENCY=200 pipeline config
    """
    effective = settings.load()
    origins = settings.origins()
    rows = [(name, shown, str(origins[name])) for name, shown in _shown("", effective.model_dump())]
    if as_json:
        keys = {name: provider.key() is not None for name, provider in effective.providers.items()}
        found = {name: {"value": value, "source": source} for name, value, source in rows}
        print_json({"settings": found, "provider_keys_set": keys})
        return
    print_table(("setting", "value", "source"), [(name, _text(value), source) for name, value, source in rows])
    for name, provider in sorted(effective.providers.items()):
        if provider.key() is None:
            click.echo(f"provider {name} has no key: set {provider.api_key_env or 'its api_key_env'}")


def _shown(at: str, table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        path = f"{at}.{name}" if at else name
        if isinstance(value, Mapping) and value:
            yield from _shown(path, value)
        elif isinstance(value, SecretStr) or (at == "kafka.options" and _SECRET_OPTION.search(name)):
            yield path, _HIDDEN
        else:
            yield path, _public(value)


def _public(value: object) -> object:
    match value:
        case str():
            return _LOGIN.sub(_HIDDEN, value)
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return str(value)
        case Mapping():
            return {name: _public(item) for name, item in value.items()}
        case tuple():
            return [_public(item) for item in value]
        case _:
            return value


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(_text(item) for item in value)
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_text(item)}" for name, item in value.items() if item)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
