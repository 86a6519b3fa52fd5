"""The provider simulator under load: requests a second, CPU a request, and whether latencies keep their distribution.

    python benchmarks/simulator.py

Prints one JSON object. The simulator runs in a process of its own; its CPU time is its own account of it. Latencies
are seen by the client, from the first byte sent to the last one read.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import uvloop
from pipeline.simulator.latency import LogNormal

_PROPERTIES = {
    "category": {"type": "string", "enum": ["ACCOUNT_ACCESS", "PAYMENT_PROBLEM", "DELIVERY", "OTHER"]},
    "priority": {"type": "string", "enum": ["LOW", "NORMAL", "HIGH", "URGENT"]},
    "summary": {"type": "string", "description": "At most 280 characters."},
    "suggested_action": {"type": "string", "description": "At most 500 characters."},
    "incident_date": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
    "parties": {"type": "array", "items": {"type": "string"}},
    "confidence": {"type": "number"},
    "needs_human": {"type": "boolean"},
}
_SCHEMA = {
    "type": "object",
    "properties": _PROPERTIES,
    "required": list(_PROPERTIES),
    "additionalProperties": False,
}
_SYSTEM = "You sort support tickets.\n" * 60 + "\n".join(
    f"- {label}: {words}"
    for label, words in {
        "ACCOUNT_ACCESS": "cannot log in, password, locked account",
        "PAYMENT_PROBLEM": "payment declined, charged twice, transfer missing or late",
        "DELIVERY": "parcel late, lost, damaged, tracking",
        "OTHER": "none of the others",
    }.items()
)
_TICKET = (
    "Subject: charge on my card\n\nHello, I am [PERSON_1]. On March 3, 2026 my card was charged twice for $49.90, "
    "and the parcel never came to [ADDRESS_1]. I have called three times. Nobody could help me. "
) * 4


@dataclass(frozen=True)
class Load:
    """What is asked: so many requests, so many at once, of a simulator with this latency."""

    requests: int
    in_flight: int
    latency: LogNormal


_LOADS = {
    "as_fast_as_it_can": Load(15_000, 64, LogNormal(0.0, 0.0)),
    "1000_in_flight": Load(15_000, 1000, LogNormal(0.8, 4.0)),
    "4000_in_flight": Load(15_000, 4000, LogNormal(3.0, 9.0)),
}


def main() -> None:
    print(json.dumps({name: _measured(load) for name, load in _LOADS.items()}, indent=2))


def _measured(load: Load) -> Mapping[str, object]:
    command = [sys.executable, "-m", "pipeline.simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            line = next(line for line in iter(simulator.stdout.readline, "") if line.startswith("control"))
            control = line.split()[1]
            latency = {"p50_s": load.latency.p50_s, "p99_s": load.latency.p99_s}
            before = _control(control, {"openai": {"latency": latency}})
            began, own = time.perf_counter(), time.process_time()
            seen = uvloop.run(_seen(load, control.split("/")[2]))
            seconds, own = time.perf_counter() - began, time.process_time() - own
            after = _control(control, {})
        finally:
            simulator.terminate()
    cuts = statistics.quantiles(seen, n=100)
    return {
        "requests": len(seen),
        "answered_ok": after["openai"]["outcomes"]["ok"],
        "peak_in_flight": after["openai"]["peak_in_flight"],
        "seconds": round(seconds, 2),
        "per_second": round(len(seen) / seconds),
        "simulator_cpu_ms_a_request": round((after["cpu_s"] - before["cpu_s"]) / len(seen) * 1000, 3),
        "client_cpu_ms_a_request": round(own / len(seen) * 1000, 3),
        "latency_s": {
            f"p{share}": {"set": round(load.latency.at(share / 100), 4), "seen": round(cuts[share - 1], 4)}
            for share in (10, 50, 90, 99)
        },
    }


def _control(url: str, change: Mapping[str, object]) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(change).encode())) as response:
        return cast(dict[str, Any], json.load(response))


async def _seen(load: Load, address: str) -> list[float]:
    host, port = address.split(":")
    numbers = iter(range(load.requests))
    clients = [_Client(numbers, address) for _ in range(load.in_flight)]
    for client in clients:
        await asyncio.get_running_loop().create_connection(partial(_itself, client), host, int(port))
    for client in clients:
        client.ask()
    await asyncio.gather(*(client.done for client in clients))
    for client in clients:
        client.transport.close()
    return [taken for client in clients for taken in client.seen]


def _itself(client: _Client) -> _Client:
    return client


class _Client(asyncio.Protocol):
    """One connection with one request at a time: as little work as can be beside what is measured."""

    transport: asyncio.Transport

    def __init__(self, numbers: Iterator[int], address: str) -> None:
        self._numbers = numbers
        self._address = address
        self._left: int | None = None
        self._sent = 0.0
        self.seen: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a TCP connection's
        self.transport = transport

    def ask(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            self.done.set_result(None)
            return
        form = {"type": "json_schema", "json_schema": {"name": "ticket", "strict": True, "schema": _SCHEMA}}
        messages = [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": f"<<<body kdmgop\n{_TICKET}{number}\nkdmgop>>>"},
        ]
        asked = {"model": "gpt-5-mini", "max_completion_tokens": 900, "messages": messages, "response_format": form}
        body = json.dumps(asked).encode()
        head = (
            f"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: {self._address}\r\nauthorization: Bearer k\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._sent = time.perf_counter()
        self.transport.write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        if self._left is None:
            head, _, data = data.partition(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self._left = int(length.split(b":")[1])
        self._left -= len(data)
        if self._left == 0:
            self._left = None
            self.seen.append(time.perf_counter() - self._sent)
            self.ask()


if __name__ == "__main__":
    main()
