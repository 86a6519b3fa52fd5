"""What both vendors' clients share: how connections are kept, how long a call may take, and what its failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import httpx2

from pipeline.llm.providers.failures import classify

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 60.0


def patience(timeout_s: float) -> httpx2.Timeout:
    """For connecting, and for everything after that."""
    return httpx2.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)


def connections(most: int) -> httpx2.Limits:
    return httpx2.Limits(max_connections=most, keepalive_expiry=KEEPALIVE_S)


async def bounded(call: Awaitable[T], timeout_s: float) -> T:
    """What `call` gives, within the time. Raises ProviderError for whatever an SDK raises; a defect goes through."""
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except Exception as error:  # noqa: BLE001 - the table decides; what is not in it is raised again
        raise classify(error) from None
