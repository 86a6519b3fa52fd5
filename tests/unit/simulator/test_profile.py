"""Profiles are read strictly, and changed while running by merge patches."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline.errors import UsageError
from pipeline.simulator import profile as profiles
from pipeline.simulator import recordings
from pipeline.simulator.faults import Fault, OutageKind
from pipeline.simulator.profile import Profile, patched
from pydantic import ValidationError


def _written(folder: Path, text: str) -> str:
    path = folder / "profile.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", profiles.shipped())
def test_shipped_profiles_are_valid_and_found_by_name(name: str) -> None:
    assert profiles.load(name).seed > 0


def test_statuses_may_be_written_as_numbers(tmp_path: Path) -> None:
    text = "openai: {faults: {429: 0.1, refusal: 0.2}, outages: [{at_s: 5, seconds: 2, kind: 503}]}"
    profile = profiles.load(_written(tmp_path, text))
    assert profile.openai.faults == {Fault.RATE_LIMIT: 0.1, Fault.REFUSAL: 0.2}
    assert profile.openai.outages[0].span().kind is OutageKind.UNAVAILABLE
    assert profiles.load(_written(tmp_path, "")) == Profile()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openai: {latency: {p50_s: 2, p99_s: 1}}", "openai.latency: p99_s must not be below p50_s"),
        ("openai: {faults: {429: 0.6, 500: 0.6}}", "openai: the probabilities of faults add up to more than 1"),
        ("openai: {faults: {boredom: 0.6}}", "openai.faults.boredom"),
        ("openai: {quota: {input_tokens_per_minute: 5}}", "openai counts tokens_per_minute"),
        ("anthropic: {by_model: {m: {quota: {tokens_per_minute: 5}}}}", "anthropic counts input_tokens_per_minute"),
        ("gemini: {}", "gemini: Extra inputs are not permitted"),
        ("[1, 2]", "the whole: "),
        ("openai: {", "is not YAML"),
    ],
)
def test_a_bad_profile_is_one_line_that_names_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"^profile .*") as raised:
        profiles.load(_written(tmp_path, text))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_profile_names_those_shipped(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read .*demo, quiet, storm"):
        profiles.load(str(tmp_path / "none.yaml"))


def test_a_patch_changes_what_it_names_and_null_is_the_default() -> None:
    profile = patched(Profile(), {"openai": {"faults": {"429": 0.1, "500": 0.2}, "retry_after_s": 3}, "seed": 5})
    profile = patched(profile, {"openai": {"faults": {"429": None}, "latency": {"p50_s": 1, "p99_s": 2}}})
    assert profile.openai.faults == {Fault.SERVER_ERROR: 0.2}
    assert profile.openai.retry_after_s == 3
    assert patched(profile, {"openai": None}) == Profile(seed=5)
    with pytest.raises(ValidationError):
        patched(profile, {"openai": {"retry_after_s": "soon"}})


def test_a_models_own_conditions_stand_before_its_vendors() -> None:
    profile = Profile.model_validate(
        {
            "openai": {
                "latency": {"p50_s": 1, "p99_s": 2},
                "faults": {"500": 0.5},
                "by_model": {"small": {"latency": {"p50_s": 0.1, "p99_s": 0.2}, "faults": {}}},
            }
        }
    )
    assert profile.openai.latency_of("small").p50_s == 0.1
    assert profile.openai.latency_of("large").p50_s == 1
    assert profile.openai.faults_of("small") == {}
    assert profile.openai.faults_of("large") == {Fault.SERVER_ERROR: 0.5}


def test_recorded_answers_are_found_beside_the_profile_and_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"match": "abc", "answer": {"a": 1}}\n\n', encoding="utf-8")
    loaded = profiles.load(_written(tmp_path, "recorded_answers: answers.jsonl"))
    assert Path(loaded.recorded_answers) == path
    found = recordings.load(path).find("m", "xabcx")
    assert found is not None
    assert found.answer == {"a": 1}
    path.write_text('{"match": "abc", "answer": {"a": 1}}\n{"match": 3}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="line 2: match: "):
        recordings.load(path)
    with pytest.raises(UsageError, match="cannot be read"):
        recordings.load(tmp_path / "none.jsonl")
