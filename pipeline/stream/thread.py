"""A thread of its own for calls of Kafka's clients, awaited from the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def on_thread(name: str, work: Callable[[], T]) -> T:
    """What `work` returns, which runs to its end on a thread called `name`. Raises what it raises.

    The thread is a daemon: a call that never comes back must not keep the program alive.
    """
    ended: Future[T] = Future()
    # Who waits may be cancelled, what runs not: its end is told to nobody then.
    ended.set_running_or_notify_cancel()

    def body() -> None:
        try:
            ended.set_result(work())
        except BaseException as error:  # noqa: BLE001  (whoever waits for the future gets it)
            ended.set_exception(error)

    threading.Thread(target=body, name=name, daemon=True).start()
    return await asyncio.wrap_future(ended)
