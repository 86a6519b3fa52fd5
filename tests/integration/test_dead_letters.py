"""Dead letters are understood, mended and sent again: once, whatever is killed or asked for twice."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pipeline.settings import Settings
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Output
from tests.integration.faults import fault
from tests.integration.job import COMMAND, Job

INPUT, ENRICHED, DEAD = "support.tickets.v1", "support.tickets.enriched.v1", "support.tickets.v1.dead-letters"

Row = dict[str, Any]


def test_what_died_of_a_fault_is_enriched_once_after_it_was_mended(job: Job, settings: Settings) -> None:
    tenant = f"acme-{uuid.uuid4().hex[:8]}"
    tickets = [
        {
            "ticket_id": f"{tenant}-{number}",
            "tenant_id": tenant,
            "body": f"Lamp {number} broke, tell jo.doe@example.com.",
        }
        for number in range(5)
    ]
    with fault(settings, "schema_violation"):
        job.publish(INPUT, tickets)
        job.command("run", "tickets", "--until-idle", "1")
    ours = ("--tenant", tenant)
    dead = _listed(job, *ours)
    assert Counter((row["cause"], row["stage"], row["status"]) for row in dead) == {
        ("answer_invalid", "validate", "open"): 5
    }
    assert all(row["attempts"] for row in dead)
    (group,) = json.loads(f"[{job.command('dead-letters', 'groups', *ours, '--json')}]")
    assert (group["count"], group["cause"], group["trend"]) == (5, "answer_invalid", "new")

    looked_at = job.command("dead-letters", "replay", *ours, "--dry-run")
    assert "to send: 5 dead letters (5 answer_invalid)" in looked_at
    assert "nothing was sent" in looked_at
    assert len(_of(job, INPUT, tenant)) == 5

    sent = json.loads(job.command("dead-letters", "replay", *ours, "--why", "schema mended", "--yes", "--json"))
    assert (sent["sent"], sent["already"], sent["refused"]) == (5, 0, {})
    assert {row["status"] for row in _listed(job, *ours, "--status", "all")} == {"replaying"}
    job.command("run", "tickets", "--until-idle", "1")
    enriched = _of(job, ENRICHED, tenant)
    assert Counter(row["value"]["ticket_id"] for row in enriched) == Counter(ticket["ticket_id"] for ticket in tickets)
    assert {row["value"]["event_id"] for row in enriched} == {row["event_id"] for row in dead}

    assert job.command("dead-letters", "replay", *ours, "--yes").endswith("nothing to send\n")
    again = json.loads(job.command("dead-letters", "replay", *ours, "--status", "all", "--yes", "--json"))
    assert (again["sent"], again["already"]) == (0, 5)
    job.command("run", "tickets", "--until-idle", "1")
    assert len(_of(job, ENRICHED, tenant)) == 5
    assert _listed(job, *ours) == []
    assert {row["status"] for row in _listed(job, *ours, "--status", "all")} == {"replayed"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_replayer_leaves_each_record_sent_once(
    job: Job, settings: Settings, environment: Mapping[str, str], moment: str
) -> None:
    """Killed with SIGKILL right before or right after the commit of its second transaction."""
    events = _poisoned(job, settings, 25)
    chosen = [part for event in events for part in ("--id", event)]
    arguments = ["dead-letters", "replay", *chosen, "--status", "open", "--rate", "10", "--canary", "0", "--yes"]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, moment, *arguments], env=environment, capture_output=True, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = json.loads(job.command(*arguments, "--json"))
    assert left["sent"] == {"before": 15, "after": 5}[moment]
    assert _events(job, INPUT, events) == dict.fromkeys(events, 2)
    job.command("run", "tickets", "--until-idle", "1")
    assert _events(job, DEAD, events) == dict.fromkeys(events, 2)


_KILLED = """
import os, signal, sys
from pipeline.stream import kafka
class Doomed(kafka.Producer):
    commits = 0
    def commit_transaction(self, *timeout):
        Doomed.commits += 1
        if Doomed.commits < 2:
            return super().commit_transaction(*timeout)
        self.flush()
        if sys.argv[1] == "after":
            super().commit_transaction(*timeout)
        os.kill(os.getpid(), signal.SIGKILL)
kafka.Producer = Doomed
from pipeline.cli.main import main
main(sys.argv[2:])
"""


def test_a_second_replayer_takes_over_and_nothing_is_sent_twice(
    job: Job, settings: Settings, environment: Mapping[str, str]
) -> None:
    events = _poisoned(job, settings, 12)
    chosen = [part for event in events for part in ("--id", event)]
    replay = ["dead-letters", "replay", *chosen, "--status", "open", "--canary", "0", "--yes"]
    # One record at once, the next one 10 s later: it cannot be through before the other one starts.
    slow = subprocess.Popen([COMMAND, *replay, "--rate", "0.1"], env=environment, stderr=subprocess.PIPE, text=True)
    _until_some_is_sent(job, events)
    job.command(*replay)
    _, err = slow.communicate(timeout=60)
    # It found nothing left to do; or it was about to send, and was fenced.
    fenced = re.fullmatch(r"pipeline: another replay took over after \d+ records; .*", err.splitlines()[-1])
    assert slow.returncode == (1 if fenced else 0)
    assert _events(job, INPUT, events) == dict.fromkeys(events, 2)


@pytest.mark.parametrize(
    ("guard", "reason"),
    [
        ({"RUN": "0", "WINDOW": "10"}, "10 of the last 10 records became dead letters"),
        ({"RUN": "10", "WINDOW": "1000"}, "10 dead letters in a row have the fingerprint"),
    ],
)
def test_a_run_that_ends_paused_says_so_and_ends_with_1(
    environment: Mapping[str, str], settings: Settings, job: Job, guard: Mapping[str, str], reason: str
) -> None:
    """By the share of a window and by a run of one fingerprint."""
    strict = Job(
        {
            **environment,
            # Partitions whose end was not seen before the pause are looked at after it.
            "PIPELINE_GUARD__PROBE_AFTER": "2",
            **{f"PIPELINE_GUARD__{name}": value for name, value in guard.items()},
        }
    )
    events = _poisoned(job, settings, 10, run=False)
    ended = strict.attempt("run", "tickets", "--until-idle", "1", "--json")
    assert ended.returncode == 1
    assert reason in json.loads(ended.stdout)["tickets"]["paused"]
    assert re.search(rf"^pipeline: tickets is paused: {reason}.*Mend the cause", ended.stderr, re.MULTILINE)
    assert _events(job, DEAD, events) == dict.fromkeys(events, 1)


@pytest.fixture(scope="module")
def event(job: Job, settings: Settings) -> str:
    """An event that died."""
    return _poisoned(job, settings, 1)[0]


def test_the_story_of_a_dead_letter_is_whole_and_its_original_is_shown_only_when_asked_for(
    job: Job, event: str
) -> None:
    (row,) = _listed(job, "--id", event)
    told = job.command("dead-letters", "show", row["id"])
    assert "undecodable at stage decode" in told
    assert event in told
    assert "jo.doe@example.com" not in told
    assert "jo.doe@example.com" in job.command("dead-letters", "show", event, "--reveal")
    assert json.loads(job.command("dead-letters", "show", event, "--json"))["id"] == row["id"]
    table = job.command("dead-letters", "list", "--id", event, "--topic", INPUT)
    assert row["id"] in table
    assert "1 dead letter (1 undecodable)" in table


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--topic", "support.tickets.enriched.v1"),
        ("list", "--cause", "boredom"),
        ("list", "--since", "yesterday"),
        ("list", "--since", "1h", "--until", "2h"),
        ("resolve", "--why", "all of them"),
        ("edit", "--cause", "leak", "--set", "subject"),
        ("import", "/nowhere.jsonl"),
        ("show", "support.tickets.v1.dead-letters/0/999999"),
        ("show", "no-such-event"),
        ("replay",),
    ],
)
@pytest.mark.usefixtures("event")
def test_what_cannot_be_done_is_told_in_one_line(job: Job, arguments: Sequence[str]) -> None:
    done = job.attempt("dead-letters", *arguments, given="")
    assert done.returncode == 2
    assert re.fullmatch(r"pipeline: .+\n", done.stderr)


def _poisoned(job: Job, settings: Settings, count: int, *, run: bool = True) -> list[str]:
    """Event ids of so many new dead letters; without `run` those that will be."""
    name = uuid.uuid4().hex[:8]
    events = [f"{name}-{number:03}" for number in range(count)]
    with Publisher(settings.kafka.client()) as publisher:
        for event in events:
            headers = (("event-id", event.encode()),)
            publisher.send(Output(INPUT, event.encode(), b'{"body": "jo.doe@example.com"}', headers))
    if run:
        job.command("run", "tickets", "--until-idle", "1")
    return events


def _listed(job: Job, *options: str) -> list[Row]:
    return [json.loads(line) for line in job.command("dead-letters", "list", *options, "--json").splitlines()]


def _of(job: Job, topic: str, tenant: str) -> list[Row]:
    rows: list[Row] = list(job.consume(topic))
    return [row for row in rows if row["value"] is not None and row["value"].get("tenant_id") == tenant]


def _events(job: Job, topic: str, events: Sequence[str]) -> dict[str, int]:
    """How often each of these events stands in a topic."""
    rows: list[Row] = list(job.consume(topic))
    found = Counter(header["value"] for row in rows for header in row["headers"] if header["name"] == "event-id")
    return {event: found[event] for event in events}


def _until_some_is_sent(job: Job, events: Sequence[str]) -> None:
    for _ in range(60):
        if max(_events(job, INPUT, events).values()) > 1:
            return
    raise AssertionError("nothing was sent")
