"""`pipeline doctor`: whether everything that a worker needs is there, and what to do about what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

import click

from pipeline import catalogue, settings
from pipeline.catalogue import Catalogue
from pipeline.cli.output import json_option, print_json
from pipeline.errors import PipelineError
from pipeline.provisioning import Verdict, compare_schemas, plan_topics
from pipeline.serde import Registry
from pipeline.settings import Settings
from pipeline.stream.admin import Admin


class State(StrEnum):
    """How one thing is."""

    OK = "ok"
    WARNING = "warning"
    """Works, but not as the catalogue says, or only a part of it."""
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, how it is, and what to do."""

    name: str
    state: State
    detail: str
    do: str = ""


_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.MISSING: "red"}
_PROVIDER_WAIT_S = 5.0
_CLUSTER_WAIT_S = 5.0


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Look at broker, topics, registry, schemas, providers, Redis and vault key; say what to fix.

    Exit code 1 when something is missing that a worker needs.

    \b
    Example:
      pipeline doctor
    """
    effective = settings.load()
    found = []
    for finding in _findings(effective, catalogue.load(effective.catalogue)):
        found.append(finding)
        if not as_json:
            _tell(finding)
    healthy = all(finding.state is not State.MISSING for finding in found)
    if as_json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in found]})
    if not healthy:
        raise click.exceptions.Exit(1)


def _findings(effective: Settings, known: Catalogue) -> Iterator[Finding]:
    yield from _guarded("kafka", lambda: _kafka(effective, known))
    yield from _guarded("registry", lambda: _registry(effective, known))
    yield from _guarded("providers", lambda: _providers(effective, known))
    if effective.redis.url:
        yield from _guarded("redis", lambda: _redis(effective))
    yield from _guarded("vault", lambda: _vault(effective))


def _guarded(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What `look` finds; what it raises is a finding, too."""
    try:
        yield from look()
    except PipelineError as error:
        yield Finding(name, State.MISSING, str(error))


def _kafka(effective: Settings, known: Catalogue) -> Iterator[Finding]:
    admin = Admin(effective.kafka.client(), timeout=_CLUSTER_WAIT_S)
    brokers = admin.brokers()
    where = f"{brokers} broker{'s' if brokers > 1 else ''} at {effective.kafka.bootstrap_servers}"
    yield Finding("kafka", State.OK, where)
    plan = plan_topics(known, admin)
    there = f"{len(plan.wanted) - len(plan.missing)} of {len(plan.wanted)} there"
    if plan.missing:
        yield Finding("topics", State.MISSING, there, "pipeline topics apply")
    elif plan.drift:
        detail = f"{there}, {len(plan.drift)} settings differ from the catalogue"
        yield Finding("topics", State.WARNING, detail, "pipeline topics plan")
    else:
        yield Finding("topics", State.OK, there)


def _registry(effective: Settings, known: Catalogue) -> Iterator[Finding]:
    registry = Registry(effective.registry)
    compared = compare_schemas(known, registry)
    yield Finding("registry", State.OK, effective.registry.url)
    missing = [item for item in compared if item.verdict is not Verdict.REGISTERED]
    there = f"{len(compared) - len(missing)} of {len(compared)} subjects registered"
    if any(item.verdict is Verdict.BREAKS for item in missing):
        yield Finding("schemas", State.MISSING, f"{there}, one would break its readers", "pipeline schemas check")
    elif missing:
        yield Finding("schemas", State.MISSING, there, "pipeline schemas register")
    else:
        yield Finding("schemas", State.OK, there)


def _providers(effective: Settings, known: Catalogue) -> Iterator[Finding]:
    """Each provider that a tier names: one that fails is a warning as long as every enrichment has another."""
    used = {name: [tier.provider for tier in found.spec.tiers] for name, found in known.enrichments.items()}
    names = sorted({provider for providers in used.values() for provider in providers})
    problems = asyncio.run(_unreachable(effective, names))
    for name in names:
        needed = [found for found, providers in used.items() if all(problems[provider] for provider in providers)]
        simulated = name in effective.providers and effective.providers[name].simulated
        if not problems[name]:
            yield Finding(name, State.OK, "answers" + (" (simulated)" if simulated else ""))
        elif needed:
            yield Finding(name, State.MISSING, f"{problems[name]}; {', '.join(needed)} cannot work")
        else:
            yield Finding(name, State.WARNING, f"{problems[name]}; others stand in")


async def _unreachable(effective: Settings, names: list[str]) -> dict[str, str]:
    """Provider to why it cannot be asked; empty when it can."""
    found = {}
    for name in names:
        provider = effective.providers.get(name)
        if provider is None:
            found[name] = f"the settings have no provider {name}: set PIPELINE_PROVIDERS__{name.upper()}__WIRE"
        elif provider.keyless():
            found[name] = f"no key: set {provider.api_key_env or f'PIPELINE_PROVIDERS__{name.upper()}__API_KEY_ENV'}"
    ready = {name: effective.providers[name] for name in names if name not in found}
    if not ready:
        return found
    # The SDKs take a second to import: only who asks a provider pays for it.
    from pipeline.llm import Gateway

    gateway = Gateway.open(ready)
    try:
        answers = await asyncio.gather(*(gateway.check(name, _PROVIDER_WAIT_S) for name in ready))
    finally:
        await gateway.close()
    return found | {answer.provider: "" if answer.reachable else answer.detail for answer in answers}


def _redis(effective: Settings) -> Iterator[Finding]:
    try:
        import redis
    except ImportError:
        yield Finding("redis", State.MISSING, "the client is not installed", "pip install redis")
        return
    where = effective.redis.url.rpartition("@")[2]
    try:
        client = redis.Redis.from_url(effective.redis.url, socket_timeout=3, socket_connect_timeout=3)
        client.ping()
        client.close()
    except (redis.RedisError, ValueError) as error:
        yield Finding(
            "redis", State.WARNING, f"{where} does not answer ({type(error).__name__}): workers share nothing"
        )
    else:
        yield Finding("redis", State.OK, where)


def _vault(effective: Settings) -> Iterator[Finding]:
    if effective.vault.keys is None:
        how = 'set PIPELINE_VAULT__KEYS to "k1:$(openssl rand -base64 32)"'
        yield Finding("vault", State.MISSING, "no key: originals of dead letters cannot be sealed", how)
        return
    from pipeline.vault import Keyring

    ids = Keyring.parse(effective.vault.keys.get_secret_value()).ids
    yield Finding("vault", State.OK, f"{len(ids)} key{'s' if len(ids) > 1 else ''}, {ids[0]} seals")


def _tell(finding: Finding) -> None:
    state = click.style(f"{finding.state:8}", fg=_COLOURS[finding.state])
    click.echo(f"{state} {finding.name:10} {finding.detail}" + (f"  ->  {finding.do}" if finding.do else ""))
