"""The simulator as a program: starts, says where it is, ends when told; its page's commands run."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
_BIN = Path(sys.executable).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and what it said once it listened."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, "".join(process.stdout.readline() for _ in range(3))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_cleanly(stop: signal.Signals) -> None:
    with _running([sys.executable, "-m", "pipeline.simulator", "--port", "0"]) as (process, said):
        assert re.search(r"^openai +http://127\.0\.0\.1:\d+/openai/v1$", said, re.MULTILINE)
        assert re.search(r"^anthropic +http://127\.0\.0\.1:\d+/anthropic$", said, re.MULTILINE)
        process.send_signal(stop)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert errors == ""


def test_a_taken_port_and_a_missing_profile_are_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments in (["--port", str(taken.getsockname()[1])], ["--profile", "none.yaml"]):
            done = subprocess.run(
                [_BIN / "pipeline", "simulate", *arguments], capture_output=True, text=True, timeout=30, check=False
            )
            assert done.returncode == 2
            assert done.stdout == ""
            assert re.fullmatch(r"pipeline: .+\n", done.stderr)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's commands need curl")
def test_every_command_of_the_page_runs() -> None:
    port = str(_free_port())
    blocks = re.findall(r"```console\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    start, *asked = re.findall(
        r"^\$ (.*?)(?=^\$ |\Z)", "\n".join(blocks).replace("8900", port), re.DOTALL | re.MULTILINE
    )
    path = {**os.environ, "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
    with _running(["bash", "-c", f"PATH={_BIN}:$PATH exec {start.strip().removesuffix('&')}"]):
        for command in asked:
            done = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, env=path, timeout=30, check=False
            )
            assert done.returncode == 0, command
            assert done.stdout.startswith("{"), command
            assert '"error"' not in done.stdout, done.stdout


def test_the_pages_profile_is_valid(tmp_path: Path) -> None:
    from pipeline.simulator import profile as profiles
    from pipeline.simulator.faults import Fault

    page = _PAGE.read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "profile.yaml").write_text(example, encoding="utf-8")
    assert profiles.load(str(tmp_path / "profile.yaml")).openai.quota.tokens_per_minute == 200_000
    faults = page[page.index("Faults:") :]
    assert all(f"`{fault}`" in faults for fault in Fault), "a fault is missing on the page"
