"""A provider that answers from a script, in memory: for unit tests, here and of those who embed the gateway."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from pipeline.llm.providers.provider import Failure, ProviderError, Reply, Request

Step = Reply | ProviderError | Callable[[Request], Reply]


class ScriptedProvider:
    """Plays `script` step by step, then `always` for ever. `asked` are the requests that came, oldest first."""

    def __init__(self, script: Iterable[Step] = (), *, always: Step | None = None, latency_s: float = 0.0) -> None:
        self.script = deque(script)
        self.always = always
        self.latency_s = latency_s
        self.asked: list[Request] = []
        self.closed = False

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        self.asked.append(request)
        step = self.script.popleft() if self.script else self.always
        if step is None:
            raise ProviderError(Failure.UNREACHABLE)
        if self.latency_s:
            await asyncio.sleep(min(self.latency_s, timeout_s))
            if self.latency_s > timeout_s:
                raise ProviderError(Failure.TIMEOUT, maybe_billed=True)
        if isinstance(step, ProviderError):
            raise ProviderError(
                step.failure, status=step.status, code=step.code, limits=step.limits, maybe_billed=step.maybe_billed
            )
        return step if isinstance(step, Reply) else step(request)

    async def ping(self, timeout_s: float) -> None:
        step = self.script[0] if self.script else self.always
        if step is None or isinstance(step, ProviderError):
            raise step or ProviderError(Failure.UNREACHABLE)

    async def close(self) -> None:
        self.closed = True
