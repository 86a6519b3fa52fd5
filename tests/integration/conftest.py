"""The stack with the catalogue's topics and schemas on it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.integration.job import Job


@pytest.fixture(scope="session")
def job(environment: Mapping[str, str]) -> Job:
    """Commands against the session's stack, topics and schemas in place."""
    ready = Job(environment)
    ready.provision()
    return ready
