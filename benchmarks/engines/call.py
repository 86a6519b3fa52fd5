"""The call that every Python engine makes, as an application would write it, and what they are told to do.

Stands alone: it is on the path of each peer's own environment, which has nothing of this project. A call is tried
again as the openai SDK does by default: twice, after half a second and more, or as long as the server asks for.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from dataclasses import dataclass
from typing import Any, cast

RETRIES = 2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
TIMEOUT_S = 60.0
_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Task:
    """What an engine is told, by the environment variable ENGINE_TASK."""

    bootstrap: str
    source: str
    target: str
    graveyard: str
    group: str
    url: str
    concurrency: int
    partitions: int
    slot: str
    mode: str = "plain"
    requests_per_minute: int = 0
    redis: str = ""

    @classmethod
    def read(cls) -> Task:
        """Ours."""
        return cls(**json.loads(os.environ["ENGINE_TASK"]))


class MalformedError(ValueError):
    """The ticket is not JSON: no call helps."""


class CallFailedError(Exception):
    """No answer after all tries."""


def request(value: bytes | None) -> bytes:
    """The body to send. Raises MalformedError."""
    try:
        json.loads(value or b"")
    except ValueError as error:
        raise MalformedError(str(error)) from None
    message = {"role": "user", "content": (value or b"").decode()}
    return json.dumps({"model": "ticket-sorter", "max_completion_tokens": 200, "messages": [message]}).encode()


def answer(body: bytes) -> bytes:
    """What is published: the text of the model's answer."""
    return cast(str, json.loads(body)["choices"][0]["message"]["content"]).encode()


def pause_s(attempt: int, retry_after: str | None) -> float:
    """How long to wait after that many failed attempts, with jitter."""
    if retry_after is not None:
        return min(60.0, float(retry_after))
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (attempt - 1)) * (1 - 0.25 * random.random())


class AsyncCaller:
    """With aiohttp. Made on the event loop."""

    def __init__(self, task: Task) -> None:
        import aiohttp

        self._errors = (aiohttp.ClientError, asyncio.TimeoutError)
        self._url = f"{task.url}/openai/v1/chat/completions"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=task.concurrency),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            headers={"content-type": "application/json"},
        )

    async def __call__(self, value: bytes | None) -> bytes:
        """The answer to a ticket. Raises MalformedError, CallFailedError."""
        body = request(value)
        for attempt in range(1, RETRIES + 2):
            retry_after: str | None = None
            try:
                async with self._session.post(self._url, data=body) as response:
                    if response.status == 200:
                        return answer(await response.read())
                    if response.status not in _AGAIN:
                        break
                    retry_after = response.headers.get("retry-after")
            except self._errors:
                pass
            if attempt <= RETRIES:
                await asyncio.sleep(pause_s(attempt, retry_after))
        raise CallFailedError

    async def close(self) -> None:
        await self._session.close()


class ThreadCaller:
    """With urllib3, for engines that call in threads."""

    def __init__(self, task: Task) -> None:
        import urllib3

        self._errors = urllib3.exceptions.HTTPError
        self._url = f"{task.url}/openai/v1/chat/completions"
        self._pool: Any = urllib3.PoolManager(
            maxsize=task.concurrency, timeout=TIMEOUT_S, retries=False, headers={"content-type": "application/json"}
        )

    def __call__(self, value: bytes | None) -> bytes:
        """The answer to a ticket. Raises MalformedError, CallFailedError."""
        body = request(value)
        for attempt in range(1, RETRIES + 2):
            retry_after: str | None = None
            try:
                response = self._pool.request("POST", self._url, body=body)
                if response.status == 200:
                    return answer(response.data)
                if response.status not in _AGAIN:
                    break
                retry_after = response.headers.get("retry-after")
            except self._errors:
                pass
            if attempt <= RETRIES:
                time.sleep(pause_s(attempt, retry_after))
        raise CallFailedError
