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
"""What a worker starts with until it knows better, where nobody says how many there are; enough to find out, too little
to do harm."""
PLENTY = 0.9
"""The share of a quota that the provider reports as left when others do not use theirs: a busy fleet keeps it lower."""
GROWTH = 1.1
"""How fast a worker without a fleet takes more of such a quota, a round: from a twentieth to all of it in 16 s."""

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


def first_share(workers: int) -> float:
    """What a worker starts with, one of `workers`; 0: nobody knows how many."""
    return 1 / workers if workers else FIRST_SHARE


class Share:
    """This worker's part of one pool, from 0 to 1."""

    def __init__(self, workers: int = 0) -> None:
        """As one of `workers`; 0: nobody knows how many."""
        self.held = self._fair = first_share(workers)
        self._known = workers > 0
        """Whether what is fair has been said, by the fleet or in the settings."""
        self._refused = 0

    def agreed(self, share: float) -> None:
        """The fleet's word. A share that falls is taken over at once, one that grows is approached by doubling: while
        workers come and go, the sum of what they believe stays near the whole."""
        self.held = self._fair = min(share, 2 * self.held + FIRST_SHARE)
        self._known = True

    def alone(self, *, wanting: bool, left: float | None, refused: int) -> None:
        """The fleet is away. What was fair stays; more is taken while calls wait and the provider has plenty left, and
        given back when it refuses (`refused` counts its 429s). Where it reports nothing, `left` is None, more is taken
        only by those who do not know what is fair."""
        if refused > self._refused:
            self.held = max(self._fair, self.held / 2)
        elif wanting and (not self._known if left is None else left >= PLENTY):
            self.held = min(1.0, self.held * GROWTH)
        self._refused = refused


class ShareKeeper:
    """Asks for this worker's shares twice a second."""

    def __init__(self, fleet: Fleet, routes: Routes, workers: int = 0) -> None:
        """`workers` as for `first_share`, with which the routes' quotas start."""
        self.sharing = Sharing.SHARED
        self._fleet = fleet
        self._routes = routes
        self._workers = workers
        self._shares: dict[str, Share] = {}
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
            self._alone(pools)
            return
        except Exception:
            # Whatever the store says: a worker that has lost its fleet goes on, and says so.
            if self.sharing is not Sharing.AWAY:
                log.exception("the store of the shared quota answers what nobody can read")
            self._alone(pools)
            return
        self._turn(Sharing.SHARED)
        for name, given in shares.items():
            share = self._share(name)
            share.agreed(given)
            pools[name].set_share(share.held)

    def _alone(self, pools: Mapping[str, Route]) -> None:
        self._turn(Sharing.AWAY)
        for name, route in pools.items():
            share = self._share(name)
            share.alone(wanting=route.waiting > 0, left=route.quota.left, refused=route.quota.refused)
            route.set_share(share.held)

    def _share(self, name: str) -> Share:
        return self._shares.setdefault(name, Share(self._workers))

    def _turn(self, sharing: Sharing) -> None:
        if sharing is not self.sharing:
            self.sharing = sharing
            if sharing is Sharing.AWAY:
                log.warning("the store of the shared quota is away: this worker keeps its share of it")
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
