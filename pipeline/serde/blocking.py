"""Decoding for callers without an event loop."""

from __future__ import annotations

import asyncio

from pipeline.serde.codec import Decoded, Decoder


def decode_now(decoder: Decoder, data: bytes) -> Decoded:
    """The record, waiting in this thread while the registry is asked. Not for threads that run an event loop.

    Raises what `decoder` raises. Where nothing has to be waited for it costs no event loop.
    """
    if not decoder.ready(data):
        return asyncio.run(_decoded(decoder, data))
    try:
        decoder.decode(data).send(None)
    except StopIteration as done:
        found = done.value
        assert isinstance(found, Decoded)
        return found
    raise AssertionError("a decoder that was ready waits")


async def _decoded(decoder: Decoder, data: bytes) -> Decoded:
    return await decoder.decode(data)
