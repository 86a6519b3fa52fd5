"""Anthropic's messages."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import anthropic
import orjson
from anthropic.resources.messages.messages import DEPRECATED_MODELS

from pipeline.llm.providers import wire
from pipeline.llm.providers.headers import read_limits
from pipeline.llm.providers.provider import Failure, ProviderError, Reply, Request, Stop
from pipeline.llm.question import Usage

_STOPS = {
    "max_tokens": Stop.LENGTH,
    "model_context_window_exceeded": Stop.LENGTH,
    "refusal": Stop.REFUSAL,
}


class AnthropicMessages:
    """An account that speaks messages. `base_url` empty is Anthropic's own."""

    def __init__(self, *, key: str, base_url: str = "", timeout_s: float = 60.0, max_connections: int = 1000) -> None:
        # At DEBUG the SDK logs whole requests, and INFO is one line a call.
        logging.getLogger("anthropic").setLevel(logging.WARNING)
        self._client = anthropic.AsyncAnthropic(
            api_key=key or "none",
            base_url=base_url or "https://api.anthropic.com",
            max_retries=0,
            open_telemetry=False,
            timeout=wire.patience(timeout_s),
            http_client=anthropic.DefaultAioHttpClient(
                limits=wire.connections(max_connections), timeout=wire.patience(timeout_s)
            ),
        )
        self._create = self._client.messages.with_raw_response.create

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        response = (await wire.bounded(self._create(**_body(request)), timeout_s)).http_response
        return _reply(response.content, response.status_code, response.headers.raw)

    async def ping(self, timeout_s: float) -> None:
        await wire.bounded(self._client.models.with_raw_response.list(limit=1), timeout_s)

    async def close(self) -> None:
        await self._client.close()


def _body(request: Request) -> dict[str, Any]:
    """No temperature: models with structured output refuse it."""
    body: dict[str, Any] = {
        "model": request.model,
        "system": request.system,
        "messages": [],
        "max_tokens": request.max_tokens,
        # Beside the typed arguments: those the SDK walks through by type at every call (see openai_chat).
        "extra_body": {
            "messages": [{"role": "user", "content": request.user}],
            "output_config": {"format": {"type": "json_schema", "schema": request.schema}},
        },
    }
    if request.user_hash:
        body["metadata"] = {"user_id": request.user_hash}
    return body


def _reply(content: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> Reply:
    limits = read_limits(headers)
    try:
        data = orjson.loads(content)
        text = "".join(block["text"] for block in data["content"] if block["type"] == "text")
        stop, usage = _STOPS.get(data.get("stop_reason"), Stop.END), _usage(data.get("usage") or {})
        return Reply(text, stop, usage, limits, str(data.get("id") or ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ProviderError(Failure.GARBLED, status=status, limits=limits, maybe_billed=True) from None


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic counts cached tokens beside `input_tokens`, not in it."""
    read = int(usage.get("cache_read_input_tokens") or 0)
    written = int(usage.get("cache_creation_input_tokens") or 0)
    details = usage.get("output_tokens_details") or {}
    return Usage(
        input_tokens=int(usage.get("input_tokens") or 0) + read + written,
        cached_tokens=read,
        output_tokens=int(usage.get("output_tokens") or 0),
        reasoning_tokens=int(details.get("thinking_tokens") or details.get("reasoning_tokens") or 0),
        cache_write_tokens=written,
    )


def retired_models() -> Mapping[str, str]:
    """Models whose end is announced, to the day in the vendor's words: those that this SDK warns of."""
    return DEPRECATED_MODELS
