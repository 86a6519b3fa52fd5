"""An operator's desk on a real cluster: seen, mended, closed, sent again, carried away, all of it audited."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pipeline import catalogue
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.canary import CanaryPolicy, Verdict
from pipeline.deadletters.changes import mapping, setting
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Entry
from pipeline.errors import NotAllowedError, UsageError
from pipeline.jsontext import to_json
from pipeline.settings import Settings
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Output
from tests.integration.job import Job, end

INPUT, ENRICHED = "support.tickets.v1", "support.tickets.enriched.v1"
SECRET = "jo.doe@example.com"
KIM = Actor("kim", frozenset(Role))
ALL_AT_ONCE = CanaryPolicy(0, 0, 0)


@dataclass
class Cases:
    """Dead letters by what the tests do with them, all of one run of a worker. Keys are ticket ids."""

    desk: Desk
    job: Job
    run: str

    def name(self, case: str) -> str:
        return f"{self.run}-{case}"

    def letters(self, case: str) -> Sequence[Entry]:
        """Of all events of the case, by time of death."""
        return self.desk.letters(Filter(ids=[self.name(case)]))

    def one(self, case: str) -> Entry:
        return self.letters(case)[-1]

    def replay(self, *cases: str) -> None:
        """Sent again, and a worker run until nothing is left."""
        plan = self.desk.plan(KIM, Filter(ids=[self.name(case) for case in cases]), force=True)
        assert len(plan.due) == len(cases)
        self.desk.replay(KIM, plan, "of a test", canary=ALL_AT_ONCE, force=True)
        self.job.command("run", "tickets", "--until-idle", "1")
        self.desk.catch_up()


def _json(ticket_id: str) -> bytes:
    """What publishers send who did not read which format the topic has."""
    return json.dumps({"ticket_id": ticket_id, "tenant_id": "acme", "body": f"It broke. {SECRET}"}).encode()


@pytest.fixture(scope="module")
def cases(job: Job, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    run = uuid.uuid4().hex[:8]
    names = ["mended", "mapped-1", "mapped-2", "resolved", "overtaken", "carried", "story", "guarded"]
    with Publisher(settings.kafka.client()) as publisher:
        for name in [*names, *(f"canary-{number}" for number in range(8))]:
            ticket = f"{run}-{name}"
            publisher.send(Output(INPUT, ticket.encode(), _json(ticket), (("event-id", ticket.encode()),)))
    # After it in the same partition: the same key.
    job.publish(INPUT, [{"ticket_id": f"{run}-overtaken", "tenant_id": "acme", "body": "Newer."}])
    job.command("run", "tickets", "--until-idle", "1")
    section = settings.dead_letters.model_copy(update={"index": str(tmp_path_factory.mktemp("index"))})
    desk = Desk.open(settings.model_copy(update={"dead_letters": section}), catalogue.load(settings.catalogue))
    desk.catch_up()
    yield Cases(desk, job, run)


def test_a_mended_record_is_enriched_its_original_stays_and_the_diff_is_shown(cases: Cases) -> None:
    desk, name = cases.desk, cases.name("mended")
    opened = desk.open_value(KIM, desk.story(name))
    written = json.loads(opened.text)
    with pytest.raises(UsageError, match="tickets does not take it: body: "):
        desk.edit(KIM, opened, json.dumps({**written, "body": 12}), "")
    with pytest.raises(UsageError, match="not JSON"):
        desk.edit(KIM, opened, "{", "")
    mended = desk.edit(KIM, opened, json.dumps({**written, "subject": "Lamp"}), "they forgot the format")
    assert mended.fields == ("channel", "subject") or "subject" in mended.fields
    desk.catch_up()
    cases.replay("mended")
    (entry,) = cases.letters("mended")
    assert entry.status is Status.REPLAYED
    story = desk.story(name)
    revealed = desk.reveal(KIM, story)
    assert json.loads(revealed.original.text) == json.loads(_json(name))
    assert '+  "subject": "Lamp"' in revealed.diffs[0]
    (out,) = cases.job.values(ENRICHED, name)
    assert out["event_id"] == name
    desk.catch_up()
    done = [(one.action, one.result) for one in desk.story(name).operations]
    assert done == [("reveal", "done"), ("edit", "done"), ("reveal", "done")]
    refused = [one for one in desk.operations() if (one.action, one.result) == ("edit", "refused")]
    assert [one.detail for one in refused[-2:]] == [f"of {entry.id}"] * 2


def test_many_are_mended_by_one_expression_or_none_is(cases: Cases) -> None:
    desk = cases.desk
    wanted = Filter(ids=[cases.name("mapped-1"), cases.name("mapped-2")])
    with pytest.raises(UsageError, match="does not take it"):
        desk.change(KIM, wanted, lambda schema: [mapping("body=null", schema)], "")
    assert not any(desk.story(one.id).edits for one in desk.letters(wanted))
    mended = desk.change(
        KIM,
        wanted,
        lambda schema: [setting("subject=Lamp", schema), mapping("body=upper(body)", schema)],
        "shout",
    )
    assert len(mended) == 2
    desk.catch_up()
    (edit,) = desk.story(cases.name("mapped-1")).edits
    assert {"body", "subject"} <= set(edit.fields)
    cases.replay("mapped-1", "mapped-2")
    assert Counter(one.status for one in desk.letters(wanted)) == {Status.REPLAYED: 2}


def test_closing_needs_a_why_and_what_is_closed_is_never_sent(cases: Cases) -> None:
    desk, wanted = cases.desk, Filter(ids=[cases.name("resolved")])
    with pytest.raises(UsageError, match="--why"):
        desk.resolve(KIM, wanted, " ")
    assert len(desk.resolve(KIM, wanted, "a test of theirs")) == 1
    desk.catch_up()
    assert cases.one("resolved").status is Status.RESOLVED
    plan = desk.plan(KIM, wanted)
    assert (len(plan.due), plan.not_open) == (0, 1)
    assert desk.story(cases.name("resolved")).operations[-1].why == "a test of theirs"


def test_what_a_newer_record_of_its_entity_overtook_stays_unless_it_is_forced(cases: Cases) -> None:
    wanted = Filter(ids=[cases.name("overtaken")])
    plan = cases.desk.plan(KIM, wanted)
    assert ([one.event_id for one in plan.overtaken], plan.due) == ([cases.name("overtaken")], ())
    assert len(cases.desk.plan(KIM, wanted, force=True).due) == 1
    alone = cases.desk.plan(KIM, Filter(ids=[cases.name("story")]))
    assert (len(alone.due), alone.overtaken) == (1, ())


def test_a_canary_that_dies_again_keeps_the_others_from_being_sent(cases: Cases, tmp_path: Path) -> None:
    desk = cases.desk
    events = [cases.name(f"canary-{number}") for number in range(8)]
    plan = desk.plan(KIM, Filter(ids=events))
    worker = cases.job.worker("tickets", log=tmp_path / "worker.log")
    try:
        report = desk.replay(KIM, plan, "nothing was mended", canary=CanaryPolicy(3, 0.2, 120))
    finally:
        end(worker)
    assert (report.verdict, report.sent, report.complete) == (Verdict.STOP, 3, False)
    desk.catch_up()
    told = Counter(one.status for one in desk.letters(Filter(ids=events)))
    assert told[Status.OPEN] + told[Status.DEAD_AGAIN] + told[Status.REPLAYING] == 8 + told[Status.DEAD_AGAIN]
    assert told[Status.DEAD_AGAIN] >= 1
    assert desk.operations()[-1].result == "stopped"


def test_what_was_exported_is_put_back_under_its_id_and_only_once(cases: Cases) -> None:
    desk = cases.desk
    wanted = Filter(ids=[cases.name("carried")])
    (line,) = [to_json(one) for one in desk.exported(KIM, wanted)]
    assert SECRET.encode() not in line
    assert desk.put_back(KIM, [line]) == (0, 1)
    elsewhere = json.loads(line) | {"id": f"elsewhere-{cases.run}/0/7", "event_id": cases.name("carried")}
    closed = elsewhere | {"id": f"elsewhere-{cases.run}/0/8", "status": "replayed"}
    lines = [json.dumps(one).encode() for one in (elsewhere, closed)]
    assert desk.put_back(KIM, lines) == (2, 2)
    assert desk.put_back(KIM, lines) == (0, 2)
    desk.catch_up()
    assert desk.letters(Filter(ids=[elsewhere["id"]]))[0].id == elsewhere["id"]
    assert json.loads(desk.reveal(KIM, desk.story(elsewhere["id"])).original.text)["body"].endswith(SECRET)
    assert desk.letters(Filter(ids=[closed["id"]]))[0].status is Status.RESOLVED
    with pytest.raises(UsageError, match="line 2 is no exported dead letter"):
        desk.put_back(KIM, [line, b"{}"])


def test_who_has_not_the_role_is_refused_and_that_is_audited(cases: Cases) -> None:
    desk, story = cases.desk, cases.desk.story(cases.name("guarded"))
    viewer = Actor(f"vic-{cases.run}", frozenset({Role.VIEWER}))
    attempts: dict[str, Callable[[], object]] = {
        "reveal": lambda: desk.reveal(viewer, story),
        "replay": lambda: desk.plan(viewer, Filter()),
        "resolve": lambda: desk.resolve(viewer, Filter(), "why not"),
        "export": lambda: desk.exported(viewer, Filter()),
        "resume": lambda: desk.resume(viewer, "tickets", ""),
    }
    for attempt in attempts.values():
        with pytest.raises(NotAllowedError, match="may not do this"):
            attempt()
    desk.catch_up()
    ours = [one for one in desk.operations() if one.by == viewer.name]
    assert [(one.action, one.result) for one in ours] == [(action, "refused") for action in attempts]


def test_the_index_holds_no_personal_value_and_is_made_of_the_topics_again(
    cases: Cases, settings: Settings, tmp_path: Path
) -> None:
    section = settings.dead_letters.model_copy(update={"index": str(tmp_path)})
    anew = Desk.open(settings.model_copy(update={"dead_letters": section}), catalogue.load(settings.catalogue))
    assert anew.catch_up() > 0
    cases.desk.catch_up()
    wanted = Filter(ids=[cases.name(case) for case in ("mended", "resolved", "carried", "story")])
    assert list(anew.letters(wanted)) == list(cases.desk.letters(wanted))
    assert [one.count for one in anew.groups(Filter(), datetime.now(UTC))]
    assert not [path for path in tmp_path.iterdir() if SECRET.encode() in path.read_bytes()]


def test_a_replay_that_is_stopped_goes_on_under_its_id(cases: Cases) -> None:
    desk = cases.desk
    stop = threading.Event()
    plan = desk.plan(KIM, Filter(ids=[cases.name("story"), cases.name("guarded")]))
    plan = replace(plan, rate=1.0)
    first = desk.replay(KIM, plan, "", canary=ALL_AT_ONCE, stop=stop, told=lambda _: stop.set())
    assert (first.sent, first.interrupted) == (1, True)
    rest = desk.replay(KIM, plan, "", canary=ALL_AT_ONCE, replay_id=first.replay_id)
    assert (rest.sent, rest.already, rest.complete) == (1, 1, True)
    desk.catch_up()
    assert [one.result for one in desk.operations()[-4:]] == ["begun", "stopped", "begun", "done"]
