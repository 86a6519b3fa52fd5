"""Looking schemas up while records flow: once an id, patiently, and never for long in vain."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference
from confluent_kafka.schema_registry.error import SchemaRegistryError
from pipeline.errors import Cause, DecodeError, UnavailableError, UsageError
from pipeline.serde import Registry
from pipeline.serde import registry as module
from pipeline.settings import RegistrySettings

R = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """An empty one that waits milliseconds where the real one waits seconds."""
    monkeypatch.setattr(module, "_RETRY_FIRST_S", 0.001)
    return Registry(RegistrySettings(url="mock://lookups"))


@pytest.fixture
def asked(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids the registry was asked for."""
    found: list[int] = []
    ask: Callable[[int], Schema] = registry._client.get_schema

    def get_schema(schema_id: int) -> Schema:
        found.append(schema_id)
        return ask(schema_id)

    monkeypatch.setattr(registry._client, "get_schema", get_schema)
    return found


def test_many_records_at_once_ask_once(registry: Registry, asked: list[int]) -> None:
    schema_id = registry.register("r", R)

    async def many() -> None:
        found = await asyncio.gather(*(registry.schema(schema_id) for _ in range(50)))
        assert {schema["name"] for schema in found} == {"R"}
        assert registry.known(schema_id) is not None
        await registry.schema(schema_id)

    asyncio.run(many())
    assert asked == [schema_id]


def test_threads_with_loops_of_their_own_may_ask_at_the_same_time(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a replay and a preview of the next one do."""
    schema_id = registry.register("r", R)
    both, ask = threading.Barrier(2, timeout=5), registry._client.get_schema

    def get_schema(schema_id: int) -> Schema:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()
        return ask(schema_id)

    monkeypatch.setattr(registry._client, "get_schema", get_schema)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: asyncio.run(_looked_up(registry, schema_id)), range(2)))
    assert [schema["name"] for schema in found] == ["R", "R"]


async def _looked_up(registry: Registry, schema_id: int) -> Mapping[str, object]:
    return await registry.schema(schema_id)


def test_a_flood_of_an_unknown_id_asks_once(registry: Registry, asked: list[int]) -> None:
    async def flood() -> None:
        for _ in range(20):
            with pytest.raises(DecodeError) as caught:
                await registry.schema(404_404)
            assert caught.value.cause is Cause.SCHEMA_UNKNOWN

    asyncio.run(flood())
    assert asked == [404_404]


def test_an_unknown_id_is_asked_again_after_a_while(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A publisher may register its schema a moment after its first record."""

    async def late() -> None:
        schema_id = registry.register("warm-up", R) + 1
        with pytest.raises(DecodeError):
            await registry.schema(schema_id)
        assert registry.register("late", {**R, "name": "Late"}) == schema_id
        monkeypatch.setattr(module, "_FORGET_UNKNOWN_S", 0.0)
        assert (await registry.schema(schema_id))["name"] == "Late"

    asyncio.run(late())


@pytest.mark.parametrize("failure", [OSError(), SchemaRegistryError(503, 50301, "x"), RuntimeError()])
def test_records_wait_while_the_registry_is_away(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    schema_id = registry.register("r", R)
    answers: list[Exception | None] = [failure, failure, None]
    ask = registry._client.get_schema

    def get_schema(asked: int) -> Schema:
        if (answer := answers.pop(0)) is not None:
            raise answer
        return ask(asked)

    monkeypatch.setattr(registry._client, "get_schema", get_schema)
    assert asyncio.run(registry.schema(schema_id))["name"] == "R"
    assert answers == []


@pytest.mark.parametrize(
    "schema",
    [
        Schema('{"type": "object"}', "JSON"),
        Schema("not a schema", "AVRO"),
        Schema('{"type": "record", "name": "X", "fields": [{"name": "a", "type": "Nowhere"}]}', "AVRO"),
    ],
)
def test_what_is_no_avro_is_a_dead_letter_and_no_endless_wait(registry: Registry, schema: Schema) -> None:
    schema_id = registry._client.register_schema(f"strange-{schema.schema_str}", schema)
    with pytest.raises(DecodeError) as caught:
        asyncio.run(asyncio.wait_for(registry.schema(schema_id), 5))
    assert caught.value.cause is Cause.SCHEMA_UNKNOWN


def test_a_schema_may_refer_to_others(registry: Registry) -> None:
    money = {"type": "record", "name": "Money", "fields": [{"name": "cents", "type": "long"}]}
    bill = {"type": "record", "name": "Bill", "fields": [{"name": "total", "type": "Money"}]}
    registry._client.register_schema("money", Schema(json.dumps(money), "AVRO"))
    references = [SchemaReference("Money", "money", 1)]
    schema_id = registry._client.register_schema("bill", Schema(json.dumps(bill), "AVRO", references))
    assert asyncio.run(registry.schema(schema_id))["name"] == "Bill"


def test_without_an_address_it_says_what_to_set() -> None:
    with pytest.raises(UsageError, match="PIPELINE_REGISTRY__URL"):
        Registry(RegistrySettings())


def test_an_address_where_nobody_answers_is_told() -> None:
    registry = Registry(RegistrySettings(url="http://127.0.0.1:9"))
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        registry.versions("r")


def test_an_unregistered_schema_names_the_command(registry: Registry) -> None:
    with pytest.raises(UsageError, match="pipeline schemas register"):
        registry.id_of("never", R)


def test_breaks_are_looked_for_in_all_versions(registry: Registry) -> None:
    """Transitive: what the newest version forgives, the first one may not."""
    registry.register("s", {**R, "fields": []})
    registry.register("s", R)
    assert registry.breaks("s", R) == ["s version 1: a: is new and has no default"]
