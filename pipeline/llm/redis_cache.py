"""Answers that a fleet shares, in Redis."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

import redis.asyncio
import redis.exceptions

from pipeline.llm.cache import StoredAnswer

log = logging.getLogger(__name__)

TIMEOUT_S = 0.25
"""A cache that is slower than that is worth less than the call it saves."""
AWAY_S = 5.0
"""After a failure it is left alone for so long: records must not each wait for a time-out."""


class RedisAnswerStore:
    """One key an answer, which Redis forgets by itself. While Redis is away there is no cache, and nothing else."""

    def __init__(self, url: str, namespace: str = "pipeline", clock: Callable[[], float] = time.monotonic) -> None:
        self._redis: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )
        self._namespace = namespace
        self._clock = clock
        self._away_until = 0.0

    async def get(self, key: str) -> StoredAnswer | None:
        if self._clock() < self._away_until:
            return None
        try:
            raw = await self._redis.get(self._key(key))
            return StoredAnswer.load(raw) if isinstance(raw, bytes) else None
        except ValueError:
            return None
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            self._leave_alone(error)
            return None

    async def put(self, key: str, answer: StoredAnswer, keep_for: timedelta) -> None:
        if self._clock() < self._away_until:
            return
        try:
            await self._redis.set(self._key(key), answer.dump(), ex=keep_for)
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            self._leave_alone(error)

    async def close(self) -> None:
        await self._redis.aclose()

    def _key(self, key: str) -> str:
        return f"{self._namespace}:answer:{key}"

    def _leave_alone(self, error: Exception) -> None:
        log.warning("the shared cache is away (%s): left alone for %g s", type(error).__name__, AWAY_S)
        self._away_until = self._clock() + AWAY_S
