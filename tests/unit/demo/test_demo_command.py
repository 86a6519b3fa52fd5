"""How the demo's command ends: by what its balance says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline.cli import demo
from pipeline.demo.balance import balance
from pipeline.demo.session import Result
from tests.unit.demo.test_balance import DIED, DONE, PAID, SENT

GOOD = balance(SENT, DONE[:5], [DIED], PAID)
LOST = replace(GOOD, enriched=4, missing=1)


def _command(monkeypatch: pytest.MonkeyPatch, result: Result | None, *arguments: str) -> tuple[int, str]:
    @contextmanager
    def running(*_: object, **__: object) -> Iterator[bool]:
        yield False

    monkeypatch.setattr(demo, "_running", running)
    monkeypatch.setattr(demo, "_run", lambda *_, **__: result)
    done = CliRunner().invoke(demo.command, arguments)
    return done.exit_code, done.output


def _result(**balances: object) -> Result:
    return Result("run", balances, {}, 2, 3, 4, "openai", simulated=True)  # type: ignore[arg-type]


def test_a_balance_that_closes_ends_well_and_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    code, said = _command(monkeypatch, _result(tickets=GOOD, claims=GOOD), "--report", str(file))
    assert code == 0
    assert "input = enriched + dead letters" in said
    assert "dev up" in said
    assert json.loads(file.read_text())["claims"] == {
        "published": 6,
        "enriched": 5,
        "dead_letters": {"empty_value": 1},
        "duplicates": 0,
        "out_of_order": 0,
        "calls": 4,
        "cost_usd": "0.0003",
        "breaker_opened": 2,
        "seconds": 4.5,
    }


@pytest.mark.parametrize("wrong", [LOST, replace(GOOD, duplicates=1), replace(GOOD, out_of_order=1)])
def test_a_balance_that_does_not_close_fails_and_says_whose(monkeypatch: pytest.MonkeyPatch, wrong: object) -> None:
    code, said = _command(monkeypatch, _result(tickets=GOOD, claims=wrong))
    assert code == 1
    assert "the balance of claims does not close" in said


def test_an_interrupted_run_claims_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, said = _command(monkeypatch, None, "--report", str(tmp_path / "report.json"))
    assert code == 1
    assert "published" not in said
    assert not (tmp_path / "report.json").exists()
