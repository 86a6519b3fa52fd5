"""The vendors' own SDKs take the simulator for their vendor: every answer, every error, every header."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol

import anthropic
import httpx2
import openai
import orjson
import pytest
from pipeline.llm.prices import Prices
from pipeline.llm.providers.anthropic_messages import AnthropicMessages
from pipeline.llm.providers.openai_chat import OpenAIChat
from pipeline.llm.providers.provider import Provider, Request
from pipeline.simulator.profile import Profile
from pipeline.simulator.server import Server

_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["BILLING", "DELIVERY"]},
        "summary": {"type": "string"},
        "confidence": {"type": "number"},
    },
    "required": ["category", "summary", "confidence"],
    "additionalProperties": False,
}
_SYSTEM = "Sort tickets.\n- BILLING: charged twice, invoice\n- DELIVERY: parcel late"
_PROMPT = "<<<body kdmgoppbal\nMy card was charged twice.\nkdmgoppbal>>>"


def _plain() -> httpx2.AsyncClient:
    """Without TLS: loading the certificates takes longer than any test here."""
    return httpx2.AsyncClient(verify=False)


@dataclass(frozen=True)
class Answer:
    text: str
    stop: str
    input_tokens: int
    output_tokens: int
    headers: Mapping[str, str]


class Vendor(Protocol):
    name: Literal["openai", "anthropic"]
    sdk: Any
    model: str

    async def ask(self, **changed: object) -> Answer: ...

    async def models(self) -> list[str]: ...


class OpenAI:
    name: Literal["openai"] = "openai"
    sdk = openai
    model = "gpt-4.1-mini"

    def __init__(self, server: Server, key: str = "k") -> None:
        self.client = openai.AsyncOpenAI(
            api_key=key, base_url=server.openai_url, max_retries=0, timeout=10, http_client=_plain()
        )

    async def ask(self, **changed: object) -> Answer:
        form = {"type": "json_schema", "json_schema": {"name": "ticket", "strict": True, "schema": _SCHEMA}}
        asked: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _PROMPT}],
            "max_tokens": 500,
            "response_format": form,
        }
        raw = await self.client.chat.completions.with_raw_response.create(**asked | changed)
        said = raw.parse()
        assert said.id.startswith("chatcmpl-sim-")
        assert said.system_fingerprint == "simulated"
        assert said.usage is not None
        choice = said.choices[0]
        stop = "refusal" if choice.message.refusal else choice.finish_reason
        return Answer(
            choice.message.content or "", stop, said.usage.prompt_tokens, said.usage.completion_tokens, raw.headers
        )

    async def models(self) -> list[str]:
        return [model.id async for model in self.client.models.list()]


class Anthropic:
    name: Literal["anthropic"] = "anthropic"
    sdk = anthropic
    model = "claude-haiku-4-5"

    def __init__(self, server: Server, key: str = "k") -> None:
        self.client = anthropic.AsyncAnthropic(
            api_key=key, base_url=server.anthropic_url, max_retries=0, timeout=10, http_client=_plain()
        )

    async def ask(self, **changed: object) -> Answer:
        asked: dict[str, Any] = {
            "model": self.model,
            "system": _SYSTEM,
            "messages": [{"role": "user", "content": _PROMPT}],
            "max_tokens": 500,
            "output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}},
        }
        raw = await self.client.messages.with_raw_response.create(**asked | changed)
        said = await _maybe(raw.parse())
        assert said.id.startswith("msg_sim_")
        text = "".join(block.text for block in said.content)
        return Answer(text, said.stop_reason, said.usage.input_tokens, said.usage.output_tokens, raw.headers)

    async def models(self) -> list[str]:
        return [model.id async for model in self.client.models.list()]


def _part(text: str) -> Any:
    return {"type": "text", "text": text}


async def _maybe(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


Start = Callable[..., Awaitable[Vendor]]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Profile()) as running:
        yield running


@pytest.fixture(params=[OpenAI, Anthropic], ids=["openai", "anthropic"])
async def start(request: pytest.FixtureRequest, server: Server) -> Start:
    """The vendor's client, with the simulator's wire set as asked."""

    async def started(key: str = "k", **wire: object) -> Vendor:
        vendor: Vendor = request.param(server, key)
        await _control(server, {vendor.name: wire})
        return vendor

    return started


async def _control(server: Server, change: object) -> dict[str, Any]:
    async with _plain() as client:
        response = await client.post(server.control_url, json=change)
    assert response.status_code == 200, response.text
    found = response.json()
    assert isinstance(found, dict)
    return found


async def test_a_structured_answer_comes_with_usage(start: Start) -> None:
    answer = await (await start()).ask()
    said = orjson.loads(answer.text)
    assert said["category"] == "BILLING"
    assert said["summary"] == "(simulated) My card was charged twice."
    assert answer.stop in ("stop", "end_turn")
    characters = len(_SYSTEM) + len(_PROMPT) + len(orjson.dumps(_SCHEMA))
    assert answer.input_tokens == -(-characters // 4)
    assert answer.output_tokens == -(-len(answer.text) // 4)


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("429", 429, "RateLimitError"),
        ("spend_limit", 429, "RateLimitError"),
        ("500", 500, "InternalServerError"),
        ("503", 503, "InternalServerError"),
        ("529", 529, "InternalServerError"),
        ("401", 401, "AuthenticationError"),
        ("403", 403, "PermissionDeniedError"),
        ("404", 404, "NotFoundError"),
    ],
)
async def test_status_faults_raise_the_sdks_own_errors(start: Start, fault: str, status: int, error: str) -> None:
    vendor = await start(faults={fault: 1}, retry_after_s=2.5)
    with pytest.raises(getattr(vendor.sdk, error)) as raised:
        await vendor.ask()
    assert raised.value.status_code == status
    assert raised.value.request_id.startswith("req_")
    if fault == "429":
        assert raised.value.response.headers["retry-after"] == "3"


async def test_a_spent_account_is_told_from_a_busy_one(start: Start) -> None:
    vendor = await start(faults={"spend_limit": 1})
    with pytest.raises(vendor.sdk.RateLimitError) as raised:
        await vendor.ask()
    told = raised.value.code if vendor.name == "openai" else raised.value.error_code
    assert told == ("insufficient_quota" if vendor.name == "openai" else "enforced_spend_limit_reached")
    assert "retry-after" not in raised.value.response.headers


@pytest.mark.parametrize("fault", ["timeout", "reset", "cut"])
async def test_lost_connections_raise_the_sdks_own_errors(start: Start, server: Server, fault: str) -> None:
    vendor = await start(faults={fault: 1})
    expected = vendor.sdk.APITimeoutError if fault == "timeout" else (vendor.sdk.APIConnectionError, httpx2.HTTPError)
    with pytest.raises(expected):
        await vendor.ask(timeout=0.3 if fault == "timeout" else 10)
    for _ in range(100):
        seen = (await _control(server, {}))[vendor.name]
        if seen["in_flight"] == 0:
            break
        await asyncio.sleep(0.01)
    assert seen["outcomes"] == {fault: 1}


@pytest.mark.parametrize(
    ("fault", "stops"),
    [
        ("truncation", ("length", "max_tokens")),
        ("refusal", ("refusal",)),
        ("empty", ("stop", "end_turn")),
        ("invalid_json", ("stop", "end_turn")),
        ("fenced_json", ("stop", "end_turn")),
        ("chatty_json", ("stop", "end_turn")),
        ("schema_violation", ("stop", "end_turn")),
        ("leak", ("stop", "end_turn")),
        ("wrong_placeholder", ("stop", "end_turn")),
    ],
)
async def test_answer_faults_arrive_as_answers(start: Start, fault: str, stops: tuple[str, ...]) -> None:
    answer = await (await start(faults={fault: 1})).ask()
    assert answer.stop in stops
    match fault:
        case "refusal" | "empty":
            assert answer.text == ""
        case "truncation" | "invalid_json" | "fenced_json" | "chatty_json":
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(answer.text)
        case "schema_violation":
            said = orjson.loads(answer.text)
            assert (
                said.keys() != {"category", "summary", "confidence"}
                or said["category"] not in ("BILLING", "DELIVERY")
                or not isinstance(said["confidence"], float)
            )
        case _:
            assert orjson.loads(answer.text)["summary"] != "(simulated) My card was charged twice."


async def test_a_content_filter_is_the_vendors_own(start: Start, server: Server) -> None:
    vendor = await start(faults={"content_filter": 1})
    if vendor.name == "openai":
        assert (await vendor.ask()).stop == "content_filter"
    else:
        with pytest.raises(anthropic.BadRequestError, match="content filtering"):
            await vendor.ask()
        assert (await _control(server, {}))["bill"]["delivered"]["models"] == [], "errors are not billed"


async def test_a_proxys_page_comes_with_status_200(start: Start, server: Server) -> None:
    vendor = await start(faults={"html": 1})
    with pytest.raises(AttributeError):  # what both SDKs make of it: a string where an answer should be
        await vendor.ask()
    assert (await _control(server, {}))[vendor.name]["outcomes"] == {"html": 1}


async def test_an_answer_longer_than_its_room_is_cut_and_says_so(start: Start) -> None:
    answer = await (await start()).ask(max_tokens=5)
    assert answer.stop in ("length", "max_tokens")
    assert answer.output_tokens == 5
    assert len(answer.text) == 20


async def test_thinking_models_of_openai_take_the_newer_name_of_the_cap_only(server: Server) -> None:
    vendor = OpenAI(server)
    with pytest.raises(openai.BadRequestError, match="max_completion_tokens"):
        await vendor.ask(model="gpt-5-mini")
    answer = await vendor.ask(model="gpt-5-mini", max_tokens=openai.omit, max_completion_tokens=500)
    assert answer.stop == "stop"


async def test_newer_models_of_anthropic_take_no_temperature(server: Server) -> None:
    vendor = Anthropic(server)
    assert (await vendor.ask(extra_body={"temperature": 0.1})).stop == "end_turn"
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        await vendor.ask(model="claude-sonnet-5", extra_body={"temperature": 0.1})


_OPEN: dict[str, object] = {**_SCHEMA, "additionalProperties": True}
_FORMS: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"messages": []}, {"messages": []}),
    ({"model": ""}, {"model": ""}),
    ({"max_tokens": None}, {"extra_body": {"max_tokens": None}}),
    ({"max_tokens": 0}, {"max_tokens": 0}),
    ({"response_format": {"type": "json_object"}}, {"output_config": {}}),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": _OPEN}}},
        {"output_config": {"format": {"type": "json_schema", "schema": _OPEN}}},
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": False, "schema": _SCHEMA}}},
        {"output_config": {"format": {"type": "json", "schema": _SCHEMA}}},
    ),
    ({"extra_body": {"stream": True}}, {"extra_body": {"stream": True}}),
]


@pytest.mark.parametrize("form", range(len(_FORMS)))
async def test_requests_that_are_not_right_are_refused_as_the_vendor_would(start: Start, form: int) -> None:
    vendor = await start()
    with pytest.raises(vendor.sdk.BadRequestError) as raised:
        await vendor.ask(**_FORMS[form][0 if vendor.name == "openai" else 1])
    kind = raised.value.type
    assert kind == "invalid_request_error"


async def test_keys_and_models_are_checked_where_the_profile_names_them(start: Start) -> None:
    vendor = await start(key="good", keys=["good"], models=["m"], forbidden_models=["n"])
    with pytest.raises(vendor.sdk.NotFoundError):
        await vendor.ask()
    with pytest.raises(vendor.sdk.PermissionDeniedError):
        await vendor.ask(model="n")
    assert (await vendor.ask(model="m")).stop in ("stop", "end_turn")
    assert await vendor.models() == ["m"]
    stranger = await start(key="bad")
    for refused in (stranger.ask(model="m"), stranger.models()):
        with pytest.raises(vendor.sdk.AuthenticationError):
            await refused


async def test_priced_models_are_listed_where_the_profile_names_none(start: Start) -> None:
    vendor = await start()
    assert vendor.model in await vendor.models()


async def test_openais_quota_is_told_in_every_response_and_enforced(server: Server) -> None:
    vendor = OpenAI(server)
    await _control(server, {"openai": {"quota": {"requests_per_minute": 2, "tokens_per_minute": 100_000}}})
    answer = await vendor.ask()
    assert answer.headers["x-ratelimit-limit-requests"] == "2"
    assert answer.headers["x-ratelimit-remaining-requests"] == "1"
    assert answer.headers["x-ratelimit-reset-requests"] == "30s"
    assert answer.headers["x-ratelimit-limit-tokens"] == "100000"
    charged = answer.input_tokens + 500
    assert answer.headers["x-ratelimit-remaining-tokens"] == str(100_000 - charged)
    assert answer.headers["x-ratelimit-reset-tokens"].endswith("ms")
    await vendor.ask()
    with pytest.raises(openai.RateLimitError) as raised:
        await vendor.ask()
    assert raised.value.code == "rate_limit_exceeded"
    assert raised.value.type == "requests"
    headers = raised.value.response.headers
    assert 25_000 < int(headers["retry-after-ms"]) <= 30_000
    assert 25 < int(headers["retry-after"]) <= 30
    await _control(server, {"openai": {"quota": {"requests_per_minute": None, "tokens_per_minute": 400}}})
    with pytest.raises(openai.RateLimitError, match="Request too large") as raised:
        await vendor.ask()
    assert raised.value.type == "tokens"


async def test_anthropics_quotas_are_told_in_every_response_and_enforced(server: Server) -> None:
    vendor = Anthropic(server)
    quota = {"requests_per_minute": 1, "input_tokens_per_minute": 50_000, "output_tokens_per_minute": 8000}
    await _control(server, {"anthropic": {"quota": quota}})
    answer = await vendor.ask()
    told = {name: answer.headers[f"anthropic-ratelimit-{name}-limit"] for name in ("requests", "tokens")}
    assert told == {"requests": "1", "tokens": "58000"}
    assert answer.headers["anthropic-ratelimit-input-tokens-remaining"] == "50000"
    assert answer.headers["anthropic-ratelimit-output-tokens-limit"] == "8000"
    reset = datetime.fromisoformat(answer.headers["anthropic-ratelimit-requests-reset"])
    assert timedelta(seconds=50) < reset - datetime.now(UTC) <= timedelta(seconds=62)
    with pytest.raises(anthropic.RateLimitError, match="rate limit of 1 requests per minute") as raised:
        await vendor.ask()
    assert raised.value.type == "rate_limit_error"
    assert 50 < int(raised.value.response.headers["retry-after"]) <= 60
    assert raised.value.response.headers["x-should-retry"] == "true"


@pytest.mark.parametrize("within", ["system", "messages"])
async def test_anthropics_prompt_cache_is_written_and_read_when_asked_for(server: Server, within: str) -> None:
    client = Anthropic(server).client
    long: Any = {"type": "text", "text": "word " * 2000, "cache_control": {"type": "ephemeral"}}
    usages = []
    for text in ("first", "second"):
        said = await client.messages.create(
            model="claude-haiku-4-5",
            system="Sort tickets." if within == "messages" else [long],
            messages=[{"role": "user", "content": [*([long] if within == "messages" else []), _part(text)]}],
            max_tokens=100,
            output_config={"format": {"type": "json_schema", "schema": _SCHEMA}},
        )
        usages.append(said.usage)
    assert usages[0].cache_read_input_tokens == 0
    assert (usages[0].cache_creation_input_tokens or 0) > 2000
    assert usages[1].cache_read_input_tokens == usages[0].cache_creation_input_tokens
    assert usages[1].input_tokens < 20


async def test_openais_prompt_cache_works_unasked(server: Server) -> None:
    client = OpenAI(server).client
    cached = []
    for text in ("first", "second"):
        said = await client.chat.completions.create(
            model="gpt-5-mini",
            messages=[{"role": "system", "content": "word " * 2000}, {"role": "user", "content": text}],
            max_completion_tokens=100,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "a", "strict": True, "schema": _SCHEMA},
            },
        )
        assert said.usage is not None
        assert said.usage.prompt_tokens_details is not None
        cached.append(said.usage.prompt_tokens_details.cached_tokens or 0)
    assert cached[0] == 0
    assert cached[1] > 2000
    assert cached[1] % 128 == 0


@pytest.mark.parametrize("kind", ["503", "500", "529", "hang", "reset", "html"])
async def test_an_outage_looks_as_its_kind_says_and_ends(start: Start, server: Server, kind: str) -> None:
    vendor = await start(outage={"seconds": 60, "kind": kind})
    lost = (vendor.sdk.APIStatusError, vendor.sdk.APIConnectionError, AttributeError)
    with pytest.raises(lost) as raised:
        await vendor.ask(timeout=0.3 if kind == "hang" else 10)
    if isinstance(raised.value, vendor.sdk.APIStatusError):
        assert str(raised.value.status_code) == kind
    await _control(server, {vendor.name: {"outage": None}})
    assert (await vendor.ask()).stop in ("stop", "end_turn")


async def test_a_client_that_goes_away_is_counted_and_its_answer_billed_apart(start: Start, server: Server) -> None:
    vendor = await start(latency={"p50_s": 30, "p99_s": 30})
    with pytest.raises(vendor.sdk.APITimeoutError):
        await vendor.ask(timeout=0.2)
    for _ in range(100):
        seen = await _control(server, {})
        if seen[vendor.name]["in_flight"] == 0:
            break
        await asyncio.sleep(0.01)
    assert seen[vendor.name]["outcomes"] == {"client_gone": 1}
    assert seen["bill"]["delivered"]["models"] == []
    assert seen["bill"]["undelivered"]["models"][0]["requests"] == 1


async def test_the_bill_is_the_sum_of_the_usages_told(start: Start, server: Server) -> None:
    vendor = await start()
    answers = await asyncio.gather(*(vendor.ask() for _ in range(20)))
    async with _plain() as client:
        bill = (await client.get(f"{server.control_url}/bill")).json()
    (line,) = bill["delivered"]["models"]
    assert line["requests"] == 20
    assert line["input_tokens"] == sum(answer.input_tokens for answer in answers)
    assert line["output_tokens"] == sum(answer.output_tokens for answer in answers)
    assert float(line["cost_usd"]) > 0


async def test_a_reply_is_found_on_the_itemised_bill_by_its_id(start: Start, server: Server) -> None:
    vendor = await start()
    await _control(server, {"itemised_bill": True})
    wires: Mapping[str, tuple[Provider, str]] = {
        "openai": (OpenAIChat(key="sk-test", base_url=server.openai_url), "gpt-5-mini"),
        "anthropic": (AnthropicMessages(key="sk-test", base_url=server.anthropic_url), "claude-haiku-4-5"),
    }
    provider, model = wires[vendor.name]
    reply = await provider.ask(Request(model, _SYSTEM, _PROMPT, "ticket", _SCHEMA, 300), 5)
    await provider.close()
    async with _plain() as http:
        (item,) = (await http.get(f"{server.control_url}/bill/items")).json()["items"]
    assert item["id"] == reply.id != ""
    assert Decimal(item["cost_usd"]) == Prices(vendor.name).cost(model, reply.usage)


async def test_what_reached_the_wire_can_be_read_back(start: Start, server: Server) -> None:
    vendor = await start(key="sk-secret-of-the-test")
    await _control(server, {"record_requests": 3})
    await vendor.ask()
    async with _plain() as client:
        response = await client.get(f"{server.control_url}/requests", params={"limit": 10})
        refused = await client.get(f"{server.control_url}/requests", params={"limit": "all"})
    (entry,) = response.json()["requests"]
    assert entry["body"]["messages"][-1]["content"] == _PROMPT
    assert entry["outcome"] == "ok"
    assert "sk-secret" not in response.text
    assert refused.status_code == 400


async def test_control_refuses_what_is_not_valid_in_one_line(server: Server) -> None:
    async with _plain() as client:
        for content in (b"{", b"[]", b'{"openai": {"faults": {"429": 7}}}'):
            response = await client.post(server.control_url, content=content)
            assert response.status_code == 400
            assert "\n" not in response.json()["error"]
        assert (await client.get(server.control_url.replace("control", "health"))).json()["status"] == "ok"
        assert (await client.get(server.control_url.replace("control", "nowhere"))).status_code == 404


async def test_no_key_is_a_401_and_no_version_a_400(server: Server) -> None:
    async with _plain() as client:
        assert (await client.post(f"{server.openai_url}/chat/completions", json={})).status_code == 401
        url = f"{server.anthropic_url}/v1/messages"
        assert (await client.post(url, json={})).status_code == 401
        response = await client.post(url, json={}, headers={"x-api-key": "k"})
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "anthropic-version: header is required"
