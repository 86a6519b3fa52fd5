"""OpenAI's chat completions as the vendor sends them: bodies, headers, errors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import cast

import orjson

from pipeline.simulator.exchange import Ask, Headers, RejectedError, Reply, Said, Stop
from pipeline.simulator.faults import Fault
from pipeline.simulator.profile import WireName
from pipeline.simulator.quota import Meter, Reading, Refused
from pipeline.simulator.schema import answerer
from pipeline.simulator.strict import openai_problem

_ORGANIZATION = "org-simulated"
_THINKING = re.compile(r"(?:gpt-5|o\d)")
"""Models that take `max_completion_tokens` only."""
_STOPS = {Stop.END: "stop", Stop.LENGTH: "length", Stop.REFUSAL: "stop", Stop.FILTER: "content_filter"}
_METERS = {Meter.REQUESTS: ("requests", "RPM"), Meter.TOKENS: ("tokens", "TPM")}
_REFUSAL = "(simulated) I'm sorry, but I can't help with that request."


class OpenAIChat:
    """The wire of OpenAI, which vLLM, Ollama, llama.cpp and Azure speak too."""

    name: WireName = "openai"
    caches_always = True

    def key(self, headers: Headers) -> str:
        scheme, _, key = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            message = (
                "You didn't provide an API key. You need to provide your API key in an Authorization header using "
                "Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
            raise RejectedError("401", 401, _error(message))
        return key.strip()

    def read(self, body: bytes) -> Ask:
        data = _json(body)
        model = data.get("model")
        if not isinstance(model, str) or not model:
            raise _invalid("you must provide a model parameter")
        messages = data.get("messages")
        if not isinstance(messages, list) or not messages:
            raise _missing("messages")
        if data.get("stream"):
            raise _invalid("The simulator does not stream.", "stream", "unsupported_parameter")
        system, user, characters = [], [], 0
        for at, message in enumerate(messages):
            role, text = _message(message, at)
            characters += len(text)
            if role in ("system", "developer"):
                system.append(text)
            elif role == "user":
                user.append(text)
        schema = _schema(data.get("response_format"))
        instructions = "\n".join(system)
        return Ask(
            model=model,
            system=instructions,
            messages=tuple(user),
            characters=characters + len(schema),
            prefix=sum(map(len, system)) + len(schema),
            prefix_key=hash((instructions, schema)),
            max_tokens=_max_tokens(data, model),
            schema=schema,
        )

    def unauthorized(self, key: str) -> RejectedError:
        shown = f"{key[:3]}***{key[-4:]}" if len(key) > 12 else "***"
        message = (
            f"Incorrect API key provided: {shown}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )
        return RejectedError("401", 401, _error(message, code="invalid_api_key"))

    def forbidden(self, model: str) -> RejectedError:
        message = f"Project `proj_simulated` does not have access to model `{model}`"
        return RejectedError("403", 403, _error(message, code="model_not_found"))

    def unknown_model(self, model: str) -> RejectedError:
        message = f"The model `{model}` does not exist or you do not have access to it."
        return RejectedError("404", 404, _error(message, code="model_not_found"))

    def rejected(self, error: RejectedError, number: int) -> Reply:
        return _reply(error.status, error.error, {}, number)

    def quota_headers(self, readings: Iterable[Reading], wall: float) -> dict[str, str]:
        found = {}
        for reading in readings:
            name = _METERS[reading.meter][0]
            found[f"x-ratelimit-limit-{name}"] = str(reading.limit)
            found[f"x-ratelimit-remaining-{name}"] = str(reading.remaining)
            found[f"x-ratelimit-reset-{name}"] = duration(reading.reset_s)
        return found

    def refused(self, refused: Refused, model: str, headers: Headers, number: int) -> Reply:
        name, short = _METERS[refused.meter]
        where = f"for {model} in organization {_ORGANIZATION} on {name} per min ({short})"
        if math.isinf(refused.wait_s):
            message = (
                f"Request too large {where}: Limit {refused.limit}, Requested {refused.requested}. The input or output "
                "tokens must be reduced in order to run successfully. "
                "Visit https://platform.openai.com/account/rate-limits to learn more."
            )
            return _reply(429, _error(message, name, code="rate_limit_exceeded"), headers, number)
        message = (
            f"Rate limit reached {where}: Limit {refused.limit}, Used {refused.used}, Requested {refused.requested}. "
            f"Please try again in {duration(refused.wait_s)}. "
            "Visit https://platform.openai.com/account/rate-limits to learn more."
        )
        return _too_many(message, name, refused.wait_s, headers, number)

    def failed(self, fault: Fault, model: str, retry_after_s: float, headers: Headers, number: int) -> Reply:
        match fault:
            case Fault.RATE_LIMIT:
                message = (
                    f"Rate limit reached for {model} in organization {_ORGANIZATION} on requests per min (RPM): "
                    f"Limit 500, Used 500, Requested 1. Please try again in {duration(retry_after_s)}. "
                    "Visit https://platform.openai.com/account/rate-limits to learn more."
                )
                return _too_many(message, "requests", retry_after_s, headers, number)
            case Fault.SPEND_LIMIT:
                message = (
                    "You exceeded your current quota, please check your plan and billing details. For more information "
                    "on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
                )
                return _reply(429, _error(message, "insufficient_quota", code="insufficient_quota"), headers, number)
            case Fault.UNAVAILABLE | Fault.OVERLOADED:
                message = "The engine is currently overloaded, please try again later"
                return _reply(int(fault), _error(message, "service_unavailable_error"), headers, number)
        message = (
            "The server had an error while processing your request. Sorry about that! You can retry your request, or "
            "contact us through our help center at help.openai.com if the error persists."
        )
        return _reply(500, _error(message, "server_error"), headers, number)

    def said(self, ask: Ask, said: Said, headers: Headers, number: int, wall: float) -> Reply:
        usage = said.usage
        refusing = said.stop is Stop.REFUSAL
        name = f"chatcmpl-sim-{number:012x}"
        body = {
            "id": name,
            "object": "chat.completion",
            "created": int(wall),
            "model": ask.model,
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": None if refusing else said.text,
                        "refusal": _REFUSAL if refusing else None,
                        "annotations": [],
                    },
                    "logprobs": None,
                    "finish_reason": _STOPS[said.stop],
                }
            ],
            "usage": {
                "prompt_tokens": usage.input,
                "completion_tokens": usage.output,
                "total_tokens": usage.input + usage.output,
                "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": usage.reasoning,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            },
            "service_tier": "default",
            "system_fingerprint": "simulated",
        }
        return _reply(200, body, headers, number, name)

    def models(self, names: Iterable[str], number: int) -> Reply:
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in names]
        return _reply(200, {"object": "list", "data": listed}, {}, number)


def duration(seconds: float) -> str:
    """A duration as the vendor's headers write it: `20ms`, `8.64s`, `6m0s`, `1h3m0.5s`."""
    milliseconds = math.ceil(seconds * 1000 - 1e-6)
    if milliseconds < 1000:
        return f"{max(milliseconds, 0)}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + shown


def _json(body: bytes) -> Mapping[str, object]:
    try:
        data = orjson.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise _invalid(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
        )
    return data


def _message(message: object, at: int) -> tuple[str, str]:
    if not isinstance(message, dict) or not isinstance(role := message.get("role"), str):
        raise _missing(f"messages[{at}].role")
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return role, "".join(part for part in parts if isinstance(part, str))
    if content is None and role == "assistant":
        return role, ""
    if not isinstance(content, str):
        message_ = f"Invalid value for 'content': expected a string, got {'null' if content is None else 'an object'}."
        raise _invalid(message_, f"messages.[{at}].content")
    return role, content


def _schema(form: object) -> bytes:
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise _missing("response_format.json_schema")
    wrapped = form.get("json_schema")
    if not isinstance(wrapped, dict):
        raise _missing("response_format.json_schema")
    name = wrapped.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        raise _missing("response_format.json_schema.name")
    if not isinstance(wrapped.get("schema"), dict):
        raise _missing("response_format.json_schema.schema")
    schema = orjson.dumps(wrapped["schema"])
    problem = _problem(schema, strict=wrapped.get("strict") is True)
    if problem is not None:
        raise _invalid(f"Invalid schema for response_format '{name}': {problem}", "response_format")
    return schema


@lru_cache(maxsize=256)
def _problem(schema: bytes, *, strict: bool) -> str | None:
    if not strict:
        return "the simulator takes strict schemas only: set strict to true."
    if (problem := openai_problem(orjson.loads(schema))) is not None:
        return problem
    try:
        answerer(schema)
    except ValueError as error:
        return str(error)
    return None


def _max_tokens(data: Mapping[str, object], model: str) -> int:
    if "max_tokens" in data and _THINKING.match(model):
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise _invalid(message, "max_tokens", "unsupported_parameter")
    name = "max_completion_tokens" if "max_completion_tokens" in data else "max_tokens"
    value = data.get(name)
    if value is None:
        # Stricter than the vendor: a call without a cap is a call whose price nobody knows.
        raise _missing("max_completion_tokens")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        shown = f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {value} instead."
        raise _invalid(shown, name, "integer_below_min_value")
    return value


def _missing(name: str) -> RejectedError:
    return _invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _invalid(message: str, param: str | None = None, code: str | None = None) -> RejectedError:
    return RejectedError("400", 400, _error(message, param=param, code=code))


def _error(
    message: str, kind: str = "invalid_request_error", *, param: str | None = None, code: str | None = None
) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _too_many(message: str, kind: str, wait_s: float, headers: Headers, number: int) -> Reply:
    wait = {"retry-after": str(math.ceil(wait_s)), "retry-after-ms": str(math.ceil(wait_s * 1000))}
    return _reply(429, _error(message, kind, code="rate_limit_exceeded"), {**headers, **wait}, number)


def _reply(status: int, body: object, headers: Headers, number: int, name: str = "") -> Reply:
    own = {
        "x-request-id": f"req_sim{number:029x}",
        "openai-organization": _ORGANIZATION,
        "openai-version": "2020-10-01",
    }
    return Reply(status, orjson.dumps(body), {**cast(dict[str, str], headers), **own}, id=name)
