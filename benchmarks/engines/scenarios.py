"""What is done to the engines: nothing, kills, an outage of the provider, a quota too small for three workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.engines import ideal
from benchmarks.engines.peers import Peer, Progress
from benchmarks.engines.stage import Stage
from benchmarks.engines.tickets import Ticket, mean_latency, tickets
from benchmarks.engines.trial import Findings, Plan, Trial, run

Row = dict[str, object]
MOST_S = 40.0
"""A peer that cannot have as many calls in flight as the others gets as many tickets as it can answer in this time."""
KILL_EVERY_S = 10.0
KILLS = 4
KILLS_S = 50.0
"""How long the calls of the kill scenario take at best: all kills are in it."""
QUOTA_SHARE = 0.5
"""Of what the workers together could call for."""
AT_MOST: Mapping[str, int] = {"kills": 64, "outage": 64, "quota": 96}
"""Calls in flight where a scenario needs time for what it does; elsewhere as many as asked for."""
ONCE = frozenset(AT_MOST)
"""Scenarios that are run at the first latency and the last number of partitions only."""


@dataclass(frozen=True)
class Setting:
    """One cell of the comparison."""

    tickets: int
    p50_ms: int
    partitions: int
    concurrency: int
    outage_s: float = 60.0

    @property
    def mean_s(self) -> float:
        """Of the latency."""
        return mean_latency(self.p50_ms / 1000)

    def count(self, peer: Peer, seconds: float = MOST_S) -> int:
        """Tickets for this peer."""
        return min(self.tickets, int(seconds * peer.places(self.concurrency, self.partitions) / self.mean_s))


Play = Callable[[Stage, Peer, Sequence[str], Setting, Progress], Row]


def throughput(stage: Stage, peer: Peer, command: Sequence[str], at: Setting, tell: Progress) -> Row:
    """A backlog is worked off."""
    return _backlog(stage, peer, command, at, tell, 0)


def slow_keys(stage: Stage, peer: Peer, command: Sequence[str], at: Setting, tell: Progress) -> Row:
    """The same, with one key in 200 taking 30 s."""
    return _backlog(stage, peer, command, at, tell, 200)


def _backlog(stage: Stage, peer: Peer, command: Sequence[str], at: Setting, tell: Progress, slow: int) -> Row:
    everything = tickets(at.tickets, at.p50_ms / 1000, at.concurrency, slow_keys=slow)
    made = everything[: at.count(peer)]
    found = run(stage, peer, command, Plan(made, at.partitions, at.concurrency), tell)
    # Of all tickets, also where a peer gets few: so few would be over before the calls in flight are.
    best = ideal.rate(_ideal(everything, at))
    return {
        **_row(found),
        "ideal_per_second": best,
        "of_ideal": found.rate / best,
        "of_ideal_from_start_to_end": max(_ideal(made, at)) / found.seconds if found.seconds else 0.0,
    }


def _ideal(made: Sequence[Ticket], at: Setting) -> list[float]:
    return ideal.answers([one.latency_s for one in made if one.well_formed], at.concurrency)


def kills(stage: Stage, peer: Peer, command: Sequence[str], at: Setting, tell: Progress) -> Row:
    """Two workers; every 10 s one of their processes is killed and another started in its place, four times."""
    made = tickets(at.count(peer, KILLS_S), at.p50_ms / 1000, at.concurrency)

    def play(trial: Trial) -> None:
        first = 0.0
        while trial.look():
            first, done = first or (trial.now_s if trial.visible else 0.0), trial.workers.kills
            if first and done < KILLS and trial.now_s >= first + (done + 1) * KILL_EVERY_S:
                trial.workers.kill(done % (2 * peer.processes(at.partitions)))

    found = run(stage, peer, command, Plan(made, at.partitions, at.concurrency // 2, 2, limit_s=300.0), tell, play)
    return {**_row(found), "calls_repeated": found.provider["calls"] - found.provider["tickets"]}


def outage(stage: Stage, peer: Peer, command: Sequence[str], at: Setting, tell: Progress) -> Row:
    """After a tenth of the tickets, the provider answers everything with 503 for a minute."""
    made = tickets(at.count(peer), at.p50_ms / 1000, at.concurrency)
    moments: dict[str, float] = {}

    def play(trial: Trial) -> None:
        while trial.look():
            if "out" not in moments and trial.visible >= ideal.FIRST * len(made):
                moments["out"] = trial.now_s
                trial.stage.provider({"out": True})
            if "out" in moments and "back" not in moments and trial.now_s >= moments["out"] + at.outage_s:
                moments.update(back=trial.now_s, waiting=len(made) - trial.visible)
                trial.stage.provider({"out": False})

    found = run(stage, peer, command, Plan(made, at.partitions, at.concurrency, limit_s=at.outage_s + 120), tell, play)
    waiting, back = moments.get("waiting", 0.0), moments.get("back", found.seconds)
    return {
        **_row(found),
        "calls_during_the_outage": found.provider["met_outage"],
        "waiting_at_its_end": waiting,
        "drained_after_s": max(0.0, found.seconds - back),
        "ideal_drain_s": waiting * at.mean_s / at.concurrency,
    }


def quota(stage: Stage, peer: Peer, command: Sequence[str], at: Setting, tell: Progress) -> Row:
    """Three workers that share a quota of half of what they could call for."""
    each = at.concurrency // 3
    allowed = round(QUOTA_SHARE * 3 * each / at.mean_s * 60)
    made = tickets(min(at.count(peer), round(allowed / 60 * MOST_S)), at.p50_ms / 1000, at.concurrency)
    found = run(stage, peer, command, Plan(made, at.partitions, each, 3, allowed), tell)
    asked = found.provider["calls"] + found.provider["refused"]
    return {
        **_row(found),
        "requests_per_minute": allowed,
        "quota_used": found.rate / (allowed / 60),
        "refused_429": found.provider["refused"],
        "refused_share": found.provider["refused"] / max(1.0, asked),
    }


SCENARIOS: Mapping[str, Play] = {
    "throughput": throughput,
    "slow_keys": slow_keys,
    "kills": kills,
    "outage": outage,
    "quota": quota,
}


def _row(found: Findings) -> Row:
    return {
        "tickets": found.tickets,
        "visible": found.visible,
        "seconds": found.seconds,
        "per_second": found.rate,
        "cpu_s_per_1000": found.cpu_s_per_1000,
        "peak_rss_mb": found.peak_mb,
        "added_ms_p50": found.added_ms[0],
        "added_ms_p99": found.added_ms[1],
        **asdict(found.verdict),
        "not_in_time": found.not_in_time,
        "kills": found.kills,
        "ended_unasked": found.ended,
        "machine_idle": found.machine_idle,
        "provider": found.provider,
    }
