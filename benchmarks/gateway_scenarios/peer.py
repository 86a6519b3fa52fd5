"""What others do with the same load: the openai SDK with its own retries behind a semaphore, and litellm's router.

A script of its own, run by the Python that has the peer installed: it reads one JSON object of what to do from its
input and prints one JSON object of what it saw. It needs nothing of this project. Ends with 3 when the peer is not
installed.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

NOT_INSTALLED = 3
GRACE_S = 60.0
"""How long calls may go on after the last question came."""

Ask = Callable[[str], Awaitable[object]]
"""A question's text in, an answer out; or whatever error the peer ends with."""


def main() -> None:
    job = json.load(sys.stdin)
    try:
        asks = PEERS[job["peer"]](job)
    except ImportError:
        sys.exit(NOT_INSTALLED)
    json.dump(asyncio.run(LOADS[job["load"]](job, asks)), sys.stdout)


# ---- who is asked


def _sdk(job: dict[str, Any]) -> Callable[[], Ask]:
    """`AsyncOpenAI` as its documentation has it; where there is a second address, it is tried when the first fails."""
    import openai

    def client() -> Ask:
        clients = [
            openai.AsyncOpenAI(api_key="sk-bench", base_url=url, max_retries=job["retries"], timeout=job["timeout_s"])
            for url in job["urls"]
        ]
        slots = asyncio.Semaphore(job["slots"])

        async def ask(text: str) -> object:
            async with slots:
                for last, client in enumerate(clients, 1 - len(clients)):
                    try:
                        return await client.chat.completions.create(**_arguments(job, text))
                    except openai.OpenAIError:
                        if not last:
                            raise
            return None

        return ask

    return client


def _litellm(job: dict[str, Any]) -> Callable[[], Ask]:
    """The router with the account's quotas, usage-based, with cool-downs, retries and a fallback group."""
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False

    def router() -> Ask:
        names = ["first", "second"][: len(job["urls"])]
        found = litellm.Router(
            model_list=[
                {
                    "model_name": name,
                    "litellm_params": {
                        "model": f"openai/{job['model']}",
                        "api_base": url,
                        "api_key": "sk-bench",
                        "timeout": job["timeout_s"],
                        "max_parallel_requests": job["slots"],
                        **({"tpm": job["tokens_per_minute"]} if job.get("tokens_per_minute") else {}),
                    },
                }
                for name, url in zip(names, job["urls"], strict=True)
            ],
            num_retries=job["retries"],
            fallbacks=[{"first": ["second"]}] if len(names) == 2 else [],
        )

        async def ask(text: str) -> object:
            arguments = _arguments(job, text)
            del arguments["model"]
            return await found.acompletion(model="first", **arguments)

        return ask

    return router


PEERS = {"openai_sdk": _sdk, "litellm_router": _litellm}


def _arguments(job: dict[str, Any], text: str) -> dict[str, Any]:
    return {
        "model": job["model"],
        "messages": [{"role": "system", "content": job["system"]}, {"role": "user", "content": text}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "ticket", "strict": True, "schema": job["schema"]},
        },
        "max_completion_tokens": job["max_tokens"],
    }


# ---- what is asked


async def _backlog(job: dict[str, Any], client: Callable[[], Ask]) -> dict[str, Any]:
    """More than the quota allows, uneven among workers: used of the quota is counted by who calls this."""
    workers, draw = [client() for _ in range(job["workers"])], random.Random(5)
    tasks: set[asyncio.Task[None]] = set()
    counts = {"answered": 0, "failed": 0}

    async def one() -> None:
        worker = workers[min(int(draw.paretovariate(0.6)), len(workers)) - 1]
        text = job["text"] * draw.randint(1, 20) + str(draw.random())
        try:
            await worker(text)
            counts["answered"] += 1
        except Exception:  # noqa: BLE001 - counted
            counts["failed"] += 1

    ends = due = time.monotonic()
    ends += job["seconds"]
    while (now := time.monotonic()) < ends:
        while due < now:
            due += 1 / job["a_second"]
            if len(tasks) < 300 * len(workers):
                task = asyncio.create_task(one())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.02)
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return counts


async def _stream(job: dict[str, Any], client: Callable[[], Ask]) -> dict[str, Any]:
    """So many a second, steadily: when each came (seconds since the first), how long it took, if it was answered."""
    ask, found, tasks = client(), list[tuple[float, float, bool]](), list[asyncio.Task[None]]()
    began = time.monotonic()

    async def one(number: int) -> None:
        came = time.monotonic()
        try:
            await ask(f"{job['text']} {number}")
            answered = True
        except Exception:  # noqa: BLE001 - counted
            answered = False
        found.append((came - began, time.monotonic() - came, answered))

    due = began
    while (now := time.monotonic()) < began + job["seconds"]:
        while due < now:
            due += 1 / job["a_second"]
            tasks.append(asyncio.create_task(one(len(tasks))))
        await asyncio.sleep(0.01)
    _, left = await asyncio.wait(tasks, timeout=GRACE_S)
    for task in left:
        task.cancel()
    return {"calls": found, "unfinished": len(left)}


async def _full(job: dict[str, Any], client: Callable[[], Ask]) -> dict[str, Any]:
    """So many in flight at a constant latency: CPU and added latency of a call."""
    ask, latencies, numbers = client(), list[float](), iter(range(job["calls"]))
    await asyncio.gather(*(ask("warm up") for _ in range(100)))

    async def worker(index: int) -> None:
        await asyncio.sleep(job["latency_s"] * index / job["in_flight"])
        for number in numbers:
            began = time.perf_counter()
            await ask(f"{job['text']} {number}")
            latencies.append(time.perf_counter() - began)

    cpu = time.process_time()
    await asyncio.gather(*(worker(index) for index in range(job["in_flight"])))
    cpu = time.process_time() - cpu
    latencies.sort()
    return {
        "cpu_ms_a_call": round(cpu / job["calls"] * 1000, 4),
        "latency_p50_ms": round((latencies[len(latencies) // 2] - job["latency_s"]) * 1000, 2),
        "latency_p99_ms": round((latencies[int(len(latencies) * 0.99)] - job["latency_s"]) * 1000, 2),
    }


LOADS = {"backlog": _backlog, "stream": _stream, "full": _full}

if __name__ == "__main__":
    main()
