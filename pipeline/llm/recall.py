"""Never paying twice for one question: answers given before, and equal questions that are on their way."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from pipeline.errors import AnswerError, CallError, ProvidersOutError, RefusalError
from pipeline.llm.asking import Asking
from pipeline.llm.cache import AnswerKeys, AnswerStore, CachePolicy, MemoryCache, StoredAnswer
from pipeline.llm.question import Completion, InvalidAnswerError
from pipeline.llm.similar import SimilarQuestions
from pipeline.llm.status import CacheStatus

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Flight:
    """The first of several equal questions, and what it comes to: an answer, a failure that is the question's own, or
    nothing."""

    first: Asking[Any]
    lands: asyncio.Future[StoredAnswer | CallError | None]


LOOK_S = 0.05
"""Whose time is nearly over looks no more often than this whether the one in front still stands in line."""


@dataclass(slots=True)
class _Counts:
    hits: int = 0
    shared: int = 0
    stale: int = 0
    similar: int = 0
    misses: int = 0
    saved_usd: Decimal = Decimal(0)


class Recall:
    """Answers from memory, from the shared store, or from the equal question in front; asks only when it must."""

    def __init__(self, policy: CachePolicy, store: AnswerStore | None, wall: Callable[[], float]) -> None:
        """`wall` is Unix time, in seconds: workers compare it."""
        self._policy = policy
        self._store = store
        self._wall = wall
        self._keys = AnswerKeys()
        self._memory = MemoryCache(policy)
        self._similar = SimilarQuestions(policy.similar) if policy.similar else None
        self._flights: dict[str, Flight] = {}
        self._puts: set[asyncio.Task[None]] = set()
        self._counts = _Counts()

    async def complete(self, asking: Asking[T], ask: Callable[[Asking[T]], Awaitable[Completion[T]]]) -> Completion[T]:
        """What `ask` would give, or gave before. Raises what `ask` raises."""
        key = self._keys.key(asking.question)
        if not key:
            return await ask(asking)
        if self._similar is not None and (alike := self._alike(self._similar, key, asking)) is not None:
            return alike
        while True:
            stored = self._memory.get(key, self._wall())
            if stored is not None and self._memory.is_fresh(stored, self._wall()):
                if (completion := self._again(asking, stored)) is not None:
                    self._counts.hits += 1
                    return completion
                return await ask(asking)
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, asking, ask)
            if (followed := await self._follow(asking, flight)) is not None:
                return followed

    def status(self) -> CacheStatus:
        """Hits and savings since the start."""
        counts = self._counts
        return CacheStatus(
            counts.hits,
            counts.shared,
            counts.stale,
            counts.misses,
            counts.saved_usd,
            len(self._memory),
            self._memory.bytes,
            counts.similar,
        )

    async def close(self) -> None:
        """Waits for what is being stored."""
        await asyncio.gather(*self._puts, return_exceptions=True)
        if self._store is not None:
            await self._store.close()

    def _alike(self, similar: SimilarQuestions, key: str, asking: Asking[T]) -> Completion[T] | None:
        """The fresh answer of a question that is nearly the same, where this very one has none."""
        now = self._wall()
        if self._memory.get(key, now) is not None:
            return None
        other = similar.find(self._keys.scope(asking.question), asking.question.prompt.record.text)
        stored = self._memory.get(other, now) if other else None
        if stored is None or not self._memory.is_fresh(stored, now):
            return None
        if (completion := self._again(asking, stored)) is not None:
            self._counts.similar += 1
        return completion

    async def _lead(
        self, key: str, asking: Asking[T], ask: Callable[[Asking[T]], Awaitable[Completion[T]]]
    ) -> Completion[T]:
        flight = self._flights[key] = Flight(asking, asyncio.get_running_loop().create_future())
        outcome: StoredAnswer | CallError | None = None
        try:
            stored = self._memory.get(key, self._wall())
            if stored is None and self._store is not None and (stored := await self._store.get(key)) is not None:
                self._memory.put(key, stored)
                if self._memory.is_fresh(stored, self._wall()) and (found := self._again(asking, stored)) is not None:
                    self._counts.hits += 1
                    outcome = stored
                    return found
            asking.has_backup = stored is not None
            self._counts.misses += 1
            try:
                completion = await ask(asking)
            except ProvidersOutError:
                if stored is None or (found := self._again(asking, stored)) is None:
                    raise
                self._counts.stale += 1
                outcome = stored
                return found
            outcome = self._keep(key, asking, completion)
            return completion
        except (AnswerError, RefusalError) as error:
            outcome = error
            raise
        finally:
            del self._flights[key]
            flight.lands.set_result(outcome)

    async def _follow(self, asking: Asking[T], flight: Flight) -> Completion[T] | None:
        """The equal question's answer. None when it has none to share: this one has to see for itself."""
        while not flight.lands.done():
            # As the one in front stands in line, so does this one.
            own_s, front_s = asking.worked_s(), flight.first.worked_s()
            left_s = asking.left_s()
            await asyncio.wait([flight.lands], timeout=None if left_s is None else max(LOOK_S, left_s))
            asking.was_in_line(asking.worked_s() - own_s - (flight.first.worked_s() - front_s))
            if asking.overdue and not flight.lands.done():
                raise asking.outage()
        outcome = flight.lands.result()
        if isinstance(outcome, CallError):
            # Its calls are on the other record's bill.
            error = copy.copy(outcome)
            error.attempts = ()
            raise error
        if outcome is None or (completion := self._again(asking, outcome)) is None:
            return None
        self._counts.shared += 1
        return completion

    def _again(self, asking: Asking[T], stored: StoredAnswer) -> Completion[T] | None:
        """The stored answer, validated for this record. None when it is not valid for it."""
        try:
            answer = asking.question.read(orjson.loads(stored.data))
        except InvalidAnswerError:
            return None
        self._counts.saved_usd += stored.cost_usd
        return Completion(answer, stored.provider, stored.model, stored.tier, simulated=stored.simulated, cached=True)

    def _keep(self, key: str, asking: Asking[T], completion: Completion[T]) -> StoredAnswer | None:
        """Keeps what is worth it. An answer that was not sure enough is shared with those who wait and not kept."""
        if asking.data is None:
            return None
        stored = StoredAnswer(
            orjson.dumps(asking.data),
            completion.provider,
            completion.model,
            completion.tier,
            completion.simulated,
            completion.cost_usd,
            self._wall(),
        )
        if not asking.provisional and len(stored.data) <= self._policy.max_answer_bytes:
            self._memory.put(key, stored)
            if self._similar is not None:
                self._similar.add(self._keys.scope(asking.question), asking.question.prompt.record.text, key)
            if self._store is not None:
                put = self._store.put(key, stored, self._policy.fresh_for + self._policy.stale_for)
                task = asyncio.get_running_loop().create_task(put)
                self._puts.add(task)
                task.add_done_callback(self._puts.discard)
        return stored
