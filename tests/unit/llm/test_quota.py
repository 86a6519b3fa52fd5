"""The whole quota is used and no more: by one worker, by a fleet, while it changes, when the fleet's store is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.llm import Account, Gateway, Tier
from pipeline.llm.fleet import FleetAwayError, Share
from pipeline.llm.providers.provider import Limits, Window
from pipeline.llm.providers.scripted import ScriptedProvider
from pipeline.llm.quota import Cost, Quota, QuotaPolicy
from pipeline.simulator import quota as vendor
from tests.unit.llm.metered import FleetInMemory, FleetWorker, MeteredProvider
from tests.unit.llm.questions import question, says

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def test_a_call_waits_exactly_as_long_as_its_tokens_take_to_come() -> None:
    quota = Quota(QuotaPolicy(tokens=6000), 0)  # 100 a second, one second's worth at once
    assert quota.reserve(0, Cost(60, 40)) == 0
    assert quota.reserve(0, Cost(30, 20)) == pytest.approx(0.5)
    assert quota.reserve(0.5, Cost(30, 20)) == 0


def test_a_request_larger_than_the_bucket_is_let_in_when_it_is_full_and_paid_afterwards() -> None:
    quota = Quota(QuotaPolicy(tokens=6000), 0)
    assert quota.reserve(0, Cost(900, 100)) == 0
    assert quota.reserve(0, Cost(0, 1)) == pytest.approx(9.01)


def test_requests_input_and_output_are_counted_apart() -> None:
    quota = Quota(QuotaPolicy(requests=180, input_tokens=60_000, output_tokens=600), 0)
    assert quota.reserve(0, Cost(100, 5)) == 0
    assert quota.reserve(0, Cost(100, 10)) == pytest.approx(0.5), "output is the scarcest here"
    assert quota.reserve(0, Cost(100, 0)) == 0
    assert quota.reserve(0, Cost(900, 0)) == pytest.approx(0.1), "now input is"


def test_what_was_not_used_goes_back() -> None:
    quota = Quota(QuotaPolicy(tokens=6000), 0)
    quota.reserve(0, Cost(50, 50))
    quota.settle(Cost(50, 50), Cost(50, 10))
    assert quota.reserve(0, Cost(30, 10)) == 0
    quota.refund(Cost(30, 10))
    assert quota.reserve(0, Cost(30, 10)) == 0


def test_a_provider_that_charges_max_tokens_gives_nothing_back() -> None:
    quota = Quota(QuotaPolicy(tokens=6000, charges_max_tokens=True), 0)
    quota.reserve(0, Cost(50, 50))
    quota.settle(Cost(50, 50), Cost(50, 10))
    assert quota.reserve(0, Cost(30, 10)) > 0


def test_a_429_pauses_for_as_long_as_the_provider_says() -> None:
    quota = Quota(QuotaPolicy(), 0)
    assert quota.pause(0, Limits(retry_after_s=3), 0) == 3
    assert quota.reserve(1, Cost(1, 1)) == pytest.approx(2)
    assert quota.reserve(3, Cost(1, 1)) == 0
    empty = Limits(requests=Window(10, 5, 60), tokens=Window(1000, 0, 12))
    assert quota.pause(10, empty, 10) == 12, "without retry-after, the time of refill of what is empty"
    assert quota.pause(100, Limits(retry_after_s=86_400), 100) == QuotaPolicy().max_pause_s


def test_a_limit_that_the_provider_changes_is_followed() -> None:
    quota = Quota(QuotaPolicy(tokens=6000), 0)
    quota.observe(1, Limits(tokens=Window(60_000, 45_000)), 0.5)
    quota.reserve(1, Cost(100, 0))
    assert quota.reserve(2, Cost(900, 0)) == 0, "ten times the quota is known"


@given(
    st.integers(60, 100_000),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3000), st.integers(0, 500)), min_size=1, max_size=60),
)
def test_never_more_is_let_in_than_came_in_with_the_time(limit: int, calls: list[tuple[float, int, int]]) -> None:
    quota, now, admitted = Quota(QuotaPolicy(tokens=limit), 0.0), 0.0, 0
    for seconds, input_tokens, output_tokens in calls:
        now += seconds
        before = admitted
        if quota.reserve(now, Cost(input_tokens, output_tokens)) == 0:
            admitted += input_tokens + output_tokens
            burst = max(1.0, limit / 60)
            assert before <= limit / 60 * now + burst + 1e-6


@given(st.integers(1, 3000), st.floats(0, 100))
def test_who_waits_as_long_as_told_is_let_in(tokens: int, spent_s: float) -> None:
    quota = Quota(QuotaPolicy(tokens=6000), 0)
    quota.reserve(0, Cost(round(spent_s * 100), 0))
    if wait_s := quota.reserve(0, Cost(tokens, 0)):
        assert quota.reserve(wait_s + 1e-6, Cost(tokens, 0)) == 0


def test_a_worker_that_idled_while_others_took_everything_gets_going(run: Run) -> None:
    async def main() -> None:
        campaign = Campaign(4, fleet=True)
        await campaign.go_on(5)
        idle = Gateway(
            {"openai": Account(campaign.provider, tokens_per_minute=TOKENS_A_MINUTE, charges_max_tokens=True)},
            clock=campaign.loop.time,
            fleet=campaign.fleet.worker(),
        )
        await idle.complete(question(TIER, text="first", tokens=100))
        await campaign.go_on(10)
        began = campaign.loop.time()
        await idle.complete(question(TIER, text="second", tokens=100))
        assert campaign.loop.time() - began < 5
        await idle.close()
        await campaign.close()

    run(main())


def test_no_share_at_all_is_a_long_wait_and_no_crash() -> None:
    quota = Quota(QuotaPolicy(tokens=6000), 0, share=0.0)
    assert quota.reserve(0, Cost(900, 100)) < 600


# ---- against the simulator's meter, in virtual time

TOKENS_A_MINUTE = 2_000_000
TIER = Tier("small", "openai", "gpt-4.1-mini", 300)


class Campaign:
    """Workers under twice the load that the quota allows; `used` is what was charged of what was allowed."""

    def __init__(
        self, workers: int, wire: str = "openai", *, fleet: bool, configured: int = 0, latency_s: float = 0.3
    ) -> None:
        self.loop = asyncio.get_running_loop()
        limits = {"openai": vendor.Limits(requests=100_000, tokens=TOKENS_A_MINUTE, burst_s=5)}
        limits["anthropic"] = vendor.Limits(
            requests=100_000, input_tokens=TOKENS_A_MINUTE, output_tokens=TOKENS_A_MINUTE, burst_s=5
        )
        self.whole = limits[wire]
        self.provider = MeteredProvider(self.whole, latency_s)
        self.fleet = FleetInMemory()
        self.draw = random.Random(3)
        self.allowed = 0.0
        self.tasks: set[asyncio.Task[Any]] = set()
        self.configured = configured
        self.account = Account(
            self.provider,
            wire,
            requests_per_minute=100_000,
            tokens_per_minute=self.whole.tokens,
            input_tokens_per_minute=self.whole.input_tokens,
            output_tokens_per_minute=self.whole.output_tokens,
            charges_max_tokens=wire == "openai",
        )
        self.workers = list[Gateway]()
        for _ in range(workers):
            self.add_worker(alone=not fleet)

    def add_worker(self, *, alone: bool = False) -> None:
        fleet = None if alone else self.fleet.worker()
        self.workers.append(
            Gateway({"openai": self.account}, clock=self.loop.time, fleet=fleet, workers=self.configured)
        )

    async def go_on(self, seconds: float, *, quota: float = 1.0) -> None:
        w = self.whole
        self.provider.limits = vendor.Limits(
            w.requests, int(w.tokens * quota), int(w.input_tokens * quota), int(w.output_tokens * quota), 5
        )
        self.allowed += TOKENS_A_MINUTE * quota / 60 * seconds
        ends = self.loop.time() + seconds
        while self.loop.time() < ends:
            if len(self.tasks) < 40 * len(self.workers):
                for _ in range(5):
                    task = asyncio.create_task(self.one())
                    self.tasks.add(task)
                    task.add_done_callback(self.tasks.discard)
            await asyncio.sleep(0.05)

    async def one(self) -> None:
        worker = self.workers[min(int(self.draw.paretovariate(0.6)), len(self.workers)) - 1]
        characters = self.draw.randint(800, 6000)
        estimate = int(characters / 4 * self.draw.uniform(0.9, 1.1))
        tenant = f"tenant-{min(9, int(self.draw.paretovariate(1)))}"
        await worker.complete(question(TIER, text="x" * characters, tokens=estimate, tenant=tenant))

    async def close(self) -> tuple[float, float]:
        """What was used of what was allowed, and the 429s' share of requests."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for worker in self.workers:
            await worker.close()
        return self.provider.tokens / self.allowed, self.provider.refused / self.provider.requests


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_fleet_uses_the_whole_quota_while_it_is_halved_and_restored(run: Run, wire: str) -> None:
    async def main() -> None:
        campaign = Campaign(16, wire, fleet=True)
        await campaign.go_on(20)
        await campaign.go_on(20, quota=0.5)
        await campaign.go_on(20)
        used, refused = await campaign.close()
        assert used > 0.98
        assert refused < 0.001

    run(main())


def test_a_fleet_that_loses_its_store_keeps_using_the_whole_quota(run: Run) -> None:
    async def main() -> None:
        campaign = Campaign(16, fleet=True)
        await campaign.go_on(20)
        campaign.fleet.away = True
        await campaign.go_on(40)
        assert {str(worker.status().sharing) for worker in campaign.workers} == {"away"}
        used, refused = await campaign.close()
        assert used > 0.95
        assert refused < 0.001

    run(main())


def test_a_store_that_answers_nonsense_costs_no_worker_its_share(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        campaign = Campaign(2, fleet=True)
        await campaign.go_on(10)
        campaign.fleet.garbled = True
        await campaign.go_on(10)
        assert {str(worker.status().sharing) for worker in campaign.workers} == {"away"}
        assert caplog.text.count("keeps its share") == 2, "said once by each worker"
        campaign.fleet.garbled = False
        await campaign.go_on(10)
        assert {str(worker.status().sharing) for worker in campaign.workers} == {"shared"}, "nobody asks any more"
        used, _ = await campaign.close()
        assert used > 0.95

    run(main())


def test_a_worker_ends_though_the_stores_client_swallows_its_cancellation(run: Run) -> None:
    class Swallowing(FleetWorker):
        async def shares(self, demands: Mapping[str, float]) -> Mapping[str, float]:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                raise FleetAwayError("away") from None
            return dict.fromkeys(demands, 1.0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        account = Account(ScriptedProvider(always=says()), requests_per_minute=600)
        worker = Gateway({"openai": account}, clock=loop.time, fleet=Swallowing(FleetInMemory()))
        await worker.complete(question())
        await asyncio.sleep(1)
        began = loop.time()
        async with asyncio.timeout(30):
            await worker.close()
        assert loop.time() - began < 3

    run(main())


def test_workers_share_a_quota_only_with_those_who_have_the_same_key(run: Run) -> None:
    async def main() -> None:
        fleet, loop = FleetInMemory(), asyncio.get_running_loop()
        workers = []
        for key in ("a", "a", "b"):
            account = Account(ScriptedProvider(always=says()), key_digest=key, requests_per_minute=60)
            workers.append(Gateway({"openai": account}, clock=loop.time, fleet=fleet.worker()))
        for worker in workers:
            await worker.complete(question())
        await asyncio.sleep(2)
        assert sorted(len(demands) for demands in fleet.demands.values()) == [1, 2]
        for worker in workers:
            await worker.close()

    run(main())


def test_workers_that_know_nothing_of_each_other_learn_from_the_headers(run: Run) -> None:
    async def main() -> None:
        campaign = Campaign(4, fleet=False)
        await campaign.go_on(90)
        used, refused = await campaign.close()
        assert used > 0.95
        assert refused < 0.02

    run(main())


# ---- what a worker takes while it cannot ask the others


def test_a_worker_alone_takes_more_while_calls_wait_and_plenty_is_left_and_gives_it_back_when_refused() -> None:
    share = Share(4)
    share.alone(wanting=False, left=1.0, refused=0)
    assert share.held == 0.25, "nobody waits"
    share.alone(wanting=True, left=0.8, refused=0)
    assert share.held == 0.25, "others use theirs"
    for _ in range(100):
        share.alone(wanting=True, left=0.95, refused=0)
    assert share.held == 1.0
    share.alone(wanting=True, left=0.95, refused=3)
    assert share.held == 0.5
    for refused in (4, 5, 6):
        share.alone(wanting=True, left=0.0, refused=refused)
    assert share.held == 0.25, "never less than what is fair"
    share.agreed(0.1)
    assert share.held == 0.1, "the fleet's word counts as soon as it is back"


def test_where_the_provider_reports_nothing_only_who_does_not_know_its_part_takes_more() -> None:
    unknown, configured, agreed = Share(), Share(4), Share()
    agreed.agreed(0.1)
    for share in (unknown, configured, agreed):
        for _ in range(100):
            share.alone(wanting=True, left=None, refused=0)
    assert (unknown.held, configured.held, agreed.held) == (1.0, 0.25, 0.1)


@pytest.mark.parametrize("configured", [0, 4])
def test_workers_that_start_without_the_store_use_the_whole_quota_and_join_when_it_is_back(
    run: Run, configured: int
) -> None:
    async def main() -> None:
        campaign = Campaign(4, fleet=True, configured=configured)
        campaign.fleet.away = True
        await campaign.go_on(30)
        began = campaign.provider.tokens
        await campaign.go_on(30)
        used = (campaign.provider.tokens - began) / (TOKENS_A_MINUTE / 2)
        assert used > 0.95
        campaign.fleet.away = False
        await campaign.go_on(10)
        assert {str(worker.status().sharing) for worker in campaign.workers} == {"shared"}
        (demands,) = campaign.fleet.demands.values()
        assert len(demands) == 4, "somebody has not joined"
        _, refused = await campaign.close()
        assert refused < 0.01

    run(main())


def test_a_worker_that_starts_beside_a_busy_fleet_without_the_store_takes_its_part_and_costs_no_429(run: Run) -> None:
    async def main() -> None:
        campaign = Campaign(4, fleet=True, configured=4)
        await campaign.go_on(10)
        campaign.fleet.away = True
        campaign.add_worker()
        await campaign.go_on(40)
        newcomer = campaign.workers[-1].status().routes[0]
        assert newcomer.calls > 0.1 * sum(worker.status().routes[0].calls for worker in campaign.workers)
        used, refused = await campaign.close()
        assert used > 0.95
        assert refused < 0.001

    run(main())


# ---- what answers that come late tell


def test_an_older_calls_headers_do_not_undo_what_a_newer_one_told() -> None:
    quota = Quota(QuotaPolicy(tokens=6000), 0)
    quota.observe(10, Limits(tokens=Window(600, 450)), 9)
    quota.observe(11, Limits(tokens=Window(6000, 4500)), 2)
    quota.reserve(11, Cost(10, 0))
    assert quota.reserve(11, Cost(10, 0)) == pytest.approx(1), "ten a second, as the newer call was told"


def test_a_429_after_a_cut_stops_what_was_saved_up_but_is_no_lesson() -> None:
    cut = Limits(tokens=Window(3000, 0), retry_after_s=0.1)
    quotas = [Quota(QuotaPolicy(tokens=6000), 0), Quota(QuotaPolicy(tokens=3000), 0)]
    for quota in quotas:
        quota.observe(5, cut, 4.9)
        quota.pause(5, cut, 4.9)
        assert quota.reserve(5.1, Cost(50, 0)) > 0, "what was saved up before went at once"
        assert quota.reserve(20, Cost(3000, 0)) == 0
    before_the_cut, under_it = (quota.reserve(20, Cost(1, 0)) for quota in quotas)
    assert before_the_cut < under_it, "who asked under the old limit was told that it asks too much"


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_cut_that_answers_tell_of_only_seconds_later_costs_few_429s(run: Run, wire: str) -> None:
    async def main() -> None:
        campaign = Campaign(16, wire, fleet=True, latency_s=3.0)
        await campaign.go_on(20)
        await campaign.go_on(20, quota=0.5)
        used, refused = await campaign.close()
        assert used > 0.9, "what is on its way at the end is not in it"
        assert refused < 0.001

    run(main())
