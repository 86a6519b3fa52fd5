"""The servers' own files: fetched once from Maven Central, checked against the lock, shared by every stack."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.resources
import logging
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import settings
from pipeline.errors import PipelineError, UnavailableError

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]
"""Told one line whenever there is something to say."""

_FETCHERS: Final = 8
_TRIES: Final = 3
_STEP: Final = 20_000_000
"""Bytes between two lines of progress."""


@dataclass(frozen=True)
class Package:
    """One server's files. `version` names the folder; `lock` is the file beside this one that lists them."""

    name: str
    version: str
    lock: str
    megabytes: int

    def folder(self, progress: Progress) -> Path:
        """The folder that holds the files, fetched now when this machine has none; touches no network otherwise.

        Raises UnavailableError when they cannot be fetched. Two processes that ask at once fetch once.
        """
        packages = settings.CACHE_FOLDER / "packages"
        found = packages / f"{self.lock.partition('.')[0]}-{self.version}"
        if found.is_dir():
            return found
        packages.mkdir(parents=True, exist_ok=True)
        with _locked(packages / f".{found.name}.lock", lambda: progress(f"waiting: {self} is being fetched already")):
            if not found.is_dir():
                self._fetch(packages / f".{found.name}", found, progress)
        return found

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def _fetch(self, draft: Path, found: Path, progress: Progress) -> None:
        """Into a draft folder, then renamed: whoever sees `found` sees all of it. An interrupted draft goes on."""
        files = locked(self.lock)
        jars = draft / "files"
        jars.mkdir(parents=True, exist_ok=True)
        progress(f"downloading {self} (once, {self.megabytes} MB)")
        with ThreadPoolExecutor(_FETCHERS) as pool:
            counter = _Counter(lambda megabytes: progress(f"downloading {self}: {megabytes} of {self.megabytes} MB"))
            fetched: list[Path] = []
            try:
                for future in [pool.submit(_download, item, draft / "repository", counter) for item in files]:
                    fetched.append(future.result())
            except PipelineError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            except (OSError, RuntimeError) as error:
                pool.shutdown(wait=False, cancel_futures=True)
                logger.debug("download of %s failed", self, exc_info=error)
                why = type(error).__name__
                raise UnavailableError(
                    f"{self} could not be downloaded ({why}): the embedded stack needs the network once"
                ) from None
        for path in fetched:
            if path.name.endswith(".tar.gz"):
                progress(f"unpacking {self}")
                _unpack(path, jars)
            else:
                path.replace(jars / path.name)
        jars.rename(found)
        shutil.rmtree(draft)


KAFKA: Final = Package("Apache Kafka", "4.3.1", "kafka.lock", 46)
REGISTRY: Final = Package("Apicurio Registry", "3.3.3", "registry.lock", 159)


@dataclass(frozen=True)
class Locked:
    """One file of a package: what it must be and where Maven knows it."""

    sha256: str
    coordinate: str


def locked(name: str) -> list[Locked]:
    """The files that the lock `name` lists."""
    text = importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return [Locked(*line.split()) for line in text.splitlines() if line and not line.startswith("#")]


class _Counter:
    """Counts what all fetchers received, and tells each whole step of megabytes once."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell
        self._bytes = 0
        self._lock = threading.Lock()

    @contextmanager
    def file(self, name: str, size: int) -> Iterator[Callable[[int], None]]:
        """For one file: what is called with the size of each piece received."""
        yield self._received

    def _received(self, size: int) -> None:
        with self._lock:
            before, self._bytes = self._bytes // _STEP, self._bytes + size
            told = self._bytes // _STEP
        if told > before:
            self._tell(told * _STEP // 1_000_000)


def _download(item: Locked, repository: Path, counter: _Counter) -> Path:
    from jgo.maven import MavenContext, PythonResolver

    group, artifact, version, *kind = item.coordinate.split(":")
    classifier, packaging = kind or ("", "jar")
    context = MavenContext(PythonResolver(progress_callback=counter.file), repo_cache=repository, timeout=30)
    file = context.project(group, artifact).at_version(version).artifact(classifier=classifier, packaging=packaging)
    for attempt in range(1, _TRIES + 1):
        try:
            path = Path(file.resolve())
        except OSError:
            if cut_off := file.cached_path:
                cut_off.unlink(missing_ok=True)
            if attempt == _TRIES:
                raise
            continue
        if _sha256(path) == item.sha256:
            return path
        # Cut off by an earlier interruption, or not what was locked: never used.
        path.unlink()
    raise RuntimeError(f"{item.coordinate} is not the file that the lock names")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        # Pythons before 3.11.4 have no filter and ignore the attribute.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)
    archive.unlink()


@contextmanager
def _locked(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
