"""A thread of its own for calls of Kafka's clients, awaited from the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future


async def on_thread(name: str, work: Callable[[], None]) -> None:
    """Runs `work` to its end on a thread called `name`. Raises what it raises.

    The thread is a daemon: a call that never comes back must not keep the program alive.
    """
    ended: Future[None] = Future()

    def body() -> None:
        try:
            work()
            ended.set_result(None)
        except BaseException as error:  # noqa: BLE001  (whoever waits for the future gets it)
            ended.set_exception(error)

    threading.Thread(target=body, name=name, daemon=True).start()
    await asyncio.wrap_future(ended)
