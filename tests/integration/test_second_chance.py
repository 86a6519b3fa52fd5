"""Dead letters that are sent again by themselves: each once, whoever is killed, and none over what is newer."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pipeline import catalogue
from pipeline.deadletters import story
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.history import EVENT_ID
from pipeline.deadletters.index import Entry
from pipeline.serde import TopicCodecs
from pipeline.settings import Settings
from pipeline.stream.publisher import Publisher
from pipeline.stream.reader import read
from pipeline.stream.record import Output
from tests.integration.job import Job, end

INPUT, ENRICHED = "support.tickets.v1", "support.tickets.enriched.v1"
ROOT = Path(__file__).parents[2]
KIM = Actor("kim", frozenset(Role))
_PATIENCE_S = 90
"""What has not come after so long does not come."""


@dataclass
class Case:
    """One catalogue whose tickets get a second chance, on the shared stack."""

    settings: Settings
    job: Job
    desk: Desk
    folder: Path
    run: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        worker = self.job.worker("tickets", log=self.folder / "worker.log")
        self.workers.append(worker)
        try:
            yield worker
        finally:
            if worker.poll() is None:
                assert end(worker) == 0, (self.folder / "worker.log").read_text()[-2000:]

    def publish(self, tickets: Sequence[str], version: int = 1) -> None:
        codec = TopicCodecs(catalogue.load(self.settings.catalogue), self.settings.registry).codec(INPUT)
        with Publisher(self.settings.kafka.client()) as publisher:
            for ticket in tickets:
                event = f"{self.run}-{ticket}-{version}".encode()
                body = {"ticket_id": f"{self.run}-{ticket}", "tenant_id": "acme", "body": f"Lamp {version} broke."}
                publisher.send(Output(INPUT, f"{self.run}-{ticket}".encode(), codec.encode(body), ((EVENT_ID, event),)))

    def letters(self, tickets: Sequence[str], version: int = 1) -> list[Entry]:
        self.desk.catch_up()
        return list(self.desk.letters(Filter(ids=[f"{self.run}-{ticket}-{version}" for ticket in tickets])))

    def statuses(self, tickets: Sequence[str], version: int = 1) -> Counter[Status]:
        return Counter(entry.status for entry in self.letters(tickets, version))

    def events(self, topic: str) -> Counter[str]:
        """How often each event of this run stands there, by ticket and version."""
        return Counter(self.stands(topic))

    def stands(self, topic: str) -> list[str]:
        """The events of this run as they stand there; those of one key are in order."""
        found = []
        for record in read(self.settings.kafka.client(), [topic]):
            event = (next((value for name, value in record.headers if name == EVENT_ID), None) or b"").decode()
            if event.startswith(self.run):
                found.append(event.removeprefix(f"{self.run}-"))
        return found

    def until(self, reached: Callable[[], bool]) -> None:
        """Looks again and again; each look asks Kafka."""
        limit = time.monotonic() + _PATIENCE_S
        while not reached():
            assert not any(worker.poll() for worker in self.workers), (self.folder / "worker.log").read_text()[-2000:]
            assert time.monotonic() < limit, (self.folder / "worker.log").read_text()[-2000:]


@pytest.fixture
def case(job: Job, settings: Settings, tmp_path: Path) -> Callable[[Sequence[str]], Case]:
    """Makes one with these delays."""

    def make(delays: Sequence[str]) -> Case:
        for folder in ("topics", "schemas"):
            shutil.copytree(ROOT / folder, tmp_path / folder)
        shutil.copytree(ROOT / "pipeline" / "enrichments", tmp_path / "enrichments")
        _allow(tmp_path / "topics")
        told = tmp_path / "enrichments" / "tickets" / "enrichment.yaml"
        chance = f"second_chance: {{ causes: [answer_invalid], delays: [{', '.join(delays)}] }}\n"
        told.write_text(told.read_text() + chance)
        places = {name: str(tmp_path / name) for name in ("topics", "schemas", "enrichments")}
        index = tmp_path / "index"
        own = settings.model_copy(
            update={
                "catalogue": settings.catalogue.model_copy(update=places),
                "dead_letters": settings.dead_letters.model_copy(update={"index": str(index)}),
            }
        )
        environment = {f"PIPELINE_CATALOGUE__{name.upper()}": place for name, place in places.items()}
        whole = {**job.environment, **environment, "PIPELINE_DEAD_LETTERS__INDEX": str(index)}
        desk = Desk.open(own, catalogue.load(own.catalogue))
        return Case(own, Job(whole), desk, tmp_path, uuid.uuid4().hex[:8])

    return make


def test_what_time_heals_is_enriched_once_by_itself_with_two_workers(case: Callable[[Sequence[str]], Case]) -> None:
    many = case(["1s", "2s", "2s"])
    tickets = [f"T{number}" for number in range(30)]
    with many.worker(), many.worker():
        with _fault(many.settings):
            many.publish(tickets)
            many.until(lambda: len(many.letters(tickets)) >= len(tickets))
            assert {entry.status for entry in many.letters(tickets)} <= {
                Status.WAITING,
                Status.REPLAYING,
                Status.DEAD_AGAIN,
            }
            assert many.desk.plan(KIM, Filter(ids=[f"{many.run}-T0-1"])).due == ()
        many.until(lambda: sum(many.events(ENRICHED).values()) >= len(tickets))
    assert many.events(ENRICHED) == {f"{ticket}-1": 1 for ticket in tickets}
    entries = many.letters(tickets)
    assert Counter(entry.event_id for entry in entries if entry.status is Status.REPLAYED) == dict.fromkeys(
        {entry.event_id for entry in entries}, 1
    )
    assert {entry.status for entry in entries} <= {Status.REPLAYED, Status.DEAD_AGAIN}
    # Each stands in the input once more for each of its deaths.
    died = Counter(entry.event_id.removeprefix(f"{many.run}-") for entry in entries)
    assert many.events(INPUT) == {event: 1 + count for event, count in died.items()}


def test_two_of_one_key_that_died_come_out_in_order(case: Callable[[Sequence[str]], Case]) -> None:
    """The second one's output has the larger offset also where the first one was sent again behind it."""
    both = case(["15s"])
    tickets = [f"T{number}" for number in range(5)]
    with both.worker():
        with _fault(both.settings):
            both.publish(tickets)
            both.publish(tickets, version=2)
            both.until(lambda: len(both.letters(tickets)) + len(both.letters(tickets, 2)) >= 2 * len(tickets))
        both.until(lambda: both.statuses(tickets, 2) == {Status.REPLAYED: len(tickets)})
    assert both.statuses(tickets) == {Status.REPLAYED: len(tickets)}
    for ticket in tickets:
        stood = [event for event in both.stands(ENRICHED) if event.startswith(f"{ticket}-")]
        assert stood == [f"{ticket}-1", f"{ticket}-2"]


def test_after_the_last_try_it_waits_for_a_person_and_says_what_was_tried(
    case: Callable[[Sequence[str]], Case],
) -> None:
    one = case(["1s", "1s"])
    with one.worker():
        with _fault(one.settings):
            one.publish(["T"])
            one.until(lambda: one.statuses(["T"])[Status.OPEN] == 1)
        assert one.statuses(["T"]) == {Status.DEAD_AGAIN: 2, Status.OPEN: 1}
        told = [text for _, text in story.lines(one.desk.story(f"{one.run}-T-1"))]
        for number in (1, 2):
            tried = f"by second chance, because: try {number} of 2 after answer_invalid"
            assert len([text for text in told if text.endswith(tried)]) == 1
        assert one.events(INPUT) == {"T-1": 3}
        plan = one.desk.plan(KIM, Filter(ids=[f"{one.run}-T-1"]))
        report = one.desk.replay(KIM, plan, "of a test", wait=True)
    assert report.outcomes == {Status.REPLAYED: 1}
    assert one.events(ENRICHED) == {"T-1": 1}


def test_a_newer_record_of_its_entity_overtakes_it(case: Callable[[Sequence[str]], Case]) -> None:
    late = case(["15s"])
    with late.worker():
        with _fault(late.settings):
            late.publish(["T", "U"])
            late.until(lambda: late.statuses(["T", "U"])[Status.WAITING] == 2)
            assert late.desk.stats(Filter(statuses=[Status.WAITING])).next_try_at is not None
        late.publish(["T"], version=2)
        late.until(lambda: late.events(ENRICHED) == {"T-2": 1})
    # Another worker, that did not enrich the newer one.
    with late.worker():
        late.until(lambda: not {Status.WAITING, Status.REPLAYING} & late.statuses(["T", "U"]).keys())
    assert late.statuses(["T"]) == {Status.OVERTAKEN: 1}
    assert late.statuses(["U"]) == {Status.REPLAYED: 1}
    assert late.events(ENRICHED) == {"T-2": 1, "U-1": 1}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_at_the_commit_leaves_each_sent_once(
    case: Callable[[Sequence[str]], Case], moment: str
) -> None:
    """Killed with SIGKILL right before or after the commit of the transaction that sends them again."""
    killed = case(["2s"])
    tickets = [f"T{number}" for number in range(12)]
    log = (killed.folder / "worker.log").open("ab")
    doomed = subprocess.Popen(
        [sys.executable, "-c", _KILLED, moment], env=killed.job.environment, stdout=log, stderr=log
    )
    try:
        with _fault(killed.settings):
            killed.publish(tickets)
            killed.until(lambda: sum(killed.statuses(tickets).values()) == len(tickets))
        assert doomed.wait(_PATIENCE_S) == -signal.SIGKILL
    finally:
        doomed.kill()
        doomed.wait()
        log.close()
    with killed.worker():
        killed.until(lambda: sum(killed.events(ENRICHED).values()) >= len(tickets))
        killed.until(lambda: killed.statuses(tickets) == {Status.REPLAYED: len(tickets)})
    assert killed.events(ENRICHED) == {f"{ticket}-1": 1 for ticket in tickets}
    assert killed.events(INPUT) == {f"{ticket}-1": 2 for ticket in tickets}


_KILLED = """
import os, signal, sys
from pipeline.stream import kafka
class Doomed(kafka.Producer):
    def __init__(self, settings, **others):
        self.doomed = ".second-chance." in settings.get("transactional.id", "")
        self.produced = 0
        super().__init__(settings, **others)
    def produce(self, *arguments, **others):
        self.produced += 1
        super().produce(*arguments, **others)
    def commit_transaction(self, *timeout):
        if not self.doomed or not self.produced:
            return super().commit_transaction(*timeout)
        self.flush()
        if sys.argv[1] == "after":
            super().commit_transaction(*timeout)
        os.kill(os.getpid(), signal.SIGKILL)
kafka.Producer = Doomed
from pipeline.cli.main import main
main(["run", "tickets"])
"""


def _allow(topics: Path) -> None:
    """What a second chance takes, in the topics' files."""
    for topic, role in (
        ("enrichment.dead-letter-status.v1", "producers"),
        ("enrichment.dead-letter-status.v1", "consumers"),
        (INPUT, "producers"),
        (f"{INPUT}.dead-letters", "consumers"),
        (ENRICHED, "consumers"),
    ):
        file = topics / f"{topic}.yaml"
        file.write_text(file.read_text().replace(f"{role}: [", f"{role}: [enrichment-tickets, "))


@contextmanager
def _fault(settings: Settings) -> Iterator[None]:
    """No answer of either provider fits the schema."""
    address = settings.providers["openai"].base_url.removesuffix("/openai/v1") + "/control"

    def change(faults: dict[str, float] | None) -> None:
        body = json.dumps({wire: {"faults": faults} for wire in ("openai", "anthropic")}).encode()
        urllib.request.urlopen(urllib.request.Request(address, body), timeout=10).close()

    change({"schema_violation": 1.0})
    try:
        yield
    finally:
        change(None)
