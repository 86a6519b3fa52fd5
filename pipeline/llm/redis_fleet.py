"""The fleet's shares in Redis: one Lua script, one round trip, the server's clock."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import redis.asyncio
import redis.exceptions

from pipeline.llm.fleet import FleetAwayError

TTL_S = 3.0
"""A worker that has not asked for so long has died, and its share goes to the others."""
TIMEOUT_S = 1.0

MAX_MIN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], (now + ARGV[3]) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3] * 10)
local all = redis.call('HGETALL', KEYS[1])
local demands = {}
for i = 1, #all, 2 do
  local expires, demand = string.match(all[i + 1], '^(%S+) (%S+)$')
  if tonumber(expires) < now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    demands[#demands + 1] = tonumber(demand)
  end
end
table.sort(demands)
local own, left, share = tonumber(ARGV[2]), 1, nil
for i = 1, #demands do
  local fair = left / (#demands - i + 1)
  local given = math.min(demands[i], fair)
  if share == nil and demands[i] >= own then share = given end
  left = left - given
end
return tostring((share or 0) + left / #demands)
"""
"""Water-filling: who demands less than an even share gets its demand, the others divide the rest, and what nobody
demands is divided evenly."""


class RedisFleet:
    """Workers agree through one Redis. `namespace` keeps deployments apart that share a server."""

    def __init__(self, url: str, namespace: str = "pipeline") -> None:
        self._redis: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=True
        )
        self._script = self._redis.register_script(MAX_MIN)
        self._namespace = namespace
        self._worker = uuid.uuid4().hex
        self._pools: set[str] = set()

    async def shares(self, demands: Mapping[str, float]) -> Mapping[str, float]:
        self._pools |= demands.keys()
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for pool, demand in demands.items():
                    await self._script(
                        keys=[self._key(pool)], args=[self._worker, f"{demand:.6f}", int(TTL_S * 1000)], client=pipe
                    )
                found = await pipe.execute()
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            raise FleetAwayError(type(error).__name__) from None
        return {pool: float(share) for pool, share in zip(demands, found, strict=True)}

    async def close(self) -> None:
        try:
            for pool in self._pools:
                await self._redis.hdel(self._key(pool), self._worker)
        except (redis.exceptions.RedisError, OSError, TimeoutError):
            pass  # it is away: the share runs out by itself
        await self._redis.aclose()

    def _key(self, pool: str) -> str:
        return f"{self._namespace}:quota:{pool}"
