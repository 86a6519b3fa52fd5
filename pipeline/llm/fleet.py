"""One quota for many workers: each gets the share of it that it can use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from pipeline.llm.route import Route
from pipeline.llm.routes import Routes
from pipeline.llm.status import Sharing

log = logging.getLogger(__name__)

PERIOD_S = 0.5
FIRST_SHARE = 0.05
"""What a worker starts with until it knows better; enough to find out, too little to do harm."""

LEAST_DEMAND = 0.01
"""What an idle worker asks for: its next call must not wait until it has been given something."""


class Fleet(Protocol):
    """Where workers agree on shares."""

    async def shares(self, demands: Mapping[str, float]) -> Mapping[str, float]:
        """This worker's share of each pool, from 0 to 1, max-min fair by what all workers demand.

        Raises FleetAwayError when nobody can be asked.
        """

    async def close(self) -> None:
        """Gives this worker's shares up."""


class FleetAwayError(Exception):
    """The fleet's store cannot be reached."""


class ShareKeeper:
    """Asks for this worker's shares twice a second.

    A share that falls is taken over at once, one that grows is approached by doubling: while workers come and go, the
    sum of what they believe stays near the whole.
    """

    def __init__(self, fleet: Fleet, routes: Routes) -> None:
        self.sharing = Sharing.SHARED
        self._fleet = fleet
        self._routes = routes
        self._held: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Begins, if it has not begun; must be called on the event loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stops and gives the shares up."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._fleet.close()

    async def renew(self) -> None:
        """One round: demands out, shares in."""
        pools = {_pool(route): route for route in self._routes if route.quota.limited}
        if not pools:
            return
        try:
            shares = await self._fleet.shares(
                {name: min(1.0, max(LEAST_DEMAND, route.demand())) for name, route in pools.items()}
            )
        except FleetAwayError:
            self._turn(Sharing.AWAY)
            return
        except Exception:
            # Whatever the store says: a worker that has lost its fleet goes on, and says so.
            if self.sharing is not Sharing.AWAY:
                log.exception("the store of the shared quota answers what nobody can read")
            self._turn(Sharing.AWAY)
            return
        self._turn(Sharing.SHARED)
        for name, share in shares.items():
            self._held[name] = min(share, 2 * self._held.get(name, FIRST_SHARE) + FIRST_SHARE)
            pools[name].set_share(self._held[name])

    def _turn(self, sharing: Sharing) -> None:
        if sharing is not self.sharing:
            self.sharing = sharing
            if sharing is Sharing.AWAY:
                log.warning("the store of the shared quota is away: this worker keeps its last share of it")
            else:
                log.info("the store of the shared quota is back")

    async def _run(self) -> None:
        # Not only until it is cancelled: Redis's client takes a cancellation that meets its time-out for a time-out.
        while not self._closing:
            await self.renew()
            await asyncio.sleep(PERIOD_S)


def _pool(route: Route) -> str:
    """The name under which all workers that use this quota know it."""
    return f"{route.provider}/{route.model}/{route.account.key_digest}"
