"""How the console starts, and what it says when it cannot."""

from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline import settings
from pipeline.cli.main import main

COMMAND = str(Path(sys.executable).parent / "pipeline")
Run = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command, which must end with exit code 2 and one line; that line."""

    def run(*arguments: str, **environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.load.cache_clear()
        with pytest.raises(SystemExit) as ended:
            main(["console", *arguments])
        err = capfd.readouterr().err
        assert ended.value.code == 2, err
        assert re.fullmatch(r"pipeline: .+\n", err)
        return err

    monkeypatch.chdir(tmp_path)
    yield run
    settings.load.cache_clear()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HOST", "0.0.0.0", "nobody could sign in"),
        ("TOKENS", "kim:viewer", "entry 1 of console.tokens"),
        ("TOKENS_FILE", "/nowhere", "cannot be read"),
        ("PORT", "99999", "console.port"),
        ("USER_HEADER", "X-User", "console.proxies"),
        ("WORKERS", '["localhost"]', "console.workers"),
    ],
)
def test_a_bad_configuration_is_one_line_and_exit_code_2(refused: Run, name: str, value: str, said: str) -> None:
    assert said in refused("--for", "0", **{f"PIPELINE_CONSOLE__{name}": value})


def test_an_address_that_cannot_be_had_is_said(refused: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1 port {port} cannot be listened at" in refused("--port", str(port))
    tokens = {"PIPELINE_CONSOLE__TOKENS": f"kim:viewer:{'x' * 20}"}
    assert "cannot be listened at" in refused("--host", "no.such.host.invalid", "--for", "0", **tokens)


def test_it_says_where_it_is_and_where_the_token_stands_and_never_the_token(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "console", "--port", "0", "--for", "0", "--json"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PIPELINE_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", told["url"])
    file = Path(told["token_file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text(encoding="ascii").strip()
    assert len(token) > 40
    assert token not in done.stdout + done.stderr
