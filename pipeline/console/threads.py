"""Blocking work beside the event loop, on threads that keep nobody from ending.

The loop's own pool is small, and is waited for at the end: one question that hangs would keep the console running.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


async def on_thread(work: Callable[[], _Result]) -> _Result:
    """What `work` returns or raises, from a thread of its own. Given up by who waits, it ends unheard."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Result] = loop.create_future()

    def settle(tell: Callable[[], None]) -> None:
        # The loop may be closed when the answer comes.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if answer.done() else tell())

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            failure = error
            settle(lambda: answer.set_exception(failure))
        else:
            settle(lambda: answer.set_result(result))

    threading.Thread(target=run, name="asked", daemon=True).start()
    return await answer
