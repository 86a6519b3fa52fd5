"""A server is found again and ended; no other process ever is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline.devstack import launch
from pipeline.devstack.process import Identity, Process

SLEEPER = ["/bin/sleep", "60"]
STUBBORN = [
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process("server", tmp_path)


def test_another_process_finds_it_by_its_file_and_ends_it(process: Process, tmp_path: Path) -> None:
    process.start(SLEEPER)
    _await_identity(process)
    elsewhere = Process("server", tmp_path)
    assert elsewhere.alive()
    elsewhere.end(5.0)
    assert not process.alive()
    assert not elsewhere.alive()
    assert elsewhere.identity is None


def test_a_process_that_was_given_the_same_id_later_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEPER)
    try:
        started = launch.started(stranger.pid)
        assert started is not None
        (tmp_path / "server.pid").write_text(f"{stranger.pid} {int(started) - 1}\n")
        stale = Process("server", tmp_path)
        assert not stale.alive()
        stale.kill()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_one_that_ended_but_was_not_reaped_counts_as_dead() -> None:
    zombie = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert launch.started(zombie.pid) is None
    zombie.wait()


def test_one_that_will_not_end_is_killed_with_its_children(process: Process) -> None:
    process.start(STUBBORN)
    _await_log(process, "up")
    process.end(0.1)
    assert not process.alive()


def test_a_frozen_one_ends_too(process: Process) -> None:
    process.start(SLEEPER)
    _await_identity(process)
    process.send(signal.SIGSTOP)
    process.end(5.0)
    assert not process.alive()


def test_starting_again_replaces_the_one_that_runs(process: Process, tmp_path: Path) -> None:
    process.start(SLEEPER)
    first = _await_identity(process)
    again = Process("server", tmp_path)
    again.start(SLEEPER)
    assert not first.alive()
    assert _await_identity(again) != first
    again.kill()


def test_ending_one_whose_launcher_has_written_nothing_yet_ends_it(process: Process) -> None:
    process.start(SLEEPER)
    process.kill()
    assert not process.alive()


def test_a_file_that_cannot_be_read_is_no_process(tmp_path: Path) -> None:
    (tmp_path / "server.pid").write_text("not a number")
    assert Process("server", tmp_path).identity is None
    assert not Process("server", tmp_path).alive()


def test_its_last_words_are_the_error_and_not_the_trace_below_it(process: Process) -> None:
    process.log.write_text("INFO starting\nERROR the disk is full\n\tat some.java.Line\n\tat another\nINFO bye\n")
    assert process.last_words() == "ERROR the disk is full"


def _await_identity(process: Process) -> Identity:
    while process.identity is None:
        assert process.alive()
    return process.identity


def _await_log(process: Process, text: str) -> None:
    while text not in process.log.read_text():
        assert process.alive()
