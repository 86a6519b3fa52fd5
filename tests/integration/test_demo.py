"""The demo on a machine where nothing runs: right for each run, and nothing is left behind however it ends."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.machine import Machine, machine

pytestmark = pytest.mark.timeout(300)

FIGURES = {
    "published",
    "enriched",
    "dead_letters",
    "duplicates",
    "out_of_order",
    "calls",
    "cost_usd",
    "breaker_opened",
    "seconds",
}
TOPICS = {
    "tickets": ("support.tickets.v1", "support.tickets.enriched.v1", "support.tickets.v1.dead-letters"),
    "claims": ("insurance.claims.v1", "insurance.claims.extracted.v1", "insurance.claims.v1.dead-letters"),
}

Row = dict[str, Any]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


def test_two_runs_at_once_on_one_stack_are_each_right_and_their_next_commands_work(
    fresh: Machine, tmp_path: Path
) -> None:
    assert fresh.run("pipeline", "dev", "up").returncode == 0
    sizes = {"first": {"tickets": 70, "claims": 20}, "second": {"tickets": 40, "claims": 30}}
    running = {
        name: fresh.start(
            *("pipeline", "demo", "--keep", "--report", str(tmp_path / f"{name}.json")),
            *("--tickets", str(size["tickets"]), "--claims", str(size["claims"])),
        )
        for name, size in sizes.items()
    }
    said = {}
    for name, demo in running.items():
        out, err = demo.communicate(timeout=240)
        assert demo.returncode == 0, f"{name}: {err} {out[-3000:]}"
        said[name] = out
    topics = {topic: _consumed(fresh, topic) for names in TOPICS.values() for topic in names}
    runs = sorted({_run(row) for rows in topics.values() for row in rows})
    assert len(runs) == 2
    for name, size in sizes.items():
        found = json.loads((tmp_path / f"{name}.json").read_text())
        assert found.keys() == {"tickets", "claims"}
        run = next(run for run in runs if _count(topics["support.tickets.v1"], run) == size["tickets"])
        for kind, figures in found.items():
            assert figures.keys() == FIGURES
            entered, enriched, dead = (topics[topic] for topic in TOPICS[kind])
            assert figures["published"] == size[kind] == _count(entered, run)
            assert figures["enriched"] == _count(enriched, run)
            assert figures["dead_letters"] == Counter(row["value"]["cause"] for row in dead if _run(row) == run)
            assert figures["published"] == figures["enriched"] + sum(figures["dead_letters"].values())
            assert figures["dead_letters"]["too_large"] == 1
            assert (figures["duplicates"], figures["out_of_order"]) == (0, 0)
            assert figures["calls"] >= figures["enriched"]
            assert Decimal(figures["cost_usd"]) > 0
            assert figures["breaker_opened"] >= 1
    for text in ("input = enriched + dead letters", "imulated", "503"):
        assert text in said["first"]
    assert said["first"].count("what reached the provider") == 2
    commands = [line.strip() for line in said["first"].partition("\nNext\n")[2].splitlines() if "#" not in line]
    assert len(commands) >= 4
    for command in filter(None, commands):
        done = fresh.run(*shlex.split(command))
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert fresh.servers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stack_that_the_demo_started_ends_with_it(fresh: Machine, number: signal.Signals) -> None:
    demo = fresh.start("pipeline", "demo", "--tickets", "200", "--claims", "50")
    assert demo.stdout is not None
    line = next(line for line in demo.stdout if " in, " in line)
    assert "tickets" in line
    assert fresh.servers()
    os.kill(demo.pid, number)
    _, err = demo.communicate(timeout=60)
    if number is signal.SIGINT:
        assert (demo.returncode, err) == (130, "pipeline: interrupted\n")
        assert fresh.servers() == []
    deadline = time.monotonic() + 30
    while fresh.servers():
        assert time.monotonic() < deadline, "servers were left running"
        time.sleep(0.2)
    assert fresh.run("pipeline", "dev", "status").returncode == 1


def test_it_publishes_to_no_other_cluster(fresh: Machine) -> None:
    _refused(fresh.run("pipeline", "demo", PIPELINE_KAFKA__BOOTSTRAP_SERVERS="kafka.example.com:9092"))


def test_a_report_that_cannot_be_written_is_told_before_the_run(fresh: Machine) -> None:
    _refused(fresh.run("pipeline", "demo", "--report", "/nowhere/at/all.json"))


def _refused(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("pipeline: ")
    assert done.stderr.count("\n") == 1


def _consumed(fresh: Machine, topic: str) -> list[Row]:
    done = fresh.run("pipeline", "consume", topic, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _run(row: Row) -> str:
    return str(next(header["value"] for header in row["headers"] if header["name"] == "demo-run"))


def _count(rows: list[Row], run: str) -> int:
    return sum(_run(row) == run for row in rows)
