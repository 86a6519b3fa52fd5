"""Anthropic's messages as the vendor sends them: bodies, headers, errors."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import cast

import orjson

from pipeline.simulator.exchange import Ask, Headers, RejectedError, Reply, Said, Stop
from pipeline.simulator.faults import Fault
from pipeline.simulator.profile import WireName
from pipeline.simulator.quota import Meter, Reading, Refused
from pipeline.simulator.schema import answerer
from pipeline.simulator.strict import anthropic_problem

_ORGANIZATION = "00000000-0000-4000-8000-000000000000"
_NO_SAMPLING = re.compile(r"claude-(?:opus-4-[7-9]|[a-z]+-5)")
"""Models that refuse temperature, top_p and top_k."""
_STOPS = {Stop.END: "end_turn", Stop.LENGTH: "max_tokens", Stop.REFUSAL: "refusal"}
_METERS = {
    Meter.REQUESTS: ("requests", "requests"),
    Meter.INPUT_TOKENS: ("input-tokens", "input tokens"),
    Meter.OUTPUT_TOKENS: ("output-tokens", "output tokens"),
}


class AnthropicMessages:
    """The wire of Anthropic."""

    name: WireName = "anthropic"
    caches_always = False

    def key(self, headers: Headers) -> str:
        key = headers.get("x-api-key", "")
        if not key:
            scheme, _, key = headers.get("Authorization", "").partition(" ")
            key = key.strip() if scheme.lower() == "bearer" else ""
        if not key:
            raise RejectedError("401", 401, _error("authentication_error", "x-api-key header is required"))
        if not headers.get("anthropic-version"):
            raise _invalid("anthropic-version: header is required")
        return key

    def read(self, body: bytes) -> Ask:
        data = _json(body)
        model = data.get("model")
        if not isinstance(model, str) or not model:
            raise _invalid("model: Field required")
        max_tokens = data.get("max_tokens")
        if max_tokens is None:
            raise _invalid("max_tokens: Field required")
        if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
            raise _invalid("max_tokens: Input should be greater than or equal to 1")
        for name in ("temperature", "top_p", "top_k"):
            if data.get(name) is not None and _NO_SAMPLING.match(model):
                raise _invalid(f"`{name}` is deprecated for this model.")
        messages = data.get("messages")
        if not isinstance(messages, list) or not messages:
            raise _invalid("messages: Field required")
        if data.get("stream"):
            raise _invalid("stream: the simulator does not stream")
        blocks = _blocks(data.get("system") or "", "system")
        system = "".join(text for text, _ in blocks)
        user = []
        for at, message in enumerate(messages):
            if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
                raise _invalid(f"messages.{at}.role: Input should be 'user' or 'assistant'")
            found = _blocks(message.get("content"), f"messages.{at}.content")
            blocks += found
            if message["role"] == "user":
                user.append("".join(text for text, _ in found))
        schema = _schema(data.get("output_config"))
        cached = max((at for at, (_, marked) in enumerate(blocks, 1) if marked), default=0)
        prefix = [text for text, _ in blocks[:cached]]
        return Ask(
            model=model,
            system=system,
            messages=tuple(user),
            characters=sum(len(text) for text, _ in blocks) + len(schema),
            prefix=sum(map(len, prefix)) + len(schema) if cached else 0,
            prefix_key=hash((*prefix, schema)),
            max_tokens=max_tokens,
            schema=schema,
        )

    def unauthorized(self, key: str) -> RejectedError:
        return RejectedError("401", 401, _error("authentication_error", "invalid x-api-key"))

    def forbidden(self, model: str) -> RejectedError:
        message = f"Your API key does not have permission to use the specified resource: model {model}."
        return RejectedError("403", 403, _error("permission_error", message))

    def unknown_model(self, model: str) -> RejectedError:
        return RejectedError("404", 404, _error("not_found_error", f"model: {model}"))

    def rejected(self, error: RejectedError, number: int) -> Reply:
        return _reply(error.status, error.error, {}, number)

    def quota_headers(self, readings: Iterable[Reading], wall: float) -> dict[str, str]:
        found: dict[str, str] = {}
        limit = remaining = 0
        reset_s = 0.0
        for reading in readings:
            shown = reading.remaining
            if reading.meter is not Meter.REQUESTS:
                # "Rounded to the nearest thousand", says the vendor's page.
                shown = round(reading.remaining, -3)
                limit, remaining, reset_s = limit + reading.limit, remaining + shown, max(reset_s, reading.reset_s)
            _window(found, _METERS[reading.meter][0], reading.limit, shown, wall + reading.reset_s)
        if limit:
            _window(found, "tokens", limit, remaining, wall + reset_s)
        return found

    def refused(self, refused: Refused, model: str, headers: Headers, number: int) -> Reply:
        message = (
            f"This request would exceed your organization's rate limit of {refused.limit:,} "
            f"{_METERS[refused.meter][1]} per minute (org: {_ORGANIZATION}, model: {model}). For details, refer to: "
            "https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage. Please "
            "reduce the prompt length or the maximum tokens requested, or try again later. You may also contact sales "
            "at https://claude.com/contact-sales to discuss your options for a rate limit increase."
        )
        # A request larger than its quota is told to come back too: the vendor does not know that it never fits.
        wait_s = 60.0 if math.isinf(refused.wait_s) else refused.wait_s
        return _too_many(message, wait_s, headers, number)

    def failed(self, fault: Fault, model: str, retry_after_s: float, headers: Headers, number: int) -> Reply:
        match fault:
            case Fault.RATE_LIMIT:
                message = (
                    "This request would exceed your organization's rate limit of 50 requests per minute "
                    f"(org: {_ORGANIZATION}, model: {model}). For details, refer to: "
                    "https://docs.claude.com/en/api/rate-limits."
                )
                return _too_many(message, retry_after_s, headers, number)
            case Fault.SPEND_LIMIT:
                message = "Your organization has reached the monthly API usage threshold of its tier."
                error = _error("rate_limit_error", message, {"error_code": "enforced_spend_limit_reached"})
                return _reply(429, error, {**headers, "x-should-retry": "false"}, number)
            case Fault.OVERLOADED:
                error = _error("overloaded_error", "Overloaded")
                return _reply(529, error, {**headers, "x-should-retry": "true"}, number)
            case Fault.UNAVAILABLE:
                error = _error("api_error", "Service temporarily unavailable")
                return _reply(503, error, {**headers, "x-should-retry": "true"}, number)
        error = _error("api_error", "Internal server error")
        return _reply(500, error, {**headers, "x-should-retry": "true"}, number)

    def said(self, ask: Ask, said: Said, headers: Headers, number: int, wall: float) -> Reply:
        if said.stop is Stop.FILTER:
            error = _error("invalid_request_error", "Output blocked by content filtering policy")
            return _reply(400, error, headers, number)
        usage = said.usage
        refusing = said.stop is Stop.REFUSAL
        details = {"type": "refusal", "category": None, "explanation": "(simulated) declined"} if refusing else None
        name = f"msg_sim_{number:012x}"
        body = {
            "id": name,
            "type": "message",
            "role": "assistant",
            "model": ask.model,
            "content": [{"type": "text", "text": said.text}] if said.text and not refusing else [],
            "stop_reason": _STOPS[said.stop],
            "stop_sequence": None,
            "stop_details": details,
            "usage": {
                "input_tokens": usage.input - usage.cache_read - usage.cache_write,
                "cache_creation_input_tokens": usage.cache_write,
                "cache_read_input_tokens": usage.cache_read,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": usage.cache_write,
                    "ephemeral_1h_input_tokens": 0,
                },
                "output_tokens": usage.output,
                "service_tier": "standard",
            },
        }
        return _reply(200, body, headers, number, name)

    def models(self, names: Iterable[str], number: int) -> Reply:
        listed = [
            {
                "type": "model",
                "id": name,
                "display_name": f"{name} (simulated)",
                "created_at": "1970-01-01T00:00:00Z",
                "lifecycle": "active",
            }
            for name in names
        ]
        ends = {"first_id": listed[0]["id"], "last_id": listed[-1]["id"]} if listed else {}
        body = {"data": listed, "has_more": False, "first_id": None, "last_id": None, **ends}
        return _reply(200, body, {}, number)


@lru_cache(maxsize=256)
def instant(second: int) -> str:
    """A time as the vendor's headers write it (RFC 3339, UTC, whole seconds)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def _window(found: dict[str, str], name: str, limit: int, remaining: int, reset: float) -> None:
    found[f"anthropic-ratelimit-{name}-limit"] = str(limit)
    found[f"anthropic-ratelimit-{name}-remaining"] = str(remaining)
    found[f"anthropic-ratelimit-{name}-reset"] = instant(math.ceil(reset))


def _json(body: bytes) -> Mapping[str, object]:
    try:
        data = orjson.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise _invalid("The request body is not valid JSON")
    return data


def _blocks(content: object, where: str) -> list[tuple[str, bool]]:
    """The texts of a message, each with whether the prompt cache is asked to hold everything up to it."""
    if isinstance(content, str):
        return [(content, False)]
    if not isinstance(content, list):
        raise _invalid(f"{where}: Input should be a valid string or list")
    return [
        (text, bool(block.get("cache_control")))
        for block in content
        if isinstance(block, dict) and isinstance(text := block.get("text"), str)
    ]


def _schema(config: object) -> bytes:
    form = config.get("format") if isinstance(config, dict) else None
    if not isinstance(form, dict):
        # Stricter than the vendor, as is max_tokens on the other wire: here every call asks for structure.
        raise _invalid("output_config.format: Field required")
    if form.get("type") != "json_schema":
        raise _invalid("output_config.format.type: Input should be 'json_schema'")
    if not isinstance(form.get("schema"), dict):
        raise _invalid("output_config.format.schema: Field required")
    schema = orjson.dumps(form["schema"])
    if (problem := _problem(schema)) is not None:
        raise _invalid(f"output_config.format.schema: {problem}")
    return schema


@lru_cache(maxsize=256)
def _problem(schema: bytes) -> str | None:
    if (problem := anthropic_problem(orjson.loads(schema))) is not None:
        return problem
    try:
        answerer(schema)
    except ValueError as error:
        return str(error)
    return None


def _invalid(message: str) -> RejectedError:
    return RejectedError("400", 400, _error("invalid_request_error", message))


def _error(kind: str, message: str, details: Mapping[str, object] | None = None) -> dict[str, object]:
    error: dict[str, object] = {"type": kind, "message": message}
    return {"type": "error", "error": error | ({"details": details} if details else {})}


def _too_many(message: str, wait_s: float, headers: Headers, number: int) -> Reply:
    wait = {"retry-after": str(math.ceil(wait_s)), "x-should-retry": "true"}
    return _reply(429, _error("rate_limit_error", message), {**headers, **wait}, number)


def _reply(status: int, body: Mapping[str, object], headers: Headers, number: int, name: str = "") -> Reply:
    request_id = f"req_sim_{number:020x}"
    own = {"request-id": request_id, "anthropic-organization-id": _ORGANIZATION}
    shown = {**body, "request_id": request_id} if status >= 400 else body
    return Reply(status, orjson.dumps(shown), {**cast(dict[str, str], headers), **own}, id=name)
