"""Who goes next: nobody starves, nobody takes more than their share, nobody interactive waits for a backlog."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from pipeline.llm import Account, Lane
from pipeline.llm.providers.provider import Reply, Request
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.llm.queue import FairQueue
from pipeline.llm.quota import Cost
from tests.unit.llm.questions import gateway, question, says

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def order(queue: FairQueue, names: dict[asyncio.Future[bool], str]) -> list[str]:
    found = []
    while (head := queue.head()) is not None:
        found.append(names[head.admitted])
        queue.pop()
    return found


class Line:
    """A queue and who stands in it."""

    def __init__(self, **weights: float) -> None:
        self.queue = FairQueue(weights)
        self.names: dict[asyncio.Future[bool], str] = {}
        self.loop = asyncio.get_running_loop()

    def push(self, tenant: str, size: int = 100, lane: Lane = Lane.BACKLOG, name: str = "") -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = self.loop.create_future()
        self.names[future] = name or tenant
        self.queue.push(lane, tenant, Cost(size, 0), future)
        return future

    def order(self) -> list[str]:
        return order(self.queue, self.names)


async def test_one_tenant_is_served_in_the_order_it_came() -> None:
    line = Line()
    for number in range(20):
        line.push("acme", size=1 + 1000 * (number % 2), name=str(number))
    assert line.order() == [str(number) for number in range(20)]


async def test_a_tenant_with_a_thousand_calls_does_not_delay_one_with_two() -> None:
    line = Line()
    for _ in range(1000):
        line.push("large")
    line.push("small")
    line.push("small")
    assert line.order().index("small") <= 2


async def test_weights_are_shares_of_tokens() -> None:
    line = Line(gold=3.0)
    for _ in range(400):
        line.push("gold")
        line.push("plain")
    served = Counter(line.order()[:400])
    assert 290 <= served["gold"] <= 310


async def test_shares_are_of_tokens_and_not_of_calls() -> None:
    line = Line()
    for _ in range(100):
        line.push("long", size=1000)
    for _ in range(1000):
        line.push("short", size=100)
    first = line.order()[:220]
    assert 15 <= first.count("long") <= 25


async def test_a_long_prompt_is_not_overtaken_for_ever() -> None:
    line = Line()
    line.push("a", size=10_000, name="long")
    for _ in range(1000):
        line.push("b", size=100)
    assert line.order().index("long") <= 110, "it waits until the other tenant has had as much, and no longer"


async def test_interactive_calls_go_before_the_backlog() -> None:
    line = Line()
    for _ in range(50):
        line.push("acme")
    line.push("acme", lane=Lane.INTERACTIVE, name="person")
    assert line.order()[0] == "person"


async def test_a_tenant_that_was_idle_has_saved_nothing_up() -> None:
    line = Line()
    for _ in range(100):
        line.push("busy")
    for _ in range(50):
        line.queue.pop()
    for _ in range(60):
        line.push("idle")
    assert 45 <= line.order()[:100].count("busy") <= 55


async def test_who_gave_up_waiting_is_skipped_and_no_longer_counted() -> None:
    line = Line()
    first, _ = line.push("a", size=5000, name="first"), line.push("a", name="second")
    first.cancel()
    assert line.queue.head() is not None
    assert line.queue.cost == Cost(100, 0)
    assert line.order() == ["second"]


def test_a_flood_of_one_tenant_leaves_the_others_their_answers(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        answered: list[str] = []

        def answer(request: Request) -> Reply:
            answered.append(request.user)
            return says()

        account = Account(ScriptedProvider(always=answer), requests_per_minute=600)
        subject = gateway(openai=account)
        flood = [asyncio.create_task(subject.complete(question(tenant="flood", text="flood"))) for _ in range(300)]
        await asyncio.sleep(0.01)
        began = loop.time()
        await asyncio.gather(*(subject.complete(question(tenant=f"t{n}", text="other")) for n in range(10)))
        assert loop.time() - began < 3, "ten calls of ten tenants waited behind three hundred of one"
        person = loop.time()
        await subject.complete(question(tenant="flood", lane=Lane.INTERACTIVE))
        assert loop.time() - person < 0.5
        await asyncio.gather(*flood)

    run(main())
