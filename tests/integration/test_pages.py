"""What stands in the pages for publishers, subscribers and authors is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.integration.job import COMMAND, Job

ROOT = Path(__file__).parents[2]
_NOT_HERE = ("pipeline dev up",)
"""The tests' own stack stands for the user's."""


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def _commands(page: str) -> list[str]:
    """Lines after a prompt in its console blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    assert found
    return [line for line in found if line not in _NOT_HERE]


def _program(page: str) -> str:
    """Its Python example."""
    (found,) = re.findall(r"^```python\n(import os.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(found)


def _shell(line: str, environment: Mapping[str, str], folder: Path) -> str:
    path = f"{Path(COMMAND).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        env={**environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{line}: {done.stderr[-2000:]}"
    return done.stdout


def test_publishing_and_subscribing_work_as_their_pages_say(job: Job, environment: Mapping[str, str]) -> None:
    publishers, subscribers = _page("publishers.md"), _page("subscribers.md")
    for line in _commands(publishers):
        _shell(line, environment, ROOT)
    _python(_program(publishers), environment)
    assert any(row["key"] == "T-1003" for row in job.consume("support.tickets.v1"))
    shown = [_shell(line, environment, ROOT) for line in _commands(subscribers)]
    assert "category: " in shown[1]
    assert '"claim_type"' in shown[2]
    printed = _python(_program(subscribers), environment)
    assert re.search(r"^T-1003 [A-Z_]+ (LOW|NORMAL|HIGH|URGENT)$", printed, re.MULTILINE)


def test_adding_a_document_type_works_as_its_page_says(environment: Mapping[str, str], tmp_path: Path) -> None:
    page = _page("enrichments.md")
    for folder, common in (("topics", "enrichment.*.yaml"), ("schemas", "enrichment.*/*.avsc")):
        for path in (ROOT / folder).glob(common):
            _write(tmp_path / path.relative_to(ROOT), path.read_text(encoding="utf-8"))
    files = re.findall(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for name, text in files:
        _write(tmp_path / name, text)
    given = {name: text for name, text in files if "examples/minimal.json" in name}
    (tmp_path / "notes.jsonl").write_text("".join(given.values()))
    settings = {
        "PIPELINE_CATALOGUE__TOPICS": "topics",
        "PIPELINE_CATALOGUE__SCHEMAS": "schemas",
        "PIPELINE_CATALOGUE__ENRICHMENTS": "pipeline/enrichments",
    }
    printed = [_shell(line, {**environment, **settings}, tmp_path) for line in _commands(page)]
    assert "condition: " in printed[-1]
    assert "note_id: D-1" in printed[-1]


@pytest.mark.parametrize("page", ["publishers.md", "subscribers.md", "enrichments.md"])
def test_links_lead_to_files(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", _page(page)):
        assert (ROOT / "docs" / link).exists(), link


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _python(program: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
