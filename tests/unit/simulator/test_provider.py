"""What is decided about a request, and what is counted of it, by the clock that is handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal

import orjson
import pytest
from pipeline.simulator import control
from pipeline.simulator.anthropic_messages import AnthropicMessages
from pipeline.simulator.exchange import Silence
from pipeline.simulator.openai_chat import OpenAIChat, duration
from pipeline.simulator.profile import Profile
from pipeline.simulator.provider import Plan, Provider
from pipeline.simulator.recordings import Recording, Recordings, recordings

_OPENAI, _ANTHROPIC = OpenAIChat(), AnthropicMessages()
_SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "confidence": {"type": "number"}},
    "required": ["label", "confidence"],
    "additionalProperties": False,
}
_TEXT = "My card was charged twice."


def _provider(replayed: Recordings | None = None, **profile: object) -> Provider:
    return Provider(Profile.model_validate(profile), replayed or Recordings(), 1000.0)


def _body(text: str = _TEXT, model: str = "m", most: int = 100) -> bytes:
    return orjson.dumps(
        {
            "model": model,
            "max_tokens": most,
            "messages": [{"role": "user", "content": f"=== kdmgop ===\n{text}\n=== kdmgop ==="}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": _SCHEMA}},
        }
    )


def _decide(provider: Provider, now: float = 1000.0, body: bytes | None = None) -> Plan:
    return provider.decide(_OPENAI, {"Authorization": "Bearer k"}, _body() if body is None else body, now, 1.8e9)


def _said(plan: Plan) -> Mapping[str, object]:
    assert plan.reply is not None
    found = orjson.loads(orjson.loads(plan.reply.body)["choices"][0]["message"]["content"])
    assert isinstance(found, dict)
    return found


def _run(provider: Provider, texts: list[str]) -> list[tuple[str, float, bytes]]:
    found = []
    for text in texts:
        plan = _decide(provider, body=_body(text))
        provider.finish(plan, 1000.0, delivered=True)
        found.append((plan.outcome, plan.delay_s, plan.reply.body if plan.reply else b""))
    return found


def test_a_run_repeats_itself_by_its_seed() -> None:
    wire = {"latency": {"p50_s": 0.4, "p99_s": 2.0}, "faults": {"500": 0.1, "invalid_json": 0.1, "timeout": 0.1}}
    texts = [f"text {number % 40}" for number in range(120)]
    first = _run(_provider(openai=wire), texts)
    assert first == _run(_provider(openai=wire), texts)
    assert first != _run(_provider(openai=wire, seed=2), texts)
    assert first[0][1:2] != first[40][1:2], "the same text, another time: another latency"
    assert {outcome for outcome, _, _ in first} == {"ok", "500", "invalid_json", "timeout"}


def test_latency_and_faults_of_a_text_do_not_depend_on_what_came_between() -> None:
    wire = {"latency": {"p50_s": 0.4, "p99_s": 2.0}, "faults": {"500": 0.3}}
    forth = _run(_provider(openai=wire), ["a", "b", "c"])
    back = _run(_provider(openai=wire), ["c", "b", "a"])
    assert [entry[:2] for entry in forth] == [entry[:2] for entry in reversed(back)]


def test_an_outage_meets_every_request_of_its_wire_and_no_other() -> None:
    provider = _provider(openai={"outages": [{"at_s": 5, "seconds": 10, "kind": "503"}]})
    outcomes = [_decide(provider, now).outcome for now in (1004.9, 1005.0, 1014.9, 1015.0)]
    assert outcomes == ["ok", "outage", "outage", "ok"]
    other = provider.decide(_ANTHROPIC, {"x-api-key": "k", "anthropic-version": "x"}, b"{}", 1006.0, 0.0)
    assert other.outcome == "400"


def test_the_quota_is_charged_by_model_and_key() -> None:
    provider = _provider(openai={"quota": {"requests_per_minute": 1}})
    assert [_decide(provider).outcome for _ in range(2)] == ["ok", "quota_requests"]
    assert _decide(provider, body=_body(model="another")).outcome == "ok"
    other_key = provider.decide(_OPENAI, {"Authorization": "Bearer other"}, _body(), 1000.0, 0.0)
    assert other_key.outcome == "ok"


def test_only_answers_that_arrive_are_on_the_bill_as_delivered() -> None:
    provider = _provider(openai={"faults": {"cut": 1.0}})
    cut = _decide(provider)
    assert cut.silence is Silence.CUT
    provider.finish(cut, 1000.0, delivered=False)
    control.change(provider, {"openai": {"faults": None}}, 1000.0)
    for delivered in (True, False):
        provider.finish(_decide(provider), 1000.0, delivered=delivered)
    assert provider.bill.delivered["openai", "m"].requests == 1
    assert provider.bill.undelivered["openai", "m"].requests == 2
    assert dict(provider.traffic["openai", "m"].outcomes) == {"cut": 1, "ok": 1, "client_gone": 1}
    assert provider.traffic["openai", "m"].in_flight == 0


def test_an_itemised_bill_names_each_answer_as_its_client_knows_it_and_adds_up() -> None:
    provider = _provider(itemised_bill=True)
    plans = [_decide(provider, body=_body(text, model="gpt-4.1-mini")) for text in ("one", "two", "three")]
    for delivered, plan in zip((True, False, True), plans, strict=True):
        provider.finish(plan, 1000.0, delivered=delivered)
    told = [orjson.loads(plan.reply.body)["id"] for plan in plans if plan.reply]
    items = provider.bill.itemised()
    assert [item["id"] for item in items] == told
    assert [item["delivered"] for item in items] == [True, False, True]
    whole = sum(Decimal(str(item["cost_usd"])) for item in items)
    lines = (*provider.bill.delivered.items(), *provider.bill.undelivered.items())
    assert whole == sum(line.cost(wire, model) or 0 for (wire, model), line in lines) > 0
    silent = _provider()
    silent.finish(_decide(silent), 1000.0, delivered=True)
    assert silent.bill.itemised() == [], "nobody asked for it"


def test_reasoning_is_billed_and_takes_room_from_the_answer() -> None:
    provider = _provider(openai={"reasoning_tokens": 90})
    plan = _decide(provider, body=_body(most=100))
    assert plan.usage is not None
    assert (plan.outcome, plan.usage.output, plan.usage.reasoning) == ("length", 100, 90)
    roomy = _decide(provider, body=_body(most=1000)).usage
    assert roomy is not None
    assert 90 < roomy.output < 1000


def test_tokens_are_counted_as_documented() -> None:
    body = orjson.loads(_body())
    characters = len(body["messages"][0]["content"]) + len(orjson.dumps(_SCHEMA))
    plan = _decide(_provider(), body=orjson.dumps(body))
    assert plan.usage is not None
    assert plan.usage.input == -(-characters // 4)
    assert plan.reply is not None
    content = orjson.loads(plan.reply.body)["choices"][0]["message"]["content"]
    assert plan.usage.output == -(-len(content) // 4)


def test_recorded_answers_and_latencies_are_replayed_by_text_and_model() -> None:
    digest = hashlib.sha256(_TEXT.encode()).hexdigest()
    replayed = recordings(
        [
            Recording(match="charged", answer={"label": "by part"}),
            Recording(match=digest, answer={"label": "by digest"}, latency_s=3.5),
            Recording(match="charged", model="large", answer="by model, letter by letter"),
        ]
    )
    provider = _provider(replayed, openai={"latency": {"p50_s": 0.1, "p99_s": 0.2}})
    plan = _decide(provider)
    assert plan.delay_s == 3.5
    assert _said(plan)["label"] == "by digest"
    assert isinstance(_said(plan)["confidence"], float), "what is not recorded is made up"
    assert _said(_decide(provider, body=_body("charged again")))["label"] == "by part"
    assert str(_said(_decide(provider, body=_body("nothing")))["label"]).startswith("(simulated) ")
    verbatim = _decide(provider, body=_body("charged again", model="large"))
    assert verbatim.reply is not None
    assert b'"content":"by model, letter by letter"' in verbatim.reply.body


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0ms"),
        (0.0201, "21ms"),
        (0.9999, "1s"),
        (8.64, "8.64s"),
        (60.0, "1m0s"),
        (90.5, "1m30.5s"),
        (360.0, "6m0s"),
        (3780.5, "1h3m0.5s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
