"""The embedded stack for tests: in a folder of its own, never the user's; it ends with pytest, however that ends.

Downloads are shared with the user's stack. A stack is started when the first test asks for it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pipeline import settings as pipeline_settings
from pipeline.devstack import state
from pipeline.devstack.stack import Plan, Service, Stack
from pipeline.settings import Settings
from pipeline.stream.admin import Admin, Topic

# Machines that are busy with other things are slow, not wrong.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")

FreshTopic = Callable[..., str]
NewStack = Callable[[Plan], Stack]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's folder says what it needs."""
    for item in items:
        for name in ("integration", "chaos"):
            if name in item.path.relative_to(Path(__file__).parent).parts:
                item.add_marker(name)


@pytest.fixture(scope="session", autouse=True)
def nothing_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the user's settings nor the user's running stack are seen by a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("PIPELINE_") and name != "PIPELINE_CACHE":
                patch.delenv(name)
        nowhere = tmp_path_factory.mktemp("no-stack") / "state.json"
        patch.setattr(pipeline_settings.places, "embedded_state_file", lambda: nowhere)
        pipeline_settings.load.cache_clear()
        yield


@contextmanager
def _stacks(folders: pytest.TempPathFactory) -> Iterator[NewStack]:
    with ExitStack() as running:
        yield lambda plan: running.enter_context(Stack.up(folders.mktemp("stack"), plan, tethered=True))


@pytest.fixture(scope="session")
def new_stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewStack]:
    """Starts stacks that last as long as the session."""
    with _stacks(tmp_path_factory) as start:
        yield start


@pytest.fixture
def new_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewStack]:
    """Starts stacks for one test, which may kill what is in them."""
    with _stacks(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def stack(new_stacks: NewStack) -> Stack:
    """Kafka, registry and provider simulator, for all tests that leave them alive."""
    return new_stacks(Plan())


@pytest.fixture(scope="session")
def sasl_stack(new_stacks: NewStack) -> Stack:
    """The same with SCRAM users and ACLs; its settings are the super user's."""
    return new_stacks(Plan(sasl=True))


@pytest.fixture(scope="session")
def cluster(new_stacks: NewStack) -> Stack:
    """Three brokers, replication 3, min ISR 2; nothing else."""
    return new_stacks(Plan(frozenset({Service.KAFKA}), brokers=3))


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    """The effective settings on the stack."""
    return Settings.model_validate(stack.settings())


@pytest.fixture(scope="session")
def environment(stack: Stack) -> Mapping[str, str]:
    """The environment for commands run as processes of their own: they use the stack, and nothing of the user's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIPELINE_")}
    return own | state.variables(stack.settings()) | {"PIPELINE_DEAD_LETTERS__INDEX": str(stack.folder / "index")}


@pytest.fixture(scope="session")
def client(stack: Stack) -> Mapping[str, str]:
    """librdkafka's settings for the stack's Kafka."""
    return stack.kafka.client()


@pytest.fixture
def fresh_topic(client: Mapping[str, str]) -> FreshTopic:
    """Makes a topic nobody else uses: `fresh_topic(partitions=12, **config)` with dots in names as underscores."""

    def make(partitions: int = 1, **config: object) -> str:
        topic = f"test-{uuid.uuid4().hex[:12]}"
        named = {name.replace("_", "."): str(value) for name, value in config.items()}
        Admin(client).create([Topic(topic, partitions, 1, named)])
        return topic

    return make


@pytest.fixture
def fresh_group() -> str:
    """The name of a consumer group nobody else uses."""
    return f"test-{uuid.uuid4().hex[:12]}"
