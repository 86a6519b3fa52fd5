"""Worker slots: two live workers never share a transactional id."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pipeline.errors import UsageError
from pipeline.stream.slots import WorkerSlot


def test_the_lowest_free_slot_is_taken_and_a_released_one_is_used_again(tmp_path: Path) -> None:
    first = WorkerSlot.claim(tmp_path, "tickets", host="h")
    second = WorkerSlot.claim(tmp_path, "tickets", host="h")
    assert (first.transactional_id, second.transactional_id) == ("tickets.h.0", "tickets.h.1")
    first.release()
    first.release()
    with WorkerSlot.claim(tmp_path, "tickets", host="h") as again:
        assert again.transactional_id == "tickets.h.0"
    second.release()


def test_groups_do_not_share_slots_whatever_their_names(tmp_path: Path) -> None:
    ids = {WorkerSlot.claim(tmp_path, group, host="h").transactional_id for group in ("a/b", "a%2fb", "..", "a.b")}
    assert ids == {"a/b.h.0", "a%2fb.h.0", "...h.0", "a.b.h.0"}
    assert all(path.parent == tmp_path for path in tmp_path.iterdir())


def test_a_named_slot_is_refused_while_another_worker_holds_it(tmp_path: Path) -> None:
    with WorkerSlot.claim(tmp_path, "tickets", "pod-3") as slot:
        assert slot.transactional_id == "tickets.pod-3"
        with pytest.raises(UsageError, match="pod-3 of tickets is in use"):
            WorkerSlot.claim(tmp_path, "tickets", "pod-3")
    WorkerSlot.claim(tmp_path, "tickets", "pod-3").release()


def test_a_killed_worker_frees_its_slot(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from pipeline.stream.slots import WorkerSlot\n"
        f"slot = WorkerSlot.claim(pathlib.Path({str(tmp_path)!r}), 'g', host='h')\n"
        "print(slot.transactional_id, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "g.h.0\n"
        with WorkerSlot.claim(tmp_path, "g", host="h") as mine:
            assert mine.transactional_id == "g.h.1"
        other.kill()
        other.wait()
    with WorkerSlot.claim(tmp_path, "g", host="h") as mine:
        assert mine.transactional_id == "g.h.0"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file/g"):
        WorkerSlot.claim(tmp_path / "file", "g")
