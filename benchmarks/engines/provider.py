"""The provider that all engines call: OpenAI's chat completions with a quota, latencies, outages, and almost no CPU.

    python -m benchmarks.engines.provider

`pipeline.simulator` takes 0.4 ms of CPU a request for answers that nobody reads here: with a thousand calls a second
it would be what is measured. This one takes the latency from the ticket itself, so that every engine waits as long for
a ticket as the others did, and answers with the ticket's number and the moment of the answer. It prints its address.

`GET /control` tells what was counted, `POST /control` changes `out` (503 for everybody) and `requests_per_minute` (0:
none), and `{"reset": true}` begins to count anew.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
import uvloop

BURST_S = 1.0
"""Seconds' worth of the quota that may be used at once."""
_HEAD = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
_REASONS = {200: b"OK", 404: b"Not Found", 429: b"Too Many Requests", 503: b"Service Unavailable"}


@dataclass(slots=True)
class Bucket:
    """A quota of requests that refills evenly."""

    per_minute: float = 0.0
    left: float = 0.0
    at: float = 0.0

    def set(self, per_minute: float, now: float) -> None:
        """From now on; it begins full."""
        self.per_minute, self.left, self.at = per_minute, per_minute / 60 * BURST_S, now

    def wait(self, now: float) -> float:
        """Takes one and is 0, or takes none and is the seconds until there is one."""
        if not self.per_minute:
            return 0.0
        rate = self.per_minute / 60
        self.left = min(rate * BURST_S, self.left + (now - self.at) * rate)
        self.at = now
        if self.left < 1:
            return (1 - self.left) / rate
        self.left -= 1
        return 0.0

    def headers(self) -> bytes:
        """As OpenAI writes them."""
        if not self.per_minute:
            return b""
        remaining = int(self.left / (self.per_minute / 60 * BURST_S) * self.per_minute)
        return b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n" % (
            self.per_minute,
            remaining,
        )


@dataclass(slots=True)
class Provider:
    """What was asked and answered since the last reset."""

    calls: Counter[int] = field(default_factory=Counter)
    """By ticket: those that were let in."""
    met_outage: int = 0
    refused: int = 0
    answered: int = 0
    undelivered: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    first: float = 0.0
    last: float = 0.0
    latest_ms: float = 0.0
    late_ms: float = 0.0
    """How late all answers were together: what this process was too slow for."""
    out: bool = False
    quota: Bucket = field(default_factory=Bucket)

    def told(self) -> Mapping[str, float]:
        """All of it, times in seconds."""
        return {
            "calls": self.calls.total(),
            "tickets": len(self.calls),
            "met_outage": self.met_outage,
            "refused": self.refused,
            "answered": self.answered,
            "undelivered": self.undelivered,
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "span_s": self.last - self.first,
            "late_ms_mean": self.late_ms / max(1, self.answered),
            "late_ms_max": self.latest_ms,
            "cpu_s": time.process_time(),
        }

    def change(self, wanted: Mapping[str, object], now: float) -> Provider:
        """The provider from now on."""
        fresh = Provider(out=self.out, quota=self.quota, in_flight=self.in_flight) if wanted.get("reset") else self
        fresh.out = bool(wanted.get("out", fresh.out))
        if (limit := wanted.get("requests_per_minute")) is not None:
            fresh.quota.set(float(str(limit)), now)
        return fresh


class Desk:
    """Holds the provider; connections outlive a reset."""

    def __init__(self) -> None:
        self.provider = Provider()


class Connection(asyncio.Protocol):
    """One keep-alive connection; its client asks again when it has its answer."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._loop = desk, asyncio.get_running_loop()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line[:15].lower() == b"content-length:":
                    length = int(line[15:])
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._asked(head, rest[:length])

    def _asked(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b" ", 2)
        if path.endswith(b"/chat/completions"):
            self._complete(body)
        elif path == b"/control":
            if method == b"POST":
                self._desk.provider = self._desk.provider.change(json.loads(body), self._loop.time())
            self._reply(200, orjson.dumps(self._desk.provider.told()))
        else:
            self._reply(404, b"{}")

    def _complete(self, body: bytes) -> None:
        provider, now = self._desk.provider, self._loop.time()
        if provider.out:
            provider.met_outage += 1
            self._reply(503, _error("The server is overloaded", "server_error"))
            return
        if wait := provider.quota.wait(now):
            provider.refused += 1
            headers = b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (math.ceil(wait), math.ceil(wait * 1000))
            self._reply(429, _error("Rate limit reached", "rate_limit_exceeded"), headers + provider.quota.headers())
            return
        request = orjson.loads(body)
        text = request["messages"][-1]["content"]
        ticket = orjson.loads(text[text.index("{") : text.rindex("}") + 1])
        number = ticket["number"]
        provider.calls[number] += 1
        provider.in_flight += 1
        provider.peak_in_flight = max(provider.peak_in_flight, provider.in_flight)
        provider.first = provider.first or now
        due = now + ticket["latency_ms"] / 1000
        self._loop.call_at(due, self._answer, number, request["model"], due)

    def _answer(self, number: int, model: str, due: float) -> None:
        provider, now = self._desk.provider, self._loop.time()
        provider.in_flight -= 1
        provider.late_ms += (now - due) * 1000
        provider.latest_ms = max(provider.latest_ms, (now - due) * 1000)
        provider.last = now
        if self._transport is None or self._transport.is_closing():
            provider.undelivered += 1
            return
        provider.answered += 1
        answer = {"number": number, "answered_ns": time.time_ns(), "category": "OTHER", "needs_human": False}
        message = {"role": "assistant", "content": orjson.dumps(answer).decode(), "refusal": None}
        body = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130},
        }
        self._reply(200, orjson.dumps(body), provider.quota.headers())

    def _reply(self, status: int, body: bytes, headers: bytes = b"") -> None:
        assert self._transport is not None
        self._transport.write(_HEAD % (status, _REASONS[status], len(body), headers) + body)


def _error(message: str, code: str) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": code, "param": None, "code": code}})


async def _serve() -> None:
    loop, desk, stop = asyncio.get_running_loop(), Desk(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Connection(desk), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()


if __name__ == "__main__":
    # Nothing here makes cycles; looking for them would delay answers.
    gc.disable()
    uvloop.run(_serve())
