"""README and the operators' page are run as they stand, from a machine where nothing runs to one where nothing runs.

Convention of all pages: lines after `$ ` in ```console blocks are commands. They are run in order, in one shell a page.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from pipeline.errors import Cause
from pipeline.settings import Settings
from tests.integration.machine import REPOSITORY, machine

PAGES = ("README.md", "docs/operations.md", "docs/gateway.md", "docs/redaction.md")
ELSEWHERE = {"docs/publishers.md", "docs/subscribers.md", "docs/enrichments.md", "docs/simulator.md"}
"""Run by the tests of those pages."""


def _blocks(page: str, language: str) -> list[str]:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _commands(page: str) -> list[str]:
    return [line[2:] for block in _blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES)
def test_the_pages_commands_work_in_their_order(page: str, tmp_path: Path) -> None:
    commands = [command for command in _commands(page) if not command.startswith("make ")]
    assert commands
    with machine(tmp_path) as fresh:
        done = fresh.run("bash", "-o", "pipefail", "-exc", "\n".join(commands), timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
        assert fresh.servers() == []


@pytest.mark.parametrize("page", PAGES)
def test_the_make_targets_exist(page: str) -> None:
    for command in _commands(page):
        if command.startswith("make "):
            subprocess.run([*command.split(), "--dry-run"], cwd=REPOSITORY, check=True, capture_output=True)


def test_the_settings_file_shown_is_valid() -> None:
    tables = tomllib.loads("\n".join(_blocks("docs/operations.md", "toml")))
    for name, provider in tables["providers"].items():
        provider["wire"] = name
    assert Settings.model_validate(tables).kafka.security_protocol == "SASL_SSL"


def test_every_setting_cause_and_metric_named_exists() -> None:
    text = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "pipeline").rglob("*.py"))
    for name in set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text)):
        assert name in code, name
    sections = "|".join(Settings.model_fields)
    for section, name in re.findall(rf"`({sections})\.(?:<name>\.)?([a-z_]+)`", text):
        assert f"    {name}: " in code, f"{section}.{name}"


def test_every_cause_has_a_line_for_operators() -> None:
    text = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8")
    assert [cause for cause in Cause if f"`{cause}`" not in text] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    here = (REPOSITORY / page).parent
    for link in re.findall(r"\]\(([^)#]+)\)", (REPOSITORY / page).read_text(encoding="utf-8")):
        assert (here / link).exists(), link


def test_no_page_holds_commands_that_nothing_runs() -> None:
    pages = {
        str(path.relative_to(REPOSITORY)) for path in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
    }
    assert {page for page in pages if _commands(page)} == {*PAGES, *ELSEWHERE}
    assert not [page for page in pages if _blocks(page, "sh") or _blocks(page, "bash")]
