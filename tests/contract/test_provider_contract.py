"""Every provider keeps the contract of the seam: the scripted one, and both vendors' SDKs on the simulator's wires.

And, where llama.cpp's server and a small model are installed (llamacpp_server.py), on a real model's: without a
network, and slow. It publishes no quota and cannot be made to do all that a vendor does; of what it can, all is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp
import orjson
import pytest
from pipeline.llm import Provider, ProviderError
from pipeline.llm.providers.anthropic_messages import AnthropicMessages
from pipeline.llm.providers.openai_chat import OpenAIChat
from pipeline.llm.providers.provider import Failure, Limits, Reply, Request, Stop, Window
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.llm.question import Usage
from pipeline.simulator.profile import Profile
from pipeline.simulator.server import Server
from tests.contract import llamacpp_server

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"category": {"type": "string", "enum": ["cards", "loans"]}, "summary": {"type": "string"}},
    "required": ["category", "summary"],
    "additionalProperties": False,
}
BOUNDED = {**SCHEMA, "properties": {**SCHEMA["properties"], "summary": {"type": "string", "maxLength": 40}}}
"""For a model that may never come to an end by itself."""
MODELS = {"scripted": "gpt-4.1-mini", "openai": "gpt-4.1-mini", "anthropic": "claude-haiku-4-5"}
WIRES = ("openai", "anthropic")


class Bench(Protocol):
    """A provider, and a way to make its next calls go wrong."""

    @property
    def provider(self) -> Provider: ...
    @property
    def model(self) -> str: ...
    @property
    def quota(self) -> bool: ...
    @property
    def patience_s(self) -> float: ...
    @property
    def at_once(self) -> int: ...

    async def suffer(self, fault: str) -> None: ...


class ScriptedBench:
    model, quota, patience_s, at_once = MODELS["scripted"], True, 5.0, 200

    def __init__(self) -> None:
        window = Window(1000, 999)
        self.answer = Reply('{"category": "cards"}', Stop.END, Usage(40, 0, 9), Limits(window, window, window, window))
        self.provider = self.scripted = ScriptedProvider(always=self.answer)

    async def suffer(self, fault: str) -> None:
        usage = Usage(40, 0, 9)
        self.scripted.latency_s = 3600.0 if fault == "timeout" else 0.0
        steps: dict[str, Reply | ProviderError] = {
            "timeout": self.answer,
            "refusal": Reply("", Stop.REFUSAL, usage),
            "truncation": Reply('{"cat', Stop.LENGTH, usage),
            "429": ProviderError(Failure.THROTTLED, status=429, limits=Limits(retry_after_s=1.0)),
            "spend_limit": ProviderError(Failure.SPENT, status=429),
            "401": ProviderError(Failure.LOCKED_OUT, status=401),
            "403": ProviderError(Failure.LOCKED_OUT, status=403),
            "404": ProviderError(Failure.UNUSABLE_MODEL, status=404),
            "500": ProviderError(Failure.SERVER_ERROR, status=500),
            "503": ProviderError(Failure.OVERLOADED, status=503),
            "529": ProviderError(Failure.OVERLOADED, status=529),
            "html": ProviderError(Failure.GARBLED, status=200, maybe_billed=True),
            "reset": ProviderError(Failure.UNREACHABLE, maybe_billed=True),
            "cut": ProviderError(Failure.UNREACHABLE, maybe_billed=True),
        }
        self.scripted.always = steps[fault]


class SimulatedBench:
    quota, patience_s, at_once = True, 5.0, 200

    def __init__(self, wire: str, server: Server) -> None:
        self.wire, self.model = wire, MODELS[wire]
        self._control = server.control_url
        self.provider: Provider = (
            OpenAIChat(key="sk-test", base_url=server.openai_url)
            if wire == "openai"
            else AnthropicMessages(key="sk-test", base_url=server.anthropic_url)
        )

    async def suffer(self, fault: str) -> None:
        await self.change({self.wire: {"faults": None}})
        await self.change({self.wire: {"faults": {fault: 1.0}}})

    async def change(self, patch: dict[str, Any]) -> None:
        async with aiohttp.ClientSession() as http, http.post(self._control, json=patch) as response:
            assert response.status == 200, await response.text()

    async def requests(self) -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as http, http.get(self._control + "/requests") as response:
            return list((await response.json())["requests"])


class LlamaBench:
    """llama.cpp's own server. On the messages wire it knows no `output_config`: there it keeps to a form for all."""

    model, quota, patience_s, at_once = llamacpp_server.MODEL, False, 200.0, 4

    def __init__(self, wire: str, address: str) -> None:
        self._wire, self._address = wire, address
        self.provider: Provider = self._client()

    def _client(self, key: str = llamacpp_server.KEY, path: str = "", address: str = "") -> Provider:
        url = (address or self._address) + path
        return OpenAIChat(key=key, base_url=f"{url}/v1") if self._wire == "openai" else AnthropicMessages(
            key=key, base_url=url
        )  # fmt: skip

    async def suffer(self, fault: str) -> None:
        match fault:
            case "401":
                self.provider = self._client(key="sk-wrong")
            case "404":
                self.provider = self._client(path="/nowhere")
            case "reset":
                self.provider = self._client(address="http://127.0.0.1:9")
            case "timeout" | "truncation":
                pass  # a model this slow, and 300 tokens at most, need no fault
            case _:
                pytest.skip("a real server cannot be told to do that")


@pytest.fixture(scope="module")
def llama_addresses() -> Iterator[Mapping[str, str]]:
    with llamacpp_server.serving() as openai, llamacpp_server.serving(BOUNDED) as anthropic:
        yield {"openai": openai, "anthropic": anthropic}


@asynccontextmanager
async def simulated(wire: str, **profile: Any) -> AsyncIterator[SimulatedBench]:
    quota = {"requests_per_minute": 100_000, "tokens_per_minute": 10_000_000}
    if wire == "anthropic":
        quota |= {"input_tokens_per_minute": 10_000_000, "output_tokens_per_minute": 1_000_000}
        del quota["tokens_per_minute"]
    settings = {"record_requests": 10, wire: {"quota": quota}} | profile
    async with Server(Profile.model_validate(settings)) as server:
        bench = SimulatedBench(wire, server)
        yield bench
        await bench.provider.close()


REAL = ["llama-openai", "llama-anthropic"] if llamacpp_server.installed() else []


@pytest.fixture(params=["scripted", "openai", "anthropic", *REAL])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "scripted":
        yield ScriptedBench()
    elif request.param in REAL:
        wire = request.param.removeprefix("llama-")
        llama = LlamaBench(wire, request.getfixturevalue("llama_addresses")[wire])
        yield llama
        await llama.provider.close()
    else:
        async with simulated(request.param) as found:
            yield found


def a_request(model: str, **more: Any) -> Request:
    fields: dict[str, Any] = {
        "system": "Classify the ticket.",
        "user": "The machine swallowed my card.",
        "schema_name": "ticket",
        "schema": BOUNDED if model == llamacpp_server.MODEL else SCHEMA,
        "max_tokens": 300,
    }
    return Request(model=model, **fields | more)


async def test_a_call_brings_json_its_usage_and_the_quota(bench: Bench) -> None:
    reply = await bench.provider.ask(a_request(bench.model), bench.patience_s)
    assert reply.stop is Stop.END
    assert "category" in orjson.loads(reply.text)
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    if not bench.quota:
        assert reply.limits.requests is None
        return
    assert reply.limits.requests is not None
    assert reply.limits.requests.limit > reply.limits.requests.remaining >= 0
    assert reply.limits.tokens is not None or reply.limits.output_tokens is not None


async def test_many_calls_at_once_all_come_back(bench: Bench) -> None:
    replies = await asyncio.gather(
        *(bench.provider.ask(a_request(bench.model), 6 * bench.patience_s) for _ in range(bench.at_once))
    )
    assert all(reply.stop is Stop.END for reply in replies)


@pytest.mark.parametrize(
    ("fault", "failure", "status"),
    [
        ("429", Failure.THROTTLED, 429),
        ("spend_limit", Failure.SPENT, 429),
        ("401", Failure.LOCKED_OUT, 401),
        ("404", Failure.UNUSABLE_MODEL, 404),
        ("500", Failure.SERVER_ERROR, 500),
        ("503", Failure.OVERLOADED, 503),
        ("529", Failure.OVERLOADED, 529),
        ("html", Failure.GARBLED, 200),
        ("reset", Failure.UNREACHABLE, None),
        ("cut", Failure.UNREACHABLE, None),
    ],
)
async def test_each_way_to_fail_has_its_class(bench: Bench, fault: str, failure: Failure, status: int | None) -> None:
    await bench.suffer(fault)
    with pytest.raises(ProviderError) as caught:
        await bench.provider.ask(a_request(bench.model), 5)
    assert (caught.value.failure, caught.value.status) == (failure, status)
    if fault in ("reset", "cut", "html") and bench.quota:
        assert caught.value.maybe_billed


async def test_no_permission_is_never_the_records_fault(bench: Bench) -> None:
    await bench.suffer("403")
    with pytest.raises(ProviderError) as caught:
        await bench.provider.ask(a_request(bench.model), 5)
    assert caught.value.failure in (Failure.LOCKED_OUT, Failure.UNUSABLE_MODEL)


async def test_a_429_says_how_long_to_wait(bench: Bench) -> None:
    await bench.suffer("429")
    with pytest.raises(ProviderError) as caught:
        await bench.provider.ask(a_request(bench.model), 5)
    assert caught.value.limits.retry_after_s == pytest.approx(1.0)


async def test_a_call_that_hangs_ends_when_its_time_is_up(bench: Bench) -> None:
    await bench.suffer("timeout")
    with pytest.raises(ProviderError) as caught:
        await asyncio.wait_for(bench.provider.ask(a_request(bench.model), 0.2), 2)
    assert caught.value.failure is Failure.TIMEOUT
    assert caught.value.maybe_billed


async def test_a_refusal_is_a_reply_that_says_so(bench: Bench) -> None:
    await bench.suffer("refusal")
    assert (await bench.provider.ask(a_request(bench.model), 5)).stop is Stop.REFUSAL


async def test_a_truncated_answer_is_a_reply_that_says_so(bench: Bench) -> None:
    await bench.suffer("truncation")
    reply = await bench.provider.ask(a_request(bench.model, max_tokens=16 if bench.quota else 3), bench.patience_s)
    assert reply.stop is Stop.LENGTH
    assert reply.usage.input_tokens > 0, "a truncated answer is paid for too"


async def test_an_error_shows_nothing_of_the_request(bench: Bench) -> None:
    await bench.suffer("500")
    with pytest.raises(ProviderError) as caught:
        await bench.provider.ask(a_request(bench.model, user="Doe, 4111 1111 1111 1111"), 5)
    assert "4111" not in str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)


async def test_a_ping_tells_whether_it_can_be_reached(bench: Bench) -> None:
    await bench.provider.ping(bench.patience_s)
    if isinstance(bench, SimulatedBench):
        await bench.change({bench.wire: {"outage": {"seconds": 60, "kind": "503"}}})
    else:
        await bench.suffer("reset" if isinstance(bench, LlamaBench) else "503")
    with pytest.raises(ProviderError):
        await bench.provider.ping(5)


@pytest.mark.parametrize("wire", WIRES)
async def test_nothing_listens(wire: str) -> None:
    client = OpenAIChat if wire == "openai" else AnthropicMessages
    provider = client(key="sk-test", base_url="http://127.0.0.1:9")
    with pytest.raises(ProviderError) as caught:
        await provider.ask(a_request(MODELS[wire]), 5)
    assert (caught.value.failure, caught.value.maybe_billed) == (Failure.UNREACHABLE, False)
    await provider.close()


@pytest.mark.parametrize("wire", WIRES)
async def test_what_goes_over_the_wire_keeps_nothing_and_names_nobody(
    wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "somebody-elses")
    async with simulated(wire) as bench:
        await bench.provider.ask(a_request(bench.model, temperature=0.2, user_hash="3f" * 16), 5)
        (sent,) = await bench.requests()
    body, headers = sent["body"], sent["headers"]
    roles = {message["role"]: message["content"] for message in body["messages"]}
    assert roles["user"] == "The machine swallowed my card."
    if wire == "openai":
        assert body["store"] is False
        assert roles["system"] == "Classify the ticket."
        assert body["safety_identifier"] == "3f" * 16
        assert body["response_format"]["json_schema"]["strict"] is True
        assert body["max_completion_tokens"] == 300
        assert set(body) <= {
            "model", "messages", "response_format", "max_completion_tokens", "store", "temperature",
            "safety_identifier",
        }  # fmt: skip
    else:
        assert body["system"] == "Classify the ticket."
        assert body["metadata"] == {"user_id": "3f" * 16}
        assert body["output_config"]["format"] == {"type": "json_schema", "schema": SCHEMA}
        assert body["max_tokens"] == 300
        assert set(body) <= {"model", "messages", "system", "output_config", "max_tokens", "metadata"}
    assert "somebody-elses" not in str(headers)
    assert not {"traceparent", "tracestate", "baggage", "x-stainless-helper-method"} & set(headers)
    assert headers.get("x-stainless-retry-count") == "0"
