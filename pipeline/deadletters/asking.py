"""One look into Kafka for all that ask at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from pipeline.errors import PipelineError
from pipeline.stream.thread import on_thread

_log = logging.getLogger(__name__)

Question = TypeVar("Question")
Detail = TypeVar("Detail")


@dataclass(slots=True)
class Asking(Generic[Question, Detail]):
    """On the event loop. `look` finds those of the questions, each with its detail, to which the answer is yes; it
    blocks, on a thread of its own, and raises UnavailableError while Kafka is away."""

    who: str
    """Who waits meanwhile, as the log tells it."""
    look: Callable[[Mapping[Question, Detail]], set[Question]]
    again: timedelta = timedelta(seconds=1)
    """Between two attempts, while Kafka is away."""
    _asked: dict[Question, tuple[Detail, asyncio.Future[bool]]] = field(default_factory=dict)
    _looking: asyncio.Task[None] | None = None

    async def ask(self, one: Question, detail: Detail) -> bool:
        """Whether it is found. Waits while Kafka is away; raises whatever else the look raises."""
        _, answer = self._asked.setdefault(one, (detail, asyncio.get_running_loop().create_future()))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._answer())
        return await asyncio.shield(answer)

    async def _answer(self) -> None:
        """What asks while it looks is answered by the next look."""
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                found = await self._found({one: detail for one, (detail, _) in asked.items()})
            except Exception as error:  # noqa: BLE001  (a failure of each that asked; the next ones are looked for)
                for _, answer in asked.values():
                    answer.set_exception(error)
            else:
                for one, (_, answer) in asked.items():
                    answer.set_result(one in found)

    async def _found(self, wanted: Mapping[Question, Detail]) -> set[Question]:
        while True:
            try:
                # A look may take as long as Kafka is silent: the worker's end does not wait for it.
                return await on_thread("look", lambda: self.look(wanted))
            except PipelineError as error:
                _log.warning("%s wait: %s", self.who, error)
                await asyncio.sleep(self.again.total_seconds())
