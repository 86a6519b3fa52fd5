"""The classifier as a tier: first when it is sure, last when all others are out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline import catalogue
from pipeline.catalogue import TierSpec
from pipeline.errors import AnswerError, ProvidersOutError, UsageError
from pipeline.ladder import ladder
from pipeline.llm import Account, Gateway, Outage, Question, RenderedPrompt, Tier, Usage
from pipeline.llm.accounts import open_account, open_accounts
from pipeline.llm.providers.provider import Failure, ProviderError, Reply, Stop
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.redact.redacted import Redacted
from pipeline.settings import CatalogueSettings, ProviderSettings
from tests.unit.llm.classifiers import small

Run = Callable[[Coroutine[Any, Any, None]], None]

SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["CARDS", "LOANS", "OTHER"]},
        "summary": {"type": "string"},
        "confidence": {"type": "number"},
    },
}
QUICK = Tier("quick", "classifier", "tickets-1", 100, decline_below=0.8, answer={"summary": "Not read by a model."})
MODEL = Tier("standard", "openai", "gpt-4.1-mini", 500)
FROM_MODEL = Reply('{"category": "OTHER", "summary": "x", "confidence": 0.9}', Stop.END, Usage(100, 0, 10))
AWAY = ProviderError(Failure.UNREACHABLE)
SURE, UNSURE = "my card", "good morning"
Answer = Mapping[str, object]


@pytest.fixture
def settings(tmp_path: Path) -> ProviderSettings:
    small().save(tmp_path / "tickets-1.json")
    return ProviderSettings(wire="local", folder=str(tmp_path))


def gateway(settings: ProviderSettings, model: ScriptedProvider) -> Gateway:
    accounts = {"classifier": open_account("classifier", settings), "openai": Account(model)}
    return Gateway(accounts, clock=asyncio.get_running_loop().time)


def question(text: str, *tiers: Tier, outage: Outage = Outage.DEAD_LETTER) -> Question[Answer]:
    record = Redacted.authored(text)
    prompt = RenderedPrompt("1.0.0", "Classify.", record, 100, fingerprint=text, record=record)
    return Question(
        "tickets", "acme", prompt, "tickets", SCHEMA, tiers, lambda data: data, outage=outage,
        confidence=lambda answer: float(str(answer["confidence"])), deadline=timedelta(seconds=30),
    )  # fmt: skip


def test_a_sure_one_answers_first_and_free(run: Run, settings: ProviderSettings) -> None:
    async def main() -> None:
        model = ScriptedProvider(always=FROM_MODEL)
        found = await gateway(settings, model).complete(question(SURE, QUICK, MODEL))
        assert found.answer == {"category": "CARDS", "summary": "Not read by a model.", "confidence": 0.8808}
        assert (found.provider, found.model, found.tier, found.cost_usd) == (
            "classifier",
            "tickets-1",
            "quick",
            Decimal(0),
        )
        assert model.asked == []

    run(main())


def test_an_unsure_one_counts_as_none(run: Run, settings: ProviderSettings) -> None:
    async def main() -> None:
        subject = gateway(settings, ScriptedProvider(always=FROM_MODEL))
        assert (await subject.complete(question(UNSURE, QUICK, MODEL))).provider == "openai"
        with pytest.raises(AnswerError, match="no model was sure enough"):
            await subject.complete(question(UNSURE, QUICK))

    run(main())


def test_as_the_last_tier_it_answers_only_while_the_others_are_out(run: Run, settings: ProviderSettings) -> None:
    async def main() -> None:
        model = ScriptedProvider(always=FROM_MODEL)
        subject = gateway(settings, model)
        assert (await subject.complete(question(SURE, MODEL, QUICK))).provider == "openai"
        model.always = AWAY
        assert (await subject.complete(question("a loan", MODEL, QUICK))).provider == "classifier"
        with pytest.raises(ProvidersOutError):
            await subject.complete(question(UNSURE, MODEL, QUICK))

    run(main())


def test_its_answer_is_not_kept_for_when_the_others_are_back(run: Run, settings: ProviderSettings) -> None:
    async def main() -> None:
        model = ScriptedProvider(always=AWAY)
        subject = gateway(settings, model)
        assert (await subject.complete(question(SURE, MODEL, QUICK))).provider == "classifier"
        model.always = FROM_MODEL
        await asyncio.sleep(60)
        assert (await subject.complete(question(SURE, MODEL, QUICK))).provider == "openai"

    run(main())


def test_a_missing_folder_file_or_answer_is_one_line_that_names_the_setting(
    run: Run, settings: ProviderSettings
) -> None:
    with pytest.raises(UsageError, match="set PIPELINE_PROVIDERS__CLASSIFIER__FOLDER"):
        open_accounts({"classifier": ProviderSettings(wire="local")})

    async def main() -> None:
        subject = gateway(settings, ScriptedProvider())
        subject.require("enrichment tickets", [QUICK], SCHEMA)
        with pytest.raises(UsageError, match=r"tiers\[0\].model tickets-2: classifier .*tickets-2.json cannot be read"):
            subject.require("enrichment tickets", [replace(QUICK, model="tickets-2")], SCHEMA)
        with pytest.raises(UsageError, match="nobody says summary"):
            subject.require("enrichment tickets", [replace(QUICK, answer={})], SCHEMA)
        other = {"properties": {"category": {"enum": ["CARDS", "LOANS"]}}}
        with pytest.raises(UsageError, match="was trained for another label table"):
            subject.require("enrichment tickets", [QUICK], other)

    run(main())


def test_the_tiers_on_the_page_are_valid() -> None:
    page = (Path(__file__).parents[3] / "docs/gateway.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    first, second = (TierSpec.model_validate(tier) for tier in yaml.safe_load(shown)["tiers"])
    assert (first.decline_below, second.model) == (0.85, "gpt-6-luna")


def test_the_rest_of_its_answer_is_the_safe_answer_as_the_tier_changes_it(settings: ProviderSettings) -> None:
    enrichment = catalogue.load(CatalogueSettings()).enrichment("tickets")
    spec = enrichment.spec.tiers[0].model_copy(update={"provider": "classifier", "answer": {"needs_human": False}})
    changed = replace(enrichment, spec=enrichment.spec.model_copy(update={"tiers": (spec,)}))
    (tier,) = ladder(changed, {"classifier": settings})
    assert (tier.answer["needs_human"], tier.answer["language"]) == (False, "en")
