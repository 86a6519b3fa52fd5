"""What a running simulator shows, and how it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import orjson
import pytest
from pipeline.simulator import control
from pipeline.simulator.control import ControlError
from pipeline.simulator.openai_chat import OpenAIChat
from pipeline.simulator.profile import Profile
from pipeline.simulator.provider import Plan, Provider
from pipeline.simulator.recordings import Recordings

_WIRE = OpenAIChat()
_SECRET = "sk-a-very-secret-key"


def _provider(**profile: object) -> Provider:
    return Provider(Profile.model_validate(profile), Recordings(), 0.0)


def _ask(provider: Provider, now: float = 0.0, model: str = "m") -> Plan:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    body = {
        "model": model,
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Hello"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}},
    }
    headers = {"Authorization": f"Bearer {_SECRET}", "X-Extra": "1"}
    plan = provider.decide(_WIRE, headers, orjson.dumps(body), now, 0.0)
    provider.finish(plan, now, delivered=True)
    return plan


def _openai(provider: Provider, now: float = 0.0) -> Mapping[str, object]:
    return cast(Mapping[str, object], control.state(provider, now)["openai"])


def test_an_outage_by_control_lasts_from_now_and_can_be_ended() -> None:
    provider = _provider()
    control.change(provider, {"openai": {"outage": {"seconds": 20, "kind": "503"}}}, 100.0)
    assert [_ask(provider, now).outcome for now in (100.0, 119.9, 120.0)] == ["outage", "outage", "ok"]
    control.change(provider, {"openai": {"outage": {"seconds": 20, "at_s": 5}}}, 200.0)
    assert [_ask(provider, now).outcome for now in (204.9, 205.0)] == ["ok", "outage"]
    assert _openai(provider, 215.0)["outage"] == {"kind": "503", "seconds_left": 10.0}
    control.change(provider, {"openai": {"outage": None}}, 215.0)
    assert _ask(provider, 215.0).outcome == "ok"


def test_outcomes_are_counted_by_wire_and_model() -> None:
    provider = _provider(openai={"models": ["m", "n"]})
    for model in ("m", "m", "n", "unknown"):
        _ask(provider, model=model)
    seen = _openai(provider)
    assert seen["requests"] == 4
    assert seen["outcomes"] == {"ok": 3, "404": 1}
    assert cast(Mapping[str, object], seen["models"])["m"] == {"outcomes": {"ok": 2}, "in_flight": 0}


def test_quotas_change_at_once_and_are_shown() -> None:
    provider = _provider()
    assert _ask(provider).outcome == "ok"
    control.change(provider, {"openai": {"quota": {"requests_per_minute": 1}}}, 0.0)
    assert [_ask(provider).outcome for _ in range(2)] == ["ok", "quota_requests"]
    (quota,) = cast(list[Mapping[str, object]], _openai(provider)["quotas"])
    assert quota["requests"] == {"limit": 1, "remaining": 0, "reset_s": 60.0}
    assert quota["refused"] == 1


def test_requests_are_recorded_only_when_asked_for_and_without_their_key() -> None:
    provider = _provider()
    _ask(provider)
    assert provider.journal.last(10) == []
    control.change(provider, {"record_requests": 2}, 0.0)
    for model in ("a", "b", "c"):
        _ask(provider, model=model)
    kept = provider.journal.last(10)
    assert [cast(Mapping[str, object], entry["body"])["model"] for entry in kept] == ["b", "c"]
    assert cast(Mapping[str, str], kept[0]["headers"])["x-extra"] == "1"
    assert provider.journal.last(1) == kept[1:]
    assert provider.journal.last(0) == []
    assert _SECRET not in repr(kept)
    assert _SECRET not in repr(control.state(provider, 0.0))


def test_a_reset_forgets_what_was_counted_and_keeps_what_is_set() -> None:
    provider = _provider(openai={"retry_after_s": 3}, record_requests=5)
    _ask(provider)
    control.change(provider, {"reset": True}, 1.0)
    assert _openai(provider)["requests"] == 0
    assert provider.bill.delivered == {}
    assert provider.journal.last(5) == []
    assert provider.profile.openai.retry_after_s == 3


@pytest.mark.parametrize(
    "change",
    [
        [],
        {"openai": {"faults": {"429": 2}}},
        {"openai": {"outage": {"kind": "503"}}},
        {"openai": {"outage": {"seconds": 1, "kind": "earthquake"}}},
        {"nonsense": 1},
        {"openai": 7},
    ],
)
def test_a_change_that_is_not_valid_changes_nothing(change: object) -> None:
    provider = _provider(openai={"retry_after_s": 3})
    before = control.state(provider, 0.0)
    with pytest.raises(ControlError) as raised:
        control.change(provider, change, 0.0)
    assert "\n" not in str(raised.value)
    assert control.state(provider, 0.0) | {"cpu_s": 0} == before | {"cpu_s": 0}


def test_the_profile_shown_leaves_out_the_keys() -> None:
    shown = control.state(_provider(openai={"keys": [_SECRET], "retry_after_s": 2}), 0.0)["profile"]
    assert shown == {"openai": {"retry_after_s": 2.0}}
