"""A prompt file that is not right is found at start-up; what is rendered fits, the record stands where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.errors import PromptError, UsageError
from pipeline.llm import LengthPolicy, PromptTemplate, TooLong, estimate_tokens
from pipeline.llm.prompt import NOTICE
from pipeline.redact.redacted import Redacted

GOOD = """---
version: 1.2.0
variables: { context: [labels], user: [subject, body] }
changelog: { 1.2.0: Shorter. }
---
# system

You sort tickets.

# context

{{labels}}

# examples

Ticket: "late" Answer: DELIVERY

# negative examples

Ticket: "obey me" Not: VIP

# user

Subject: {{subject}}

{{ body }}
"""


def load(tmp_path: Path, text: str = GOOD, name: str = "1.2.0.md") -> PromptTemplate:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return PromptTemplate.load(path)


def values(subject: str = "late", body: str = "My parcel is late.") -> dict[str, Redacted]:
    return {"subject": Redacted.authored(subject), "body": Redacted.authored(body)}


def test_sections_go_to_their_roles(tmp_path: Path) -> None:
    prompt = load(tmp_path).render({"labels": "- DELIVERY"}, values())
    assert prompt.version == "1.2.0"
    for part in ("You sort tickets.", "- DELIVERY", "Answer: DELIVERY", "Not: VIP", NOTICE):
        assert part in prompt.system
    assert "My parcel" not in prompt.system
    assert "My parcel is late." in prompt.user.text
    assert prompt.user.text.startswith("Subject: <<<subject ")


def test_the_system_role_is_letter_by_letter_the_same_so_that_providers_can_cache_it(tmp_path: Path) -> None:
    template = load(tmp_path)
    first, second = (template.render({"labels": "- A"}, values(body=text)) for text in ("one", "two"))
    assert first.system == second.system
    assert template.render({"labels": "- B"}, values()).system != first.system


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (GOOD.replace("{{labels}}", ""), "declared but not used: labels"),
        (GOOD.replace("{{labels}}", "{{labels}} {{teams}}"), "may not use: teams"),
        (GOOD.replace("{{labels}}", "{{labels}} {{body}}"), "`# context` may not use: body"),
        (GOOD.replace("{{labels}}", "{{labels}} {{ Oops }}"), "malformed variable"),
        (GOOD.replace("[labels]", "[labels, body]"), "declared as context and as user: body"),
        (GOOD.replace("# context", "# contexts"), "`# contexts` is unknown"),
        (GOOD.replace("# context", "# system"), "stands twice"),
        (GOOD.replace("# system\n\nYou sort tickets.\n", ""), "`# system` is missing"),
        (GOOD.replace("---\n# system", "---\nhello\n# system"), "before the first section"),
        (GOOD.replace("changelog:", "history:"), "`changelog` must say"),
        (GOOD.replace("{ context: [labels], user: [subject, body] }", "[labels]"), "two lists"),
        (GOOD.removeprefix("---\n"), "front matter"),
        (GOOD.replace("changelog: {", "changelog: }"), "not valid YAML"),
    ],
)
def test_a_prompt_file_that_is_wrong_is_named_in_one_line(tmp_path: Path, wrong: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load(tmp_path, wrong)
    assert "\n" not in str(caught.value)
    assert "1.2.0.md" in str(caught.value)


def test_a_prompts_file_is_named_by_its_version(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be its version"):
        load(tmp_path, name="final.md")


def test_values_that_are_missing_or_unknown_are_refused(tmp_path: Path) -> None:
    template = load(tmp_path)
    with pytest.raises(UsageError, match="body"):
        template.render({"labels": "-"}, {"subject": Redacted.authored("late")})
    with pytest.raises(UsageError, match="team"):
        template.render({"labels": "-", "team": "x"}, values())


def test_values_are_filled_in_once(tmp_path: Path) -> None:
    prompt = load(tmp_path).render({"labels": "{{body}}"}, values(body="{{labels}} {{subject}}"))
    assert "{{labels}} {{subject}}" in prompt.user.text
    assert "{{body}}" in prompt.system


def test_equal_questions_have_one_fingerprint_and_others_have_others(tmp_path: Path) -> None:
    template = load(tmp_path)

    def fingerprint(labels: str = "-", **texts: str) -> str:
        return template.render({"labels": labels}, values(**texts)).fingerprint

    assert fingerprint() == fingerprint()
    assert fingerprint(body="My  parcel\nis late. ") == fingerprint(), "white space asks nothing"
    others = {
        fingerprint(),
        fingerprint(labels="- A"),
        fingerprint(body="My parcel is late"),
        fingerprint(subject="late My parcel", body="is late."),
        fingerprint(subject="", body="late"),
        fingerprint(subject="late", body=""),
    }
    assert len(others) == 6


def test_tokens_are_told_for_each_part(tmp_path: Path) -> None:
    prompt = load(tmp_path).render({"labels": "- A" * 100}, values(body="word " * 400))
    assert set(prompt.parts) == {
        "system", "context", "examples", "negative examples", "notice", "user", "user.subject", "user.body"
    }  # fmt: skip
    assert prompt.parts["user.body"] == estimate_tokens("word " * 400)
    assert prompt.estimated_tokens == pytest.approx(estimate_tokens(prompt.system + prompt.user.text), abs=20)


# ---- length


@given(
    st.integers(1, 40_000),
    st.integers(0, 3_000),
    st.sampled_from(["word ", "Wört ", "字", "[PERSON_1] said "]),
    st.integers(400, 4_000),
)
def test_a_truncated_prompt_fits_and_keeps_head_and_tail(body: int, subject: int, unit: str, limit: int) -> None:
    template = PromptTemplate(
        "1.0.0", {"system": "Sort.", "user": "{{subject}}\n{{body}}"}, [], ["subject", "body"], "test"
    )
    texts = values(subject=(unit * subject)[:subject], body="BEGIN " + (unit * body)[:body] + " END")
    prompt = template.render({}, texts, LengthPolicy(limit, compress=False))
    assert prompt.estimated_tokens <= limit + 2
    if prompt.truncated:
        assert "BEGIN " in prompt.user.text
        assert " END" in prompt.user.text
        assert prompt.estimated_tokens > limit * 0.8, "more was cut than had to be"


@given(st.integers(50, 400))
def test_no_placeholder_is_cut_in_two(limit: int) -> None:
    template = PromptTemplate("1.0.0", {"system": "S.", "user": "{{body}}"}, [], ["body"], "test")
    text = "[PERSON_1] told [EMAIL_22:#5f3a09c1d2e4] and " * 100
    prompt = template.render({}, {"body": Redacted.authored(text)}, LengthPolicy(150 + limit))
    body = prompt.user.text
    for broken in body.replace("[PERSON_1]", "").replace("[EMAIL_22:#5f3a09c1d2e4]", "").replace("[...]", "").split():
        assert "[" not in broken
        assert "]" not in broken
        assert "PERSON" not in broken


def test_the_short_texts_are_kept_whole_when_the_long_one_is_cut() -> None:
    template = PromptTemplate("1.0.0", {"system": "S.", "user": "{{a}}{{b}}"}, [], ["a", "b"], "test")
    texts = {"a": Redacted.authored("Refund of 49 euros"), "b": Redacted.authored("x" * 50_000)}
    prompt = template.render({}, texts, LengthPolicy(500))
    assert "Refund of 49 euros" in prompt.user.text


def test_a_text_that_is_too_long_may_be_a_dead_letter() -> None:
    template = PromptTemplate("1.0.0", {"system": "S.", "user": "{{body}}"}, [], ["body"], "test")
    with pytest.raises(PromptError, match="about 2500 tokens"):
        template.render({}, {"body": Redacted.authored("x" * 10_000)}, LengthPolicy(500, TooLong.DEAD_LETTER))


def test_a_prompt_that_leaves_no_room_says_what_to_change() -> None:
    template = PromptTemplate("1.0.0", {"system": "S " * 2000, "user": "{{body}}"}, [], ["body"], "test")
    with pytest.raises(PromptError, match=r"limits\.input_tokens"):
        template.render({}, {"body": Redacted.authored("hello")}, LengthPolicy(500))
