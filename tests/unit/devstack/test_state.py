"""What runs is told to other processes; its secrets to its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pipeline.devstack.kafka import Layout, Node, properties
from pipeline.devstack.state import Running, State, down, variables
from pipeline.settings import Settings

STATE = State(
    os.getpid(),
    {"kafka": {"bootstrap_servers": "127.0.0.1:1"}, "vault": {"keys": "dev1:secret"}},
    {"kafka": Running(os.getpid(), 1, "2026-01-01T00:00:00+00:00")},
    sasl=False,
    brokers=1,
    profile="quiet",
)


def test_what_is_written_is_read_back_and_is_its_owners_alone(tmp_path: Path) -> None:
    STATE.write(tmp_path)
    assert State.read(tmp_path) == STATE
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    assert "secret" not in repr(STATE)


def test_a_file_of_another_form_tells_of_no_stack(tmp_path: Path) -> None:
    assert State.read(tmp_path) is None
    for text in ("", "{", "[]", '{"services": {"kafka": {"pid": 1}}}', '{"pid": 1}'):
        (tmp_path / "state.json").write_text(text)
        assert State.read(tmp_path) is None


def test_exported_variables_make_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    nested = {
        "kafka": {"bootstrap_servers": "127.0.0.1:1"},
        "providers": {"openai": {"wire": "openai", "api_key": "k", "simulated": True, "requests_per_minute": 6}},
        "vault": {"keys": "dev1:c2VjcmV0"},
    }
    for name, value in variables(nested).items():
        monkeypatch.setenv(name, value)
    assert Settings().model_dump() == Settings.model_validate(nested).model_dump()


def test_stopping_what_never_ran_is_no_failure(tmp_path: Path) -> None:
    assert down(tmp_path) == []
    assert down(tmp_path / "nowhere") == []


def test_wiping_leaves_nothing_of_what_was_stored(tmp_path: Path) -> None:
    STATE.write(tmp_path)
    (tmp_path / "kafka").mkdir()
    (tmp_path / "vault.key").write_text("k")
    down(tmp_path, wipe=True)
    assert [entry.name for entry in tmp_path.iterdir()] == [".lock"]


def test_no_broker_of_a_secured_cluster_lets_anybody_in_unnamed() -> None:
    layout = Layout("id", (Node(1, 1001, 1002),), "password")
    lines = properties(layout, layout.nodes[0], Path("/data")).splitlines()
    assert "listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT" in lines
    assert "allow.everyone.if.no.acl.found=false" in lines
    assert "super.users=User:admin" in lines


def test_a_cluster_of_three_keeps_writing_when_one_broker_is_away() -> None:
    layout = Layout("id", tuple(Node(n, 1000 + n, 2000 + n) for n in (1, 2, 3)), "")
    lines = properties(layout, layout.nodes[0], Path("/data")).splitlines()
    assert {"default.replication.factor=3", "min.insync.replicas=2", "transaction.state.log.min.isr=2"} <= set(lines)
