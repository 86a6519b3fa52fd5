"""Dead letters of six causes, made by real faults, mended and sent again while worker and replayer are killed.

    python -m tests.chaos.dead_letter_campaign [--letters 10000] [--rate 200]

Starts a stack of its own, prints what it found as one JSON object, ends with 1 when anything is wrong. Nine tenths are
sent again; of the rest a half is closed and a half stays open, and some of what was chosen has been overtaken.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline import catalogue, contract
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.changes import Change, mapping
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.history import EVENT_ID
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.deadletters.values import Values
from pipeline.devstack import state
from pipeline.devstack.stack import Plan, Stack
from pipeline.serde import TopicCodecs
from pipeline.settings import Settings
from pipeline.stream.publisher import Publisher
from pipeline.stream.reader import read
from pipeline.stream.record import Output
from pipeline.vault import Keyring
from tests.integration.job import Job, end

INPUT, ENRICHED = "support.tickets.v1", "support.tickets.enriched.v1"
FAULTS = {
    "answer_invalid": "schema_violation",
    "answer_truncated": "truncation",
    "refused": "refusal",
    "leak": "leak",
}
"""Cause to the fault of both providers that makes it."""
CAUSES = (*FAULTS, "undecodable", "contract_broken")
NEVER_PAUSED = {"PIPELINE_GUARD__SHARE": "1", "PIPELINE_GUARD__WINDOW": "1000000", "PIPELINE_GUARD__RUN": "0"}
KIM = Actor("kim", frozenset(Role))
_NEWER = "-newer"
_PATIENCE_S = 900
"""A campaign that has not moved on for so long is stuck."""


@dataclass
class Campaign:
    """One run. `letters` is how many die; `rate` how many are sent again a second."""

    settings: Settings
    job: Job
    folder: Path
    letters: int
    rate: float
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    published: dict[str, bytes] = field(default_factory=dict)
    """Event to the value as it was published."""
    causes: dict[str, str] = field(default_factory=dict)
    """Event to the cause it has to die of."""
    overtaken: set[str] = field(default_factory=set)

    def go(self) -> dict[str, object]:
        """Everything in its order; what was found. `wrong` is empty when all is as it must be."""
        known = catalogue.load(self.settings.catalogue)
        self.topics = DeadLetterTopics(TopicCodecs(known, self.settings.registry), self.settings.kafka.client())
        section = self.settings.dead_letters.model_copy(update={"index": str(self.folder / "index")})
        self.desk = Desk.open(self.settings.model_copy(update={"dead_letters": section}), known)
        self._make()
        self.desk.catch_up()
        found = self._grouped()
        chosen = self._choose()
        replay_id = str(uuid.uuid4())
        kills = self._replay_and_kill(chosen, replay_id)
        return found | {"chosen": len(chosen), "kills": kills} | self._verify(chosen, replay_id)

    # ---- making them

    def _make(self) -> None:
        """In equal shares, each cause by a worker that meets its fault."""
        each = self.letters // len(CAUSES)
        worker = self.job.worker("tickets", log=self.folder / "worker.log")
        try:
            for cause in CAUSES:
                self._fault(None)
                if cause in FAULTS:
                    self._fault(FAULTS[cause])
                self._publish([(cause, number) for number in range(each)])
                self._until(self._all_died, worker)
            self._fault(None)
            self._overtake(max(2, each // 10))
            self._until(lambda: self.overtaken <= {event.removesuffix(_NEWER) for event in self._answered()}, worker)
        finally:
            end(worker)

    def _all_died(self) -> bool:
        self.desk.catch_up()
        return len(self.desk.letters(self._ours())) >= len(self.published)

    def _overtake(self, count: int) -> None:
        """A newer record of the same key for some of them."""
        self.overtaken = set(list(self.published)[3 :: len(self.published) // count])
        codec = self.topics.codec(INPUT)
        with Publisher(self.topics.client) as publisher:
            for event in self.overtaken:
                value = codec.encode({"ticket_id": event, "tenant_id": "acme", "body": f"Newer, {event}."})
                publisher.send(Output(INPUT, event.encode(), value, ((EVENT_ID, f"{event}{_NEWER}".encode()),)))

    def _answered(self) -> Counter[str]:
        """How often each event has an output."""
        found: Counter[str] = Counter()
        for record in read(self.topics.client, [ENRICHED]):
            event = next((value for name, value in record.headers if name == EVENT_ID), b"") or b""
            found[event.decode()] += 1
        return found

    def _until(self, reached: Callable[[], bool], runs: subprocess.Popen[bytes], log: str = "worker.log") -> None:
        """Looks again and again, as long as that process runs or has ended well."""
        limit = time.monotonic() + _PATIENCE_S
        while not reached():
            assert runs.poll() in (None, 0), (self.folder / log).read_text()[-2000:]
            assert time.monotonic() < limit, "stuck"
            time.sleep(0.1)

    def _publish(self, wanted: Sequence[tuple[str, int]]) -> None:
        codec = self.topics.codec(INPUT)
        with Publisher(self.topics.client) as publisher:
            for cause, number in wanted:
                event = f"{self.run}-{cause}-{number}"
                ticket = {"ticket_id": event, "tenant_id": "acme", "body": f"Lamp {number} broke ({cause})."}
                if cause == "contract_broken":
                    ticket["tenant_id"] = "acme" * 60
                value = json.dumps(ticket).encode() if cause == "undecodable" else codec.encode(ticket)
                self.published[event], self.causes[event] = value, cause
                publisher.send(Output(INPUT, event.encode(), value, ((EVENT_ID, event.encode()),)))

    def _fault(self, name: str | None) -> None:
        address = self.settings.providers["openai"].base_url.removesuffix("/openai/v1") + "/control"
        faults = None if name is None else {name: 1.0}
        body = json.dumps({wire: {"faults": faults} for wire in ("openai", "anthropic")}).encode()
        urllib.request.urlopen(urllib.request.Request(address, body), timeout=10).close()

    # ---- looking at them

    def _ours(self, events: Sequence[str] | None = None) -> Filter:
        return Filter(ids=list(self.published if events is None else events))

    def _grouped(self) -> dict[str, object]:
        died = Counter({entry.event_id: 1 for entry in self.desk.letters(self._ours())})
        wrong = [e.id for e in self.desk.letters(self._ours()) if self.causes[e.event_id] != e.cause]
        groups = Counter(group.cause for group in self.desk.groups(self._ours(), datetime.now(UTC)))
        assert len(died) == len(self.published), f"{len(died)} of {len(self.published)} died"
        assert not wrong, f"died of another cause: {wrong[:3]}"
        return {"died": len(died), "groups": dict(groups), "causes": dict(self.desk.causes(self._ours()))}

    def _choose(self) -> list[str]:
        """Nine tenths; what needs it is mended first. Half of the rest is closed."""
        events = list(self.published)
        left = events[::10]
        self.desk.resolve(KIM, self._ours(left[::2]), "nobody waits for them")
        chosen = sorted(set(events) - set(left))
        for cause, change in (("contract_broken", "tenant_id=cut(tenant_id, 4)"), ("undecodable", "subject='Lamp'")):
            wanted = Filter(ids=[event for event in chosen if self.causes[event] == cause])
            self.desk.change(KIM, wanted, functools.partial(_mapped, change), "mended by a test")
        self.desk.catch_up()
        return chosen

    # ---- sending them again

    def _replay_and_kill(self, chosen: Sequence[str], replay_id: str) -> dict[str, int]:
        """Worker and replayer, each killed once while it has work and started again, until all came out."""
        names = self.folder / "chosen"
        names.write_text("\n".join(chosen))
        command = [sys.executable, "-m", "tests.chaos.dead_letter_campaign", "--replay", str(names), replay_id]
        log = (self.folder / "replayer.log").open("ab")

        def replayer() -> subprocess.Popen[bytes]:
            environment = {**self.job.environment, "PIPELINE_DEAD_LETTERS__INDEX": str(self.folder / "replayer")}
            return subprocess.Popen([*command, str(self.rate)], env=environment, stdout=log, stderr=log)

        expected = len(set(chosen) - self.overtaken)
        worker = self.job.worker("tickets", log=self.folder / "worker.log")
        sender = replayer()
        kills = {"worker": 0, "replayer": 0}
        try:
            self._until(lambda: self._sent(replay_id) >= expected // 4, sender, "replayer.log")
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            kills["worker"] += 1
            worker = self.job.worker("tickets", log=self.folder / "worker.log")
            self._until(lambda: self._sent(replay_id) >= expected // 2, sender, "replayer.log")
            sender.send_signal(signal.SIGKILL)
            sender.wait()
            kills["replayer"] += 1
            sender = replayer()
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            kills["worker"] += 1
            worker = self.job.worker("tickets", log=self.folder / "worker.log")
            code = sender.wait(_PATIENCE_S)
            assert code == 0, (self.folder / "replayer.log").read_text()[-2000:]
        finally:
            if sender.poll() is None:
                sender.kill()
                sender.wait()
            if worker.poll() is None:
                end(worker)
            log.close()
        self.desk.catch_up()
        # Once more, as somebody would who is not sure: nothing is left to send.
        assert self.desk.plan(KIM, self._ours(chosen)).due == ()
        return kills

    def _sent(self, replay_id: str) -> int:
        self.desk.catch_up()
        return sum(self.desk.outcomes(replay_id).values())

    # ---- what is true in the end

    def _verify(self, chosen: Sequence[str], replay_id: str) -> dict[str, object]:
        self.desk.catch_up()
        sent = set(chosen) - self.overtaken
        answered = self._answered()
        entries = self.desk.letters(self._ours())
        statuses = {entry.event_id: entry.status for entry in entries}
        keyring = Keyring.parse(self.settings.vault.keys.get_secret_value() if self.settings.vault.keys else "")
        values = Values(self.topics, keyring)
        other_bytes = [
            letter.id
            for letter in self.topics.letters((entry.at, entry.status) for entry in entries)
            if _digest(values.original(letter)) != _digest(self.published[letter.text("event_id")])
        ]
        done = [one for one in self.desk.operations() if one.replay_id == replay_id]
        wrong = {
            "not answered once": [event for event in sent if answered[event] != 1][:5],
            "answered though left": [event for event in self.published.keys() - sent if answered[event]][:5],
            "not replayed": [event for event in sent if statuses[event] is not Status.REPLAYED][:5],
            "died again": [entry.id for entry in entries if entry.replays][:5],
            "other bytes": other_bytes[:5],
            "overtaken but sent": [e for e in self.overtaken & set(chosen) if statuses[e] is not Status.OPEN][:5],
            "audit": [] if [one.result for one in done] == ["begun", "begun", "done"] else [o.result for o in done],
        }
        return {
            "sent": len(sent),
            "outcomes": {status.value: count for status, count in self.desk.outcomes(replay_id).items()},
            "overtaken": len(self.overtaken & set(chosen)),
            "originals_compared": len(entries),
            "wrong": {name: found for name, found in wrong.items() if found},
        }


def replay(names: Path, replay_id: str, rate: float) -> None:
    """What the replayer's process does: as the command would, for more ids than a command line holds."""
    settings = Settings()
    desk = Desk.open(settings, catalogue.load(settings.catalogue))
    desk.catch_up()
    plan = desk.plan(KIM, Filter(ids=names.read_text().split("\n")), rate)
    if plan.due:
        report = desk.replay(KIM, plan, "of a test", replay_id=replay_id, wait=True)
        sys.exit(0 if report.complete else 1)


def campaign(stack: Stack, folder: Path, letters: int, rate: float) -> dict[str, object]:
    """One on a stack where nothing else runs."""
    settings = Settings.model_validate(stack.settings())
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIPELINE_")}
    job = Job(own | state.variables(stack.settings()) | NEVER_PAUSED)
    job.provision()
    return Campaign(settings, job, folder, letters, rate).go()


def _digest(value: bytes | None) -> str:
    return hashlib.sha256(value or b"").hexdigest()


def _mapped(change: str, schema: contract.Schema) -> list[Change]:
    return [mapping(change, schema)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--replay", nargs=3, help="Of its own processes: file of ids, replay id, rate.")
    asked = parser.parse_args()
    if asked.replay:
        names, replay_id, rate = asked.replay
        replay(Path(names), replay_id, float(rate))
        return
    with tempfile.TemporaryDirectory() as folder, Stack.up(Path(folder) / "stack", Plan(), tethered=True) as stack:
        began = time.monotonic()
        found = campaign(stack, Path(folder), asked.letters, asked.rate)
        found["seconds"] = round(time.monotonic() - began)
    print(json.dumps(found, indent=2))  # noqa: T201
    sys.exit(1 if found["wrong"] else 0)


if __name__ == "__main__":
    main()
