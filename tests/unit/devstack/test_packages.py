"""Downloads happen once, are what the lock says, and fail in one line."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from pipeline import settings
from pipeline.devstack import packages
from pipeline.devstack.packages import KAFKA, REGISTRY, Locked, Package
from pipeline.errors import UnavailableError

FILES = {"a.jar": b"first", "b.jar": b"second"}
LOCK = [Locked(hashlib.sha256(content).hexdigest(), f"group:{name}:1") for name, content in FILES.items()]
PACKAGE = Package("A server", "1.0", "server.lock", 1)


class Source:
    """In the place of Maven Central."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.failing: set[str] = set()

    def download(self, item: Locked, repository: Path, counter: object) -> Path:
        name = item.coordinate.split(":")[1]
        if name in self.failing:
            raise ConnectionError("no network")
        self.fetched.append(name)
        repository.mkdir(parents=True, exist_ok=True)
        path = repository / name
        path.write_bytes(FILES[name])
        return path


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Source:
    source = Source()
    monkeypatch.setattr(settings, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(packages, "locked", lambda name: LOCK)
    monkeypatch.setattr(packages, "_download", source.download)
    return source


def test_a_second_start_fetches_nothing(source: Source) -> None:
    folder = PACKAGE.folder(_silent)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert PACKAGE.folder(_silent) == folder
    assert sorted(source.fetched) == sorted(FILES)


def test_a_missing_network_is_one_line_and_leaves_nothing_half_done(source: Source, tmp_path: Path) -> None:
    source.failing = {"b.jar"}
    with pytest.raises(UnavailableError, match=r"^A server 1\.0 could not be downloaded \(ConnectionError\)"):
        PACKAGE.folder(_silent)
    assert not (tmp_path / "packages" / "server-1.0").exists()
    source.failing = set()
    assert len(list(PACKAGE.folder(_silent).iterdir())) == 2


def test_two_that_ask_at_once_fetch_once(source: Source) -> None:
    asking = [threading.Thread(target=PACKAGE.folder, args=(_silent,)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert sorted(source.fetched) == sorted(FILES)


@pytest.mark.parametrize("broken", [b"cut o", b""])
def test_a_file_that_is_not_the_locked_one_is_never_used(
    broken: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served = _serve(monkeypatch, lambda: broken)
    with pytest.raises(RuntimeError, match="is not the file that the lock names"):
        packages._download(LOCK[0], tmp_path, packages._Counter(lambda megabytes: None))
    assert served() == 3
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_cut_off_by_an_interruption_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _serve(monkeypatch, lambda: b"first")
    cut_off = tmp_path / "group" / "a.jar" / "1" / "a.jar-1.jar"
    cut_off.parent.mkdir(parents=True)
    cut_off.write_bytes(b"fir")
    found = packages._download(LOCK[0], tmp_path, packages._Counter(lambda megabytes: None))
    assert found.read_bytes() == b"first"


def test_the_locks_name_one_kafka_and_one_registry() -> None:
    kafka = packages.locked(KAFKA.lock)
    assert {item.coordinate.split(":")[2] for item in kafka if item.coordinate.startswith("org.apache.kafka:")} == {
        "4.3.1"
    }
    names = [item.coordinate.rsplit(":", 1)[0] for item in kafka]
    assert len(names) == len(set(names))
    assert [item.coordinate for item in packages.locked(REGISTRY.lock)] == [
        "io.apicurio:apicurio-registry-app:3.3.3:all:tar.gz"
    ]
    assert all(len(item.sha256) == 64 for item in kafka)


def _serve(monkeypatch: pytest.MonkeyPatch, content: Callable[[], bytes]) -> Callable[[], int]:
    """Lets jgo's own download get `content` from its HTTP library; returns how to ask how often it did."""
    asked = 0

    class Answer:
        status_code = 200
        headers: ClassVar = {"content-length": "5"}
        text = "0"

        def iter_content(self, chunk_size: int) -> list[bytes]:
            return [content()]

    def get(url: str, **options: object) -> Answer:
        nonlocal asked
        asked += not url.endswith(".sha1")
        return Answer()

    monkeypatch.setattr("jgo.util.http.get", get)
    return lambda: asked


def _silent(line: str) -> None:
    """Progress that nobody sees."""
