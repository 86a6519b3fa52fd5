"""Writes the locks of the servers' files: `python -m pipeline.devstack.lock`, after a version in it was changed.

The lock, not the registry's metadata of the day, decides what runs; resolving it again is this command's work alone.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from jgo.maven import MavenContext

_KAFKA: Final = "org.apache.kafka:kafka_2.13:4.3.1"
_KAFKA_LOGGING: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
"""Without this bridge Kafka's log goes nowhere; it goes with the log4j that Kafka brings."""
_REGISTRY: Final = ("io.apicurio", "apicurio-registry-app", "3.3.3", "all", "tar.gz")


def main() -> None:
    """Resolves, downloads and writes both locks."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=30)
        _write("kafka.lock", "Apache Kafka's server and what it runs on", _kafka(context))
        group, name, version, classifier, packaging = _REGISTRY
        registry = context.project(group, name).at_version(version).artifact(classifier, packaging)
        _write("registry.lock", "Apicurio Registry, unpacked where it runs", iter([registry]))


def _kafka(context: MavenContext) -> Iterator[Any]:
    named, brought = context.resolver.resolve([context.create_dependency(_KAFKA)])
    for dependency in [*named, *brought]:
        if dependency.scope in (None, "compile", "runtime") and not dependency.optional:
            yield dependency.artifact
    # Resolved by itself: together, its parent's managed versions would replace Kafka's own.
    yield context.create_dependency(_KAFKA_LOGGING).artifact


def _write(name: str, what: str, files: Iterator[Any]) -> None:
    lines = [f"# {what}: SHA-256 and Maven coordinate (written by pipeline.devstack.lock)."]
    for file in files:
        kind = "" if (file.classifier, file.packaging) == ("", "jar") else f":{file.classifier}:{file.packaging}"
        digest = hashlib.sha256(file.resolve().read_bytes()).hexdigest()
        lines.append(f"{digest} {file.groupId}:{file.artifactId}:{file.version}{kind}")
    (Path(__file__).parent / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
