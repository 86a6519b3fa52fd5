"""OpenAI's chat completions, which vLLM, Ollama, llama.cpp and Azure speak too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import openai
import orjson

from pipeline.llm.providers import wire
from pipeline.llm.providers.headers import read_limits
from pipeline.llm.providers.provider import Failure, ProviderError, Reply, Request, Stop
from pipeline.llm.question import Usage

_STOPS = {"stop": Stop.END, "length": Stop.LENGTH, "content_filter": Stop.REFUSAL}


class OpenAIChat:
    """An account that speaks chat completions. `key` is sent as the bearer token; `base_url` empty is OpenAI's own."""

    def __init__(self, *, key: str, base_url: str = "", timeout_s: float = 60.0, max_connections: int = 1000) -> None:
        # At DEBUG the SDK logs whole requests, and INFO is one line a call.
        logging.getLogger("openai").setLevel(logging.WARNING)
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            organization="",
            project="",
            base_url=base_url or "https://api.openai.com/v1",
            max_retries=0,
            timeout=wire.patience(timeout_s),
            http_client=openai.DefaultAioHttpClient(
                limits=wire.connections(max_connections), timeout=wire.patience(timeout_s)
            ),
        )
        self._create = self._client.chat.completions.with_raw_response.create

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        response = (await wire.bounded(self._create(**_body(request)), timeout_s)).http_response
        return _reply(response.content, response.status_code, response.headers.raw)

    async def ping(self, timeout_s: float) -> None:
        await wire.bounded(self._client.models.with_raw_response.list(), timeout_s)

    async def close(self) -> None:
        await self._client.close()


def _body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [],
        "max_completion_tokens": request.max_tokens,
        "store": False,
        # Beside the typed arguments, which the SDK walks through by type at every call: 1.5 ms for these (measured).
        "extra_body": {
            "messages": [
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.user},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": request.schema_name, "strict": True, "schema": request.schema},
            },
        },
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.user_hash:
        body["safety_identifier"] = request.user_hash
    return body


def _reply(content: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> Reply:
    limits = read_limits(headers)
    try:
        data = orjson.loads(content)
        choice = data["choices"][0]
        message = choice["message"]
        refused = bool(message.get("refusal"))
        stop = Stop.REFUSAL if refused else _STOPS.get(choice.get("finish_reason"), Stop.END)
        text, usage = str(message.get("content") or ""), _usage(data.get("usage") or {})
        return Reply(text, stop, usage, limits, str(data.get("id") or ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ProviderError(Failure.GARBLED, status=status, limits=limits, maybe_billed=True) from None


def _usage(usage: Mapping[str, Any]) -> Usage:
    prompt = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=int(usage.get("prompt_tokens") or 0),
        cached_tokens=int(prompt.get("cached_tokens") or 0),
        output_tokens=int(usage.get("completion_tokens") or 0),
        reasoning_tokens=int(written.get("reasoning_tokens") or 0),
        cache_write_tokens=int(prompt.get("cache_write_tokens") or 0),
    )
