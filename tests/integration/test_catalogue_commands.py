"""Topics, rights and schemas by command, records in and out by command, on real Kafka and a real registry."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest
from pipeline import catalogue
from pipeline import settings as effective
from pipeline.cli.main import main
from pipeline.devstack import state
from pipeline.devstack.stack import Stack
from pipeline.settings import Settings
from pipeline.stream.admin import Admin
from pipeline.stream.kafka import Producer
from tests.integration.job import COMMAND, Job

ROOT = Path(__file__).parents[2]


class Here(Job):
    """Commands within this process: the same function, without two seconds of imports each. Workers run apart."""

    def attempt(
        self, *arguments: str, given: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        if arguments[0] == "run":
            return super().attempt(*arguments, given=given, timeout=timeout)
        out, err = io.StringIO(), io.StringIO()
        stdin = io.TextIOWrapper(io.BytesIO((given or "").encode()))
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch.object(sys, "stdin", stdin),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            effective.load.cache_clear()
            catalogue.load.cache_clear()
            main(arguments)
        effective.load.cache_clear()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue())


LEDGERS = (
    "enrichment.dead-letter-status",
    "enrichment.dead-letter-edit",
    "enrichment.replay-outcome",
    "enrichment.operation",
)
"""The names that replay knows: they stay as they are."""


@dataclass(frozen=True)
class Own:
    """The shipped catalogue under names that nobody else uses (but for the topic of statuses), and commands for it."""

    job: Job
    folder: Path
    tag: str

    def named(self, name: str) -> str:
        """What a shipped topic or schema is called here."""
        return f"{self.tag}.{name}"


@pytest.fixture
def own(tmp_path: Path, environment: Mapping[str, str]) -> Own:
    """Nothing of it is on the stack."""
    return _own(tmp_path, environment)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]) -> Own:
    """All of it is on the stack."""
    found = _own(tmp_path_factory.mktemp("ready"), environment)
    found.job.provision()
    return found


def _own(folder: Path, environment: Mapping[str, str]) -> Own:
    tag = f"t{uuid.uuid4().hex[:8]}"
    topics = [path.stem for path in (ROOT / "topics").glob("*.yaml")]
    subjects = [path.name for path in (ROOT / "schemas").iterdir()]
    names = sorted((name for name in topics + subjects if not name.startswith(LEDGERS)), key=len, reverse=True)
    any_name = re.compile(rf"(?<=: )({'|'.join(map(re.escape, names))})(?![\w.-])")

    def renamed(text: str) -> str:
        return any_name.sub(rf"{tag}.\1", text)

    for path in (ROOT / "schemas").iterdir():
        shutil.copytree(path, folder / "schemas" / renamed(f": {path.name}").removeprefix(": "))
    (folder / "topics").mkdir()
    for path in (ROOT / "topics").glob("*.yaml"):
        name = renamed(f": {path.stem}").removeprefix(": ")
        (folder / "topics" / f"{name}.yaml").write_text(renamed(path.read_text()))
    shutil.copytree(ROOT / "pipeline/enrichments", folder / "enrichments")
    common = f"audit: {tag}.enrichment.audit.v1\nusage: {tag}.enrichment.usage.v1\n"
    for path in (folder / "enrichments").glob("*/enrichment.yaml"):
        path.write_text(renamed(path.read_text()) + common)
    folders = {
        f"PIPELINE_CATALOGUE__{name.upper()}": str(folder / name) for name in ("topics", "schemas", "enrichments")
    }
    return Own(Here({**environment, **folders}), folder, tag)


def _ticket(number: str, **fields: object) -> dict[str, object]:
    return {"ticket_id": number, "tenant_id": "acme", "body": "Where is my parcel?", **fields}


def _prefix() -> str:
    return f"C{uuid.uuid4().hex[:8]}-"


class TestTopics:
    def test_are_planned_created_compared_and_left_alone(self, own: Own, client: Mapping[str, str]) -> None:
        plan = own.job.command("topics", "plan")
        assert f"missing {own.named('support.tickets.v1')}: 12 partitions, replication 1, " in plan
        assert plan.endswith(" of 12 topics are there: create the others with `pipeline topics apply`\n")
        assert "replication is capped to 1, min.insync.replicas to 1" in plan
        applied = json.loads(own.job.command("topics", "apply", "--json"))
        assert len([name for name in applied["created"] if name.startswith(own.tag)]) == 8
        assert applied["missing"] == applied["drift"] == []
        found = Admin(client).topics([own.named("support.tickets.v1.dead-letters")])
        (topic,) = found.values()
        assert (topic.partitions, topic.replication) == (12, 1)
        assert topic.config["max.message.bytes"] == "8388608"
        assert topic.config["retention.ms"] == "2592000000"
        audit = own.named("enrichment.audit.v1")
        Admin(client).configure(audit, {"retention.ms": "1000"})
        deadline = time.monotonic() + 10
        while Admin(client).topics([audit])[audit].config["retention.ms"] != "1000":
            assert time.monotonic() < deadline, "a broker learns of a setting a moment later"
        again = own.job.command("topics", "apply")
        assert f"differs {audit}: retention.ms is 1000, the catalogue says 31536000000" in again
        assert "12 of 12 topics are there, 1 settings differ" in again
        assert Admin(client).topics([audit])[audit].config["retention.ms"] == "1000", "nobody's change is undone"

    def test_get_their_full_replication_on_three_brokers(
        self, tmp_path: Path, cluster: Stack, environment: Mapping[str, str]
    ) -> None:
        own = _own(tmp_path, {**environment, **state.variables(cluster.settings())})
        applied = json.loads(own.job.command("topics", "apply", "--json"))
        assert applied["capped"] == ""
        name = own.named("insurance.claims.v1")
        topic = Admin(cluster.kafka.client()).topics([name])[name]
        assert (topic.replication, topic.config["min.insync.replicas"]) == (3, "2")


class TestSchemas:
    def test_are_registered_checked_and_not_twice(self, own: Own) -> None:
        assert set(_verdicts(own)) == {"new"}
        registered = json.loads(own.job.command("schemas", "register", "--json"))
        ids = {row["subject"]: row["id"] for row in registered}
        assert len(ids) == 23
        assert ids[own.named("support.ticket")] == ids[f"{own.named('support.tickets.v1')}-value"]
        assert set(_verdicts(own)) == {"registered"}
        assert own.job.command("schemas", "register") == "23 subjects are registered, 0 of them new\n"

    def test_that_break_are_refused_with_the_reason(self, own: Own, settings: Settings) -> None:
        own.job.command("schemas", "register")
        file = own.folder / "schemas" / own.named("support.ticket") / "v1.avsc"
        schema = json.loads(file.read_text())
        schema["fields"].append({"name": "region", "type": "string"})
        file.write_text(json.dumps(schema))
        for command in ("check", "register"):
            refused = own.job.attempt("schemas", command)
            assert refused.returncode == 1
            assert "version 1: region: is new and has no default" in refused.stderr
        schema["fields"][-1]["default"] = ""
        file.write_text(json.dumps(schema))
        assert "new" in _verdicts(own)
        own.job.command("schemas", "register")
        assert set(_verdicts(own)) == {"registered"}

    def test_are_held_to_all_older_versions_by_the_registry_itself(self, own: Own, settings: Settings) -> None:
        """Whoever registers by another tool is refused, too."""
        from pipeline.errors import UsageError
        from pipeline.serde import Registry

        own.job.command("schemas", "register")
        registry = Registry(settings.registry)
        schema = json.loads((ROOT / "schemas/support.ticket/v1.avsc").read_text())
        subject = own.named("support.ticket")
        registry.register(subject, {**schema, "fields": [*schema["fields"], _field("region", default="")]})
        without = [field for field in schema["fields"] if field["name"] != "subject"]
        registry.register(subject, {**schema, "fields": without})
        with pytest.raises(UsageError, match="the registry refused"):
            registry.register(subject, {**schema, "fields": [*without, _field("region")]})


def _verdicts(own: Own) -> list[str]:
    rows = json.loads(own.job.command("schemas", "check", "--json"))
    return [row["verdict"] for row in rows if row["subject"].startswith(own.tag)]


def _field(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "type": "string", **more}


class TestPublish:
    def test_and_consume_give_back_what_was_given(self, ready: Own, tmp_path: Path) -> None:
        name = _prefix()
        rows = [
            _ticket(
                f"{name}{i}", created_at="2026-03-05T12:00:00Z", customer={"name": "Ann", "email": "ann@example.org"}
            )
            for i in range(50)
        ]
        file = _file(tmp_path, rows)
        done = json.loads(
            ready.job.command(
                "publish", ready.named("support.tickets.v1"), str(file), "--header", "traceparent=00-x", "--json"
            )
        )
        assert (done["published"], done["invalid"]) == (50, 0)
        found = [
            row for row in ready.job.consume(ready.named("support.tickets.v1")) if str(row["key"]).startswith(name)
        ]
        assert {str(row["key"]) for row in found} == {row["ticket_id"] for row in rows}
        value = found[0]["value"]
        assert isinstance(value, dict)
        assert value["created_at"] == "2026-03-05T12:00:00Z"
        assert value["customer"] == {"customer_id": "", "name": "Ann", "email": "ann@example.org", "phone": ""}
        assert value["channel"] == ""
        assert found[0]["headers"] == [{"name": "traceparent", "value": "00-x"}]

    def test_a_file_with_a_bad_line_is_not_published_at_all(self, ready: Own, tmp_path: Path) -> None:
        name = _prefix()
        file = _file(tmp_path, [_ticket(f"{name}1"), _ticket(f"{name}2", body=5), _ticket("")])
        refused = ready.job.attempt("publish", ready.named("support.tickets.v1"), str(file))
        assert refused.returncode == 2
        assert refused.stderr.splitlines()[:2] == [
            "line 2: body: Input should be a valid string",
            "line 3: ticket_id: must not be empty",
        ]
        assert "2 of 3 lines" in refused.stderr
        assert ready.job.values(ready.named("support.tickets.v1"), name) == []

    def test_valid_lines_go_when_asked_for(self, ready: Own, tmp_path: Path) -> None:
        name = _prefix()
        file = _file(tmp_path, [_ticket(f"{name}1"), _ticket(f"{name}2", body=5), _ticket(f"{name}3")])
        done = ready.job.attempt("publish", ready.named("support.tickets.v1"), str(file), "--skip-invalid", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)["published"] == 2
        assert json.loads(done.stdout)["invalid"] == 1
        assert len(ready.job.values(ready.named("support.tickets.v1"), name)) == 2

    def test_standard_input_goes_up_to_the_first_bad_line(self, ready: Own) -> None:
        name = _prefix()
        given = "\n".join([json.dumps(_ticket(f"{name}1")), "", "{", json.dumps(_ticket(f"{name}2"))])
        stopped = ready.job.attempt("publish", ready.named("support.tickets.v1"), "-", given=given)
        assert stopped.returncode == 2
        assert "line 3 is not valid: the whole: is not JSON; the 1 records before it are published" in stopped.stderr
        assert len(ready.job.values(ready.named("support.tickets.v1"), name)) == 1

    def test_keeps_to_its_rate(self, ready: Own, tmp_path: Path) -> None:
        file = _file(tmp_path, [_ticket(f"{_prefix()}{i}") for i in range(41)])
        done = json.loads(
            ready.job.command("publish", ready.named("support.tickets.v1"), str(file), "--rate", "20", "--json")
        )
        assert done["seconds"] >= 2.0

    def test_tells_what_is_published_when_it_is_interrupted(self, ready: Own, tmp_path: Path) -> None:
        name = _prefix()
        file = _file(tmp_path, [_ticket(f"{name}{i}") for i in range(1000)])
        topic = ready.named("support.tickets.v1")
        arguments = [COMMAND, "publish", topic, str(file), "--rate", "20", "--json"]
        with subprocess.Popen(
            arguments, env=ready.job.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as publishing:
            deadline = time.monotonic() + 30
            while not ready.job.values(topic, name):
                assert time.monotonic() < deadline
            publishing.send_signal(signal.SIGINT)
            out, told = publishing.communicate(timeout=20)
        assert publishing.returncode == 130
        assert told == "pipeline: interrupted\n"
        assert len(ready.job.values(topic, name)) == json.loads(out)["published"] > 0

    def test_sends_bytes_unchecked_when_told_to(self, ready: Own) -> None:
        name = _prefix()
        strange_bytes = base64.b64encode(b"\0\0\0\xff\xffx").decode()
        raw: list[dict[str, object]] = [
            {"key": f"{name}null", "value_base64": None},
            {
                "key": f"{name}bytes",
                "value_base64": base64.b64encode(b"\0\0\0\xff\xffx").decode(),
                "headers": {"a": "b"},
            },
        ]
        ready.job.publish(ready.named("support.tickets.v1"), raw, "--raw")
        found = {
            row["key"]: row
            for row in ready.job.consume(ready.named("support.tickets.v1"))
            if str(row["key"]).startswith(name)
        }
        assert found[f"{name}null"]["value"] is None
        assert "error" not in found[f"{name}null"]
        strange = found[f"{name}bytes"]
        assert strange["value"] is None
        assert "the registry has no schema with id 65535" in str(strange["error"])
        assert strange["value_base64"] == strange_bytes
        assert strange["headers"] == [{"name": "a", "value": "b"}]
        assert f"{name}bytes" in ready.job.command("consume", ready.named("support.tickets.v1")), "shown to people, too"

    def test_writes_json_where_the_topic_says_so(self, own: Own) -> None:
        file = own.folder / "topics" / f"{own.named('support.tickets.v1')}.yaml"
        file.write_text(file.read_text().replace("format: avro", "format: json"))
        own.job.command("topics", "apply")
        offline = {name: value for name, value in own.job.environment.items() if "REGISTRY" not in name}
        without_registry = replace(own.job, environment=offline)
        topic = own.named("support.tickets.v1")
        without_registry.publish(topic, [_ticket("T-1", created_at=1772712000000)])
        (row,) = without_registry.consume(topic)
        value = row["value"]
        assert isinstance(value, dict)
        assert value["created_at"] == "2026-03-05T12:00:00Z"

    def test_to_a_topic_that_is_not_there_names_the_command(self, own: Own) -> None:
        own.job.command("schemas", "register")
        refused = own.job.attempt("publish", own.named("support.tickets.v1"), "-", given=json.dumps(_ticket("T-1")))
        assert refused.returncode == 2
        assert "create it with `pipeline topics apply`" in refused.stderr
        assert "Traceback" not in refused.stderr


class TestConsume:
    @pytest.fixture
    def topic(self, own: Own) -> str:
        own.job.provision()
        return own.named("support.tickets.v1")

    def test_ends_at_its_limit_and_at_the_topics_end(self, own: Own, topic: str) -> None:
        own.job.publish(topic, [_ticket(f"T-{i}") for i in range(10)])
        assert len(own.job.command("consume", topic, "--limit", "3", "--json").splitlines()) == 3
        assert len(own.job.consume(topic)) == 10
        assert own.job.command("consume", topic, "--from", "latest") == ""

    def test_begins_at_a_point_in_time(self, own: Own, topic: str) -> None:
        own.job.publish(topic, [_ticket("T-before")])
        before = own.job.consume(topic)[0]["timestamp"]
        deadline = time.monotonic() + 5
        while True:
            own.job.publish(topic, [_ticket("T-after")])
            after = max(str(row["timestamp"]) for row in own.job.consume(topic))
            if after > str(before):
                break
            assert time.monotonic() < deadline
        found = own.job.command("consume", topic, "--json", "--from", after).splitlines()
        assert [json.loads(line)["key"] for line in found] == ["T-after"]

    def test_shows_only_what_was_committed(self, own: Own, topic: str, client: Mapping[str, str]) -> None:
        producer = Producer({**client, "transactional.id": own.tag})
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(topic, b"{}", key=b"rolled back")
        producer.flush(30)
        producer.abort_transaction(30)
        own.job.publish(topic, [_ticket("T-1")])
        assert [row["key"] for row in own.job.consume(topic)] == ["T-1"]

    def test_follows_until_it_is_interrupted(self, own: Own, topic: str) -> None:
        with subprocess.Popen(
            [COMMAND, "consume", topic, "--follow", "--json"],
            env=own.job.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as following:
            assert following.stdout is not None
            own.job.publish(topic, [_ticket("T-1")])
            assert json.loads(following.stdout.readline())["key"] == "T-1"
            own.job.publish(topic, [_ticket("T-2")])
            assert json.loads(following.stdout.readline())["key"] == "T-2"
            following.send_signal(signal.SIGINT)
            _, told = following.communicate(timeout=20)
        assert following.returncode == 0
        assert told == ""

    def test_ends_quietly_when_nobody_reads_on(self, own: Own, topic: str) -> None:
        own.job.publish(topic, [_ticket(f"T-{i}", body="x" * 500) for i in range(2000)])
        shell = f"{COMMAND} consume {topic} --json | head -1"
        done = subprocess.run(shell, shell=True, env=own.job.environment, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == 1


class TestDoctor:
    def test_finds_all_well(self, job: Job) -> None:
        told = json.loads(job.command("doctor", "--json"))
        assert told["healthy"] is True
        assert {finding["name"] for finding in told["findings"]} == {
            "kafka", "topics", "registry", "schemas", "openai", "anthropic", "vault",
        }  # fmt: skip

    def test_says_which_command_mends_what(self, own: Own) -> None:
        told = own.job.attempt("doctor")
        assert told.returncode == 1
        assert re.search(r"missing +topics +\d of 12 there +-> +pipeline topics apply", told.stdout)
        assert re.search(r"missing +schemas +\d of 23 subjects registered +-> +pipeline schemas register", told.stdout)
        own.job.provision()
        assert own.job.attempt("doctor").returncode == 0


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, sasl_stack: Stack, environment: Mapping[str, str]) -> Own:
    """A catalogue of its own on a cluster with rights."""
    found = _own(tmp_path_factory.mktemp("secured"), {**environment, **state.variables(sasl_stack.settings())})
    found.job.provision()
    return found


@pytest.fixture(scope="module")
def by_user(secured: Own, sasl_stack: Stack) -> Mapping[str, Job]:
    """Commands as each of its principals, and as one that it does not know."""
    options = ("topics", "acls", "--principal-prefix", f"{secured.tag}-", "--apply")
    granted = json.loads(secured.job.command(*options, "--json"))
    assert granted["given"] == len(granted["grants"])
    assert f"0 rights given, {granted['given']} were there" in secured.job.command(*options)
    admin = Admin(sasl_stack.kafka.client())
    users = {str(grant["user"]) for grant in granted["grants"]} | {f"{secured.tag}-stranger"}
    found = {}
    for user in users:
        admin.set_password(user, f"{user}-password")
        login = {"PIPELINE_KAFKA__SASL_USERNAME": user, "PIPELINE_KAFKA__SASL_PASSWORD": f"{user}-password"}
        found[user.removeprefix(f"{secured.tag}-")] = Here({**secured.job.environment, **login})
    return found


class TestRights:
    """With SCRAM and ACLs: everybody as the catalogue says, nobody otherwise."""

    def test_everybody_does_their_part(self, secured: Own, by_user: Mapping[str, Job]) -> None:
        tickets, letters = secured.named("support.tickets.v1"), secured.named("support.tickets.v1.dead-letters")
        by_user["support-channels"].publish(tickets, [_ticket(f"T-{i}") for i in range(5)])
        by_user["support-channels"].publish(tickets, [{"key": "T-poison", "value_base64": ""}], "--raw")
        by_user["enrichment-tickets"].command("run", "tickets", "--until-idle", "3")
        assert len(by_user["ticket-routing"].consume(secured.named("support.tickets.enriched.v1"))) == 5
        assert [row["key"] for row in by_user["dead-letter-operators"].consume(letters)] == ["T-poison"]
        by_user["dead-letter-operators"].command(
            "dead-letters", "replay", "--topic", letters, "--why", "a test", "--yes"
        )
        by_user["enrichment-tickets"].command("run", "tickets", "--until-idle", "3")
        assert len(by_user["dead-letter-operators"].consume(letters)) == 2, "sent again, and it died again"
        assert len(by_user["enrichment-operators"].consume(secured.named("enrichment.audit.v1"))) == 7

    @pytest.mark.parametrize(
        ("user", "arguments"),
        [
            ("ticket-routing", ("consume", "support.tickets.v1.dead-letters")),
            ("enrichment-tickets", ("consume", "support.tickets.v1.dead-letters")),
            ("stranger", ("consume", "support.tickets.enriched.v1")),
            ("claims-erp", ("consume", "support.tickets.enriched.v1")),
            ("ticket-routing", ("publish", "support.tickets.v1", "-")),
        ],
    )
    def test_nobody_does_another_ones(
        self, secured: Own, by_user: Mapping[str, Job], user: str, arguments: tuple[str, ...]
    ) -> None:
        command, topic, *rest = arguments
        refused = by_user[user].attempt(command, secured.named(topic), *rest, given=json.dumps(_ticket("T-1")))
        assert refused.returncode == 2
        assert f"pipeline: Kafka does not allow user {secured.tag}-{user} what was asked for" in refused.stderr
        assert "Traceback" not in refused.stderr


def _file(folder: Path, rows: list[dict[str, object]]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return file
