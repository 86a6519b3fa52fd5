"""The embedded stack: real servers that come back as they were, and never outlive whom they serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import redis
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from pipeline import settings as pipeline_settings
from pipeline.devstack import state
from pipeline.devstack.process import Identity
from pipeline.devstack.stack import DEFAULT, Plan, Service, Stack
from pipeline.errors import UnavailableError
from pipeline.stream.admin import Admin, Topic
from pipeline.stream.publisher import Publisher
from pipeline.stream.reader import read
from pipeline.stream.record import Output
from tests.conftest import NewStack

PIPELINE = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]
KAFKA_ONLY = Plan(frozenset({Service.KAFKA}))


@pytest.fixture(scope="module")
def own(new_stacks: NewStack) -> Stack:
    """A stack whose servers these tests kill and start again."""
    return new_stacks(Plan(frozenset(Service) - {Service.SIMULATOR}))


def test_topics_records_and_schemas_outlive_kills_of_their_servers(own: Stack) -> None:
    client = own.kafka.client()
    Admin(client).create([Topic("a", 2, 1)])
    with Publisher(client) as publisher:
        for n in range(1000):
            publisher.send(Output("a", b"%d" % n, b"%d" % n))
    own.kafka.kill()
    with pytest.raises(UnavailableError):
        list(read(client, ["a"], timeout=1))
    own.kafka.start()
    assert sorted(int(record.value or b"") for record in read(client, ["a"])) == list(range(1000))

    registry = SchemaRegistryClient({"url": _url(own)})
    known = registry.register_schema("a-value", Schema('"string"', "AVRO"))
    own.registry.kill()
    own.registry.start()
    assert (
        SchemaRegistryClient({"url": _url(own)}).lookup_schema("a-value", Schema('"string"', "AVRO")).schema_id == known
    )


def test_a_frozen_broker_answers_again_when_it_thaws(own: Stack) -> None:
    own.kafka.freeze()
    with pytest.raises(UnavailableError):
        Admin(own.kafka.client(), timeout=1).brokers()
    own.kafka.thaw()
    # Its controller took it for dead: it comes back with its next heartbeat.
    deadline = time.monotonic() + 30
    while Admin(own.kafka.client()).brokers() != 1:
        assert time.monotonic() < deadline, "the broker did not come back"
        time.sleep(0.1)


def test_three_brokers_go_on_when_one_is_killed_and_take_it_back(cluster: Stack) -> None:
    client = cluster.kafka.client()
    admin = Admin(client)
    admin.create([Topic("safe", 3, 3, {"min.insync.replicas": "2"})])
    with Publisher(client) as publisher:
        publisher.send(Output("safe", b"k", b"before"))
        publisher.flush()
        cluster.kafka.brokers[0].kill()
        publisher.send(Output("safe", b"k", b"while it is away"))
    cluster.kafka.brokers[0].start()
    assert [record.value for record in read(client, ["safe"])] == [b"before", b"while it is away"]
    assert admin.brokers() == 3


def test_the_registry_refuses_what_breaks_any_older_schema(stack: Stack) -> None:
    registry = SchemaRegistryClient({"url": _url(stack)})
    assert registry.get_compatibility() == "BACKWARD_TRANSITIVE"


def test_redis_and_postgres_serve_and_come_back(own: Stack) -> None:
    client = redis.Redis.from_url(f"redis://127.0.0.1:{own.redis.port}/0")
    assert client.eval("return redis.call('incr', KEYS[1])", 1, "n") == 1
    own.redis.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    own.redis.start()
    assert client.ping()
    own.postgres.query("create table kept (n int); insert into kept values (2)")
    own.postgres.kill()
    with pytest.raises(UnavailableError):
        own.postgres.query("select 1")
    own.postgres.start()
    assert own.postgres.query("select n from kept") == "2"


def test_a_stack_ends_with_its_owner_even_when_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(folder)], stdout=subprocess.PIPE, env=_environment(tmp_path), text=True
    )
    assert owner.stdout is not None
    kafka = _identity(owner.stdout.readline())
    assert kafka.alive()
    owner.kill()
    owner.wait()
    assert kafka.gone(20)
    while folder.exists():
        assert not kafka.alive()


def test_what_a_killed_start_left_is_ended_by_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(folder)], stdout=subprocess.PIPE, env=_environment(tmp_path), text=True
    )
    assert starter.stdout is not None
    left = _identity(starter.stdout.readline())
    starter.kill()
    starter.wait()
    assert left.alive()
    assert state.State.read(folder) is None
    try:
        stack = Stack.up(folder, KAFKA_ONLY)
        assert not left.alive()
        assert Admin(stack.kafka.client()).brokers() == 1
    finally:
        state.down(folder, wipe=True)


def test_a_server_that_cannot_start_is_one_line_and_the_others_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.devstack.registry.Registry.command", lambda self: ["/bin/sh", "-c", "echo no disk; exit 1"]
    )
    with pytest.raises(UnavailableError, match=r"the schema registry ended while starting: no disk \(log: .*\)$"):
        Stack.up(tmp_path / "stack", Plan(frozenset({Service.KAFKA, Service.REGISTRY})))
    assert not list((tmp_path / "stack" / "run").glob("*.pid"))


def test_the_commands_start_show_and_stop_it_with_nothing_on_the_path(tmp_path: Path) -> None:
    environment = _environment(tmp_path)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*PIPELINE, "dev", *arguments], env=environment, capture_output=True, text=True)

    down = run("status")
    assert (down.returncode, down.stdout.strip()) == (1, "the embedded stack is down (start it: pipeline dev up)")
    assert run("env").returncode == 1
    wrong = run("up", "--with", "oracle")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    try:
        up = run("up", "--json")
        assert up.returncode == 0, up.stderr
        shown = json.loads(up.stdout)
        assert set(shown["services"]) == set(DEFAULT)
        assert "keys" not in shown["settings"]["vault"]
        again = run("up")
        assert (again.returncode, again.stdout.splitlines()[0]) == (0, "the embedded stack is already up")
        more = run("up", "--with", "redis", "--json")
        services = json.loads(more.stdout)["services"]
        assert set(services) == {*DEFAULT, "redis"}
        assert services["kafka"]["pid"] == shown["services"]["kafka"]["pid"]
        other = run("up", "--sasl")
        assert other.returncode == 2
        assert "runs without SASL on 1 broker: run `pipeline dev down` first" in other.stderr
        exported = dict(line.removeprefix("export ").split("=", 1) for line in run("env").stdout.splitlines())
        assert exported["PIPELINE_KAFKA__BOOTSTRAP_SERVERS"] == shown["settings"]["kafka"]["bootstrap_servers"]
        file = tmp_path / "cache" / "stack" / "state.json"
        assert file.stat().st_mode & 0o777 == 0o600
        os.kill(shown["services"]["registry"]["pid"], 9)
        hurt = run("status")
        assert hurt.returncode == 1
        assert "registry ended; start it again: pipeline dev up" in hurt.stderr
        healed = json.loads(run("up", "--json").stdout)["services"]
        assert all(service["state"] == "up" for service in healed.values())
        assert healed["registry"]["port"] == shown["services"]["registry"]["port"]
    finally:
        stopped = run("down", "--wipe")
    assert stopped.stdout.strip() == "stopped kafka, redis, registry, simulator"
    assert run("status").returncode == 1
    assert run("down").stdout.strip() == "the embedded stack was not up"


_OWNER = """
import sys
from pathlib import Path
from pipeline.devstack.stack import Plan, Service, Stack
stack = Stack.up(Path(sys.argv[1]), Plan(frozenset({Service.KAFKA})), tethered=True)
identity = stack.kafka.brokers[0].process.identity
print(identity.pid, identity.started, flush=True)
sys.stdin.read() or __import__("signal").pause()
"""

_STARTER = """
import sys, signal
from pathlib import Path
from pipeline.devstack.kafka import Broker
from pipeline.devstack.stack import Plan, Service, Stack
def hang(self):
    while self.process.identity is None: pass
    print(self.process.identity.pid, self.process.identity.started, flush=True)
    signal.sigwait([signal.SIGUSR1])
Broker.await_ready = hang
Stack.up(Path(sys.argv[1]), Plan(frozenset({Service.KAFKA})))
"""


def _identity(line: str) -> Identity:
    pid, started = line.split()
    return Identity(int(pid), started)


def _environment(folder: Path) -> Mapping[str, str]:
    """A machine with nothing on it but the files downloaded before."""
    cache = folder / "cache"
    cache.mkdir()
    (cache / "packages").symlink_to(pipeline_settings.CACHE_FOLDER / "packages")
    return {"HOME": str(folder / "home"), "PATH": "/nonexistent", "PIPELINE_CACHE": str(cache)}


def _url(stack: Stack) -> str:
    registry = stack.registry.settings()["registry"]
    assert isinstance(registry, Mapping)
    return str(registry["url"])
