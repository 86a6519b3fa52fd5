"""`pipeline ask`: what an author of prompts is shown of each record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline import settings
from pipeline.cli import main as entry
from pipeline.llm import Account, Gateway, GatewayPolicy, Usage
from pipeline.llm.providers.provider import Reply, Stop
from pipeline.llm.providers.scripted import ScriptedProvider

ANSWER = {
    "category": "DELIVERY", "priority": "LOW", "summary": "Parcel late.", "suggested_action": "Trace it.",
    "sentiment": "NEUTRAL", "language": "en", "confidence": 0.9, "needs_human": False,
}  # fmt: skip
RECORDS = (
    '{"ticket_id": "T-1", "tenant_id": "acme", "body": "late parcel, mail jo.doe@example.com"}\n'
    "\n"
    '{"ticket_id": "T-2"}\n'
)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def provider() -> ScriptedProvider:
    good = Reply(json.dumps(ANSWER), Stop.END, Usage(100, 0, 50))
    return ScriptedProvider([Reply("{}", Stop.END, Usage(100, 0, 5))], always=good)


@pytest.fixture
def run(
    provider: ScriptedProvider, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Run]:
    """Runs the command on RECORDS, with a scripted model for both vendors."""
    accounts = {"openai": Account(provider, simulated=True), "anthropic": Account(provider, "anthropic")}
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setattr("pipeline.cli.ask.Gateway.open", lambda *_, **__: Gateway(accounts, GatewayPolicy(cache=None)))
    monkeypatch.setattr(settings.places, "embedded_state_file", lambda: tmp_path / "none.json")
    settings.load.cache_clear()
    file = tmp_path / "records.jsonl"
    file.write_text(RECORDS)

    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            entry.main(["ask", "tickets", str(file), *arguments])
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    yield called
    settings.load.cache_clear()


def test_answers_are_json_for_programs_and_a_record_without_one_ends_with_1(run: Run) -> None:
    code, out, _ = run("--json")
    first, second = (json.loads(line) for line in out.splitlines())
    assert code == 1
    assert (first["line"], first["entity"], first["tier"], first["calls"]) == (1, "T-1", "standard", 2)
    assert first["answer"]["team"] == "logistics", "what code adds is in it"
    assert first["input_tokens"] == 200
    assert (second["line"], second["cause"], second["answer"]) == (3, "contract_broken", None)


def test_explained_are_the_prompt_its_parts_each_call_and_what_was_wrong(run: Run) -> None:
    _, out, _ = run("--explain")
    assert "system 205" in out
    assert "schema beside it: about" in out
    assert "redacted: EMAIL 1" in out
    assert "| late parcel, mail [EMAIL_1]" in out
    assert "standard (openai gpt-6-luna): invalid" in out
    assert "    category: Field required" in out
    assert "standard (openai gpt-6-luna): answered" in out
    assert "2 records: 1 by standard, 1 without an answer" in out


def test_no_personal_value_is_sent_or_shown(run: Run, provider: ScriptedProvider) -> None:
    _, out, err = run("--explain", "--json")
    assert "jo.doe" not in out + err + "".join(request.user for request in provider.asked)


def test_one_tier_alone_can_be_asked(run: Run, provider: ScriptedProvider) -> None:
    _, out, _ = run("--tier", "second", "--limit", "1")
    assert "second (anthropic claude-haiku-4-5)" in out
    assert {request.model for request in provider.asked} == {"claude-haiku-4-5"}
    code, _, err = run("--tier", "third")
    assert (code, "tickets has no tier third; there are: standard, second" in err) == (2, True)


def test_a_refusal_is_told_with_what_it_cost(run: Run, provider: ScriptedProvider) -> None:
    provider.script.clear()
    provider.always = Reply("", Stop.REFUSAL, Usage(100, 0, 1))
    code, out, _ = run("--limit", "1", "--json")
    row = json.loads(out)
    assert (code, row["cause"], row["calls"], row["input_tokens"]) == (1, "refused", 2, 200)
