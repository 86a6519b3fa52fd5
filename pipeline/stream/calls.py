"""Calls that wait for the one thread that may make them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Calls:
    """A queue of calls, made by whoever serves it."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """The call's result, or what it raised, when it was made; cancelled before, it is not made.

        On an event loop.
        """
        answer: Future[T] = Future()

        def call() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  (whoever asked gets it)
                answer.set_exception(error)

        self._waiting.put(call)
        return asyncio.wrap_future(answer)

    def tell(self, call: Callable[[], object]) -> None:
        """Has it made soon; nobody waits for it. From any thread, in order."""
        self._waiting.put(call)

    def nudge(self) -> None:
        """Ends the present wait of `serve`; from any thread."""
        self._waiting.put(lambda: None)

    def serve(self, wait: float | None) -> None:
        """Makes all calls that wait; when there are none, the first one that comes within `wait` seconds.

        None waits for as long as it takes, 0 not at all.
        """
        while True:
            try:
                call = self._waiting.get_nowait() if wait == 0 else self._waiting.get(timeout=wait)
            except Empty:
                return
            call()
            wait = 0
