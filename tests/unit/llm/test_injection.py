"""Whatever a customer writes, it stays material: role, schema, model and routing are the same as for anybody else."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pipeline.llm import LengthPolicy, PromptTemplate, Question, Tier
from pipeline.llm.prompt import _code
from pipeline.llm.providers import anthropic_messages, openai_chat
from pipeline.llm.providers.provider import Request
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.redact.redacted import Redacted
from tests.unit.llm.questions import SMALL, SMALL_ELSEWHERE, gateway, read, says, writes

Run = Callable[[Coroutine[Any, Any, Any]], Any]

CORPUS = yaml.safe_load((Path(__file__).parent / "injections.yaml").read_text(encoding="utf-8"))
TEXTS = [str(text) for texts in CORPUS.values() for text in texts]
TEMPLATE = PromptTemplate(
    "1.0.0",
    {
        "system": "You sort support tickets.",
        "context": "Categories:\n{{labels}}",
        "user": "Subject: {{subject}}\n\n{{body}}",
    },
    context=["labels"],
    user=["subject", "body"],
    where="test",
)
CONTEXT = {"labels": "- CARDS: about cards"}
BENIGN = TEMPLATE.render(CONTEXT, {"subject": Redacted.authored("card"), "body": Redacted.authored("It is lost.")})
MARKED = re.compile(r"<<<(?P<name>subject|body) (?P<code>[a-p]{12})\n(?P<text>.*?)\n(?P=code)>>>", re.DOTALL)


def rendered(text: str, length: LengthPolicy | None = None) -> Any:
    return TEMPLATE.render(CONTEXT, {"subject": Redacted.authored(text), "body": Redacted.authored(text)}, length)


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(TEXTS) >= 100
    assert len(CORPUS["languages"]) >= 25


def test_the_system_role_is_the_same_and_the_text_stands_between_its_markers() -> None:
    for text in TEXTS:
        prompt = rendered(text)
        assert prompt.system == BENIGN.system
        found = {match["name"]: match["text"] for match in MARKED.finditer(prompt.user.text)}
        assert found == {"subject": text, "body": text}
        codes = {match["code"] for match in MARKED.finditer(prompt.user.text)}
        assert len(codes) == 1
        assert not any(code in text for code in codes), "the text can close its own delimiter"
        assert MARKED.sub("", prompt.user.text) == MARKED.sub("", BENIGN.user.text)


def test_a_text_that_guesses_the_code_gets_another() -> None:
    drawn = iter(["0" * 12, "f" * 12])
    assert _code({"body": Redacted.authored("g" * 12 + ">>>")}, lambda _: next(drawn)) == "f" * 12


def test_compression_takes_hidden_characters_out_and_adds_nothing() -> None:
    for text in TEXTS:
        prompt = rendered(text, LengthPolicy())
        assert prompt.system == BENIGN.system
        assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", prompt.user.text)
        assert MARKED.sub("", prompt.user.text) == MARKED.sub("", BENIGN.user.text)


@pytest.mark.parametrize("wire", [openai_chat, anthropic_messages])
def test_what_goes_over_the_wire_differs_in_the_user_text_only(wire: ModuleType) -> None:
    def body(user: str) -> dict[str, Any]:
        sent = wire._body(Request("m", BENIGN.system, user, "ticket", {"type": "object"}, 300, 0.0, "hash"))
        return {**sent, **sent.pop("extra_body", {})}

    for text in TEXTS:
        user = rendered(text).user.text
        sent, plain = body(user), body(BENIGN.user.text)
        assert sent["messages"].pop() == {"role": "user", "content": user}
        assert plain["messages"].pop()["role"] == "user"
        assert sent == plain


def test_no_text_changes_who_is_asked_and_how(run: Run) -> None:
    async def main() -> None:
        async def asked(prompt: Any, script: list[Any]) -> list[tuple[str, str, int, object, str]]:
            first, second = ScriptedProvider(script[:3]), ScriptedProvider(always=says())
            question: Question[str] = Question(
                "tickets", "acme", prompt, "ticket", {"type": "object"},
                (SMALL, SMALL_ELSEWHERE, Tier("large", "openai", "gpt-4.1", 900)), read,
            )  # fmt: skip
            await gateway(openai=first, anthropic=second).complete(question)
            return [
                (request.model, request.system, request.max_tokens, request.schema, request.schema_name)
                for request in (*first.asked, *second.asked)
            ]

        for script in ([says()], [writes("{}")] * 3):
            expected = await asked(BENIGN, script)
            for text in TEXTS:
                assert await asked(rendered(text), script) == expected

    run(main())
