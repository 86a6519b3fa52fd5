"""A transactional producer for the event loop: calls into librdkafka are made by a thread and bounded in time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence

from pipeline.stream.calls import Calls
from pipeline.stream.outbox import Share
from pipeline.stream.transaction import Outcome, Result, Transactor


class TransactionalProducer:
    """One producer and its thread, from `init` until it is given up."""

    def __init__(self, settings: Mapping[str, str | int | bool], *, careful: bool = False) -> None:
        """`careful`: see `Transactor`. Raises KafkaException when the library does not take a setting."""
        self.careful = careful
        self._calls = Calls()
        self._transactor: Transactor | None = Transactor(settings, careful=careful)
        # A daemon: a call that never comes back must not keep the program alive.
        threading.Thread(target=self._serve, args=(self._transactor,), name="kafka-producer", daemon=True).start()

    async def init(self, within: float) -> None:
        """Ends what a predecessor with this transactional id left open and fences it.

        The attempt takes up to `within` seconds. Raises KafkaException, and TimeoutError when it does not come back.
        """
        assert self._transactor is not None
        async with asyncio.timeout(2 * within):
            await self._calls.ask(self._transactor.init, within)

    async def commit(self, shares: Sequence[Share], proof: bytes, within: float) -> Result:
        """Everything in `shares`, and their offsets as the member of which `proof` is, in one transaction.

        UNKNOWN when it takes longer than `within` seconds: a call into librdkafka can hang past its own timeout.
        """
        assert self._transactor is not None
        try:
            async with asyncio.timeout(within):
                return await self._calls.ask(self._transactor.transact, shares, proof)
        except TimeoutError:
            return Result(Outcome.UNKNOWN, "the transaction did not come back")

    def give_up(self) -> None:
        """Ends the thread as soon as its present call comes back, if ever; does not wait."""
        if self._transactor is not None:
            self._transactor.given_up = True
            # Only the thread keeps the producer now: its end, which may take long as well, is the thread's too.
            self._transactor = None
            self._calls.nudge()

    def _serve(self, transactor: Transactor) -> None:
        while not transactor.given_up:
            self._calls.serve(None)
