"""The machine's own Chromium, driven through the console as a person drives it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.integration.job import COMMAND, end

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PICTURES = Path(__file__).parents[2] / "out" / "console"
"""Screenshots of every run, for who wants to look."""
KIM, PAT, VIC = "kim-token-0123456789abcdef", "pat-token-0123456789abcdef", "vic-token-0123456789abcdef"
TOKENS = f"kim:viewer+operator+privacy:{KIM}\npat:viewer+operator:{PAT}\nvic:viewer:{VIC}\n"

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path (apt-get install chromium)")


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@dataclass(frozen=True)
class Served:
    """A console as its own process, and a browser."""

    url: str
    browser: Browser

    @contextmanager
    def signed_in(self, token: str, *, scheme: str = "light", width: int = 1280, seconds: float = 30) -> Iterator[Page]:
        """A window of somebody who is signed in. What the page complains of ends the test."""
        context = self.browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 900}
        )
        context.set_default_timeout(seconds * 1000)
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.goto(self.url)
        page.get_by_label("Your token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Overview").wait_for()
        try:
            yield page
        finally:
            context.close()
        assert complaints == []


@contextmanager
def served(environment: Mapping[str, str], folder: Path, **settings: str) -> Iterator[Served]:
    """A console with three people, and a browser for it."""
    tokens = folder / "tokens"
    tokens.write_text(TOKENS)
    own = {
        **environment,
        "PIPELINE_CONSOLE__TOKENS_FILE": str(tokens),
        "PIPELINE_DEAD_LETTERS__INDEX": str(folder / "index"),
        **settings,
    }
    with (folder / "console.log").open("ab") as log:
        console = subprocess.Popen(
            [COMMAND, "console", "--port", "0", "--json"], env=own, stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert console.stdout is not None
        url = json.loads(console.stdout.readline())["url"]
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
            try:
                yield Served(url, browser)
            finally:
                browser.close()
    finally:
        assert end(console) == 0
    assert not re.search(r"Traceback|ERROR", (folder / "console.log").read_text())


def picture(page: Page, name: str) -> None:
    """Keeps what the page looks like."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
