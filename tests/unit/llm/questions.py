"""Short ways to ask in tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pipeline.llm import (
    Account,
    BreakerChange,
    BreakerState,
    CallDetails,
    Gateway,
    GatewayPolicy,
    InvalidAnswerError,
    Lane,
    Observer,
    Question,
    RenderedPrompt,
    Tier,
    Unobserved,
    Usage,
)
from pipeline.llm.providers.provider import NO_LIMITS, Failure, Limits, ProviderError, Reply, Stop
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.redact.redacted import Redacted

SMALL = Tier("small", "openai", "gpt-4.1-mini", 500)
SMALL_ELSEWHERE = Tier("small", "anthropic", "claude-haiku-4-5", 500)
LARGE = Tier("large", "openai", "gpt-4.1", 1000)


def question(
    *tiers: Tier,
    tenant: str = "acme",
    text: str = "my card was swallowed",
    tokens: int = 100,
    lane: Lane = Lane.BACKLOG,
    deadline: timedelta = timedelta(minutes=5),
    **more: Any,
) -> Question[str]:
    prompt = RenderedPrompt("1.0.0", "Classify.", Redacted.authored(text), tokens, fingerprint=text)
    return Question(
        "tickets", tenant, prompt, "ticket", {"type": "object"}, tiers or (SMALL,), read,
        lane=lane, deadline=deadline, **more,
    )  # fmt: skip


def read(data: Mapping[str, object]) -> str:
    if "category" not in data:
        raise InvalidAnswerError(["category: is missing"])
    return str(data["category"])


def says(category: str = "cards", *, output: int = 10, stop: Stop = Stop.END, limits: Limits = NO_LIMITS) -> Reply:
    return Reply(f'{{"category": "{category}"}}', stop, Usage(100, 0, output), limits)


def writes(text: str, stop: Stop = Stop.END) -> Reply:
    return Reply(text, stop, Usage(100, 0, 10))


def fails(failure: Failure, status: int | None = None, limits: Limits = NO_LIMITS) -> ProviderError:
    return ProviderError(failure, status=status, limits=limits)


class Watcher(Unobserved):
    """Keeps what the gateway tells."""

    def __init__(self) -> None:
        self.calls: list[CallDetails] = []
        self.changes: list[BreakerChange] = []
        self.closed = asyncio.Event()

    def called(self, details: CallDetails) -> None:
        self.calls.append(details)

    def breaker_changed(self, change: BreakerChange) -> None:
        self.changes.append(change)
        if change.after is BreakerState.CLOSED:
            self.closed.set()


def gateway(
    policy: GatewayPolicy | None = None, observer: Observer | None = None, **providers: ScriptedProvider | Account
) -> Gateway:
    accounts = {
        name: given if isinstance(given, Account) else Account(given, "anthropic" if name == "anthropic" else "openai")
        for name, given in providers.items()
    }
    # Without a cache: the same question may be asked often here.
    policy = policy or GatewayPolicy(cache=None)
    return Gateway(accounts, policy, observer=observer, clock=asyncio.get_running_loop().time, draw=random.Random(1))
