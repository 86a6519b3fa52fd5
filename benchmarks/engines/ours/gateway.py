"""The same question through this project's gateway: breaker, quota shared by workers, waiting instead of failing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import orjson
from benchmarks.engines.call import MalformedError, Task
from pipeline.llm import Account, Gateway, GatewayPolicy, LengthPolicy, Outage, PromptTemplate, Question, Tier
from pipeline.llm.fleet import Fleet
from pipeline.llm.providers.openai_chat import OpenAIChat
from pipeline.llm.redis_fleet import RedisFleet
from pipeline.redact.redacted import Redacted

_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "answered_ns": {"type": "integer"},
        "category": {"type": "string", "enum": ["DELIVERY", "OTHER"]},
        "needs_human": {"type": "boolean"},
    },
    "required": ["number", "answered_ns", "category", "needs_human"],
    "additionalProperties": False,
}
_TEMPLATE = PromptTemplate(
    "1.0.0",
    {"system": "You sort support tickets.", "context": "", "user": "{{ticket}}"},
    context=[],
    user=["ticket"],
    where="benchmark",
)
_TIERS = (Tier("standard", "openai", "gpt-5-mini", 200),)


class GatewayCaller:
    """What the plain callers do, by `Gateway.complete`; the cache is off, so that each ticket is a call."""

    def __init__(self, task: Task) -> None:
        """`task.redis`: the address of the Redis over which workers share `task.requests_per_minute`; empty: alone."""
        fleet: Fleet | None = RedisFleet(task.redis, task.group) if task.redis else None
        account = Account(
            OpenAIChat(key="sk-bench", base_url=f"{task.url}/openai/v1", max_connections=task.concurrency),
            "openai",
            requests_per_minute=task.requests_per_minute,
            max_concurrency=task.concurrency,
            simulated=True,
            priced=False,
        )
        self._gateway = Gateway({"openai": account}, GatewayPolicy(cache=None), fleet=fleet)

    async def __call__(self, value: bytes | None) -> bytes:
        """The answer to a ticket. Raises MalformedError, and what the gateway raises."""
        try:
            orjson.loads(value or b"")
        except orjson.JSONDecodeError as error:
            raise MalformedError(str(error)) from None
        text = Redacted.authored((value or b"").decode())
        completion = await self._gateway.complete(
            Question(
                "tickets",
                "benchmark",
                _TEMPLATE.render({}, {"ticket": text}, LengthPolicy(6000)),
                "ticket",
                _SCHEMA,
                _TIERS,
                _read,
                outage=Outage.WAIT,
                deadline=timedelta(minutes=5),
            )
        )
        return completion.answer

    async def close(self) -> None:
        await self._gateway.close()


def _read(data: Mapping[str, object]) -> bytes:
    return orjson.dumps(dict(data))
