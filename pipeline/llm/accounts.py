"""Accounts from settings: the vendors' clients, keys, quotas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from pipeline.errors import UsageError
from pipeline.llm.providers.anthropic_messages import AnthropicMessages
from pipeline.llm.providers.local import LocalClassifiers
from pipeline.llm.providers.openai_chat import OpenAIChat
from pipeline.llm.providers.provider import Account, Provider
from pipeline.settings import ProviderSettings


def open_accounts(providers: Mapping[str, ProviderSettings]) -> dict[str, Account]:
    """All providers that have a key, or an address of their own. Raises UsageError when none of them has."""
    accounts = {name: open_account(name, settings) for name, settings in providers.items() if not settings.keyless()}
    if not accounts:
        wanted = ", ".join(sorted(settings.api_key_env for settings in providers.values() if settings.api_key_env))
        raise UsageError(f"no provider has a key: set one of {wanted or 'PIPELINE_PROVIDERS__<NAME>__API_KEY_ENV'}")
    return accounts


def open_account(name: str, settings: ProviderSettings) -> Account:
    """One provider of the settings, ready to be asked. Raises UsageError when its key is missing."""
    if settings.wire == "local":
        return _in_process(name, settings)
    if settings.keyless():
        raise UsageError(f"provider {name} has no key: set {settings.api_key_env or 'its api_key_env'}")
    key = settings.key()
    # The simulator stands in for a vendor; any other address is a server of one's own, or a gateway with its own bill.
    own = bool(settings.base_url) and not settings.simulated
    client = OpenAIChat if settings.wire == "openai" else AnthropicMessages
    provider: Provider = client(
        key=key.get_secret_value() if key else "",
        base_url=settings.base_url,
        timeout_s=settings.timeout.total_seconds(),
        max_connections=settings.max_concurrency,
    )
    return Account(
        provider,
        settings.wire,
        _key_digest(key, settings.base_url),
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        input_tokens_per_minute=settings.input_tokens_per_minute,
        output_tokens_per_minute=settings.output_tokens_per_minute,
        charges_max_tokens=settings.wire == "openai",
        max_concurrency=settings.max_concurrency,
        adapts_concurrency=own and not _has_quota(settings),
        timeout_s=settings.timeout.total_seconds(),
        simulated=settings.simulated,
        priced=not own,
    )


def _in_process(name: str, settings: ProviderSettings) -> Account:
    if not settings.folder:
        raise UsageError(
            f"provider {name} has no folder of classifiers: set PIPELINE_PROVIDERS__{name.upper()}__FOLDER"
        )
    return Account(LocalClassifiers(Path(settings.folder)), "local", in_process=True, priced=False)


def _key_digest(key: SecretStr | None, base_url: str) -> str:
    """Too short to say anything of the key."""
    secret = f"{key.get_secret_value() if key else ''}\0{base_url}"
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=4, person=b"quota pool").hexdigest()


def _has_quota(settings: ProviderSettings) -> bool:
    return bool(
        settings.requests_per_minute
        or settings.tokens_per_minute
        or settings.input_tokens_per_minute
        or settings.output_tokens_per_minute
    )
