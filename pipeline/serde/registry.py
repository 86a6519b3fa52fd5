"""A Confluent-compatible schema registry: look-ups for the codecs, checks and registration for the command line.

The client blocks, so look-ups of the hot path run in a thread, once per schema id; what was found stays for good, what
was not found is asked again only after a while, so that a flood of unknown ids does not become a flood of requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError
from fastavro import parse_schema
from fastavro.schema import SchemaParseException

from pipeline.contract import Schema as Avro
from pipeline.contract import breaks
from pipeline.errors import Cause, DecodeError, UnavailableError, UsageError
from pipeline.settings import RegistrySettings

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_COMPATIBILITY = ServerConfig(compatibility=ConfigCompatibilityLevel.BACKWARD_TRANSITIVE)
_FORGET_UNKNOWN_S = 30.0
_MOST_UNKNOWN = 10_000
_RETRY_FIRST_S, _RETRY_MOST_S = 0.2, 5.0


class Registry:
    """One registry, for several threads. All methods but `schema` block."""

    def __init__(self, settings: RegistrySettings) -> None:
        if not settings.url:
            raise UsageError(
                "no schema registry: start the embedded one (pipeline dev up) or set PIPELINE_REGISTRY__URL to yours"
            )
        self.url = settings.url
        options: dict[str, object] = {"url": settings.url, "timeout": 10, "max.retries": 1}
        if settings.username and settings.password:
            options["basic.auth.user.info"] = f"{settings.username}:{settings.password.get_secret_value()}"
        if settings.ssl_ca_location:
            options["ssl.ca.location"] = settings.ssl_ca_location
        self._client = SchemaRegistryClient.new_client(options)
        self._known: dict[int, Avro] = {}
        self._unknown: dict[int, float] = {}
        self._asked: dict[tuple[asyncio.AbstractEventLoop, int], asyncio.Future[Avro]] = {}

    def known(self, schema_id: int) -> Avro | None:
        """The parsed writer schema, when it was found before: the hot path, no waiting."""
        return self._known.get(schema_id)

    async def schema(self, schema_id: int) -> Avro:
        """The parsed writer schema of an id. Waits while the registry is away; one request per id and loop at a time.

        Raises DecodeError (cause `schema_unknown`) when the registry does not know it.
        """
        if (found := self._known.get(schema_id)) is not None:
            return found
        if time.monotonic() - self._unknown.get(schema_id, -_FORGET_UNKNOWN_S) < _FORGET_UNKNOWN_S:
            raise _unknown(schema_id)
        # Threads that decode have loops of their own, and no loop can wait for another's future.
        asking = asyncio.get_running_loop(), schema_id
        asked = self._asked.get(asking)
        if asked is None:
            asked = self._asked[asking] = asyncio.ensure_future(self._ask(schema_id))
            asked.add_done_callback(lambda _: self._asked.pop(asking, None))
        return await asyncio.shield(asked)

    async def _ask(self, schema_id: int) -> Avro:
        wait = _RETRY_FIRST_S
        while True:
            try:
                self._known[schema_id] = await asyncio.to_thread(self._fetched, schema_id)
                return self._known[schema_id]
            except _UnreadableError:
                self._not_known(schema_id)
                raise DecodeError(
                    f"the schema with id {schema_id} is no Avro record", cause=Cause.SCHEMA_UNKNOWN
                ) from None
            except SchemaRegistryError as error:
                if error.http_status_code == 404:
                    self._not_known(schema_id)
                    raise _unknown(schema_id) from None
                _log.warning("registry refused (status %s), records that need it wait", error.http_status_code)
            except OSError:
                _log.warning("registry cannot be reached, records that need it wait")
            except Exception as error:  # noqa: BLE001  # the client lets its HTTP library's own errors through
                _log.warning("registry cannot be reached (%s), records that need it wait", type(error).__name__)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _RETRY_MOST_S)

    def _not_known(self, schema_id: int) -> None:
        if len(self._unknown) >= _MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[schema_id] = time.monotonic()

    def _fetched(self, schema_id: int) -> Avro:
        """The parsed schema of an id, with the schemas it refers to. Raises _UnreadableError when it is no Avro."""
        found = self._client.get_schema(schema_id)
        try:
            return self._with_references(found, {})
        except (ValueError, TypeError, KeyError, SchemaParseException, RecursionError):
            raise _UnreadableError from None

    def _with_references(self, schema: Schema, named: dict[str, dict[str, object]]) -> Avro:
        if schema.schema_type not in (None, "AVRO"):
            raise ValueError(schema.schema_type)
        for reference in schema.references or ():
            version = self._client.get_version(str(reference.subject), reference.version or "latest")
            if version.schema is not None:
                self._with_references(version.schema, named)
        return cast(Avro, parse_schema(json.loads(schema.schema_str or ""), named_schemas=named))

    def id_of(self, subject: str, schema: Avro) -> int:
        """The id under which this very schema stands in `subject`. Raises UsageError when it is not registered."""
        found = self.find(subject, schema)
        if found is None:
            raise UsageError(f"schema {subject} is not registered: run pipeline schemas register")
        self._known[found] = parsed(schema)
        return found

    def find(self, subject: str, schema: Avro) -> int | None:
        """The id under which this very schema stands in `subject`; None when it is not registered."""
        found = self._call(lambda: self._client.lookup_schema(subject, _sent(schema)))
        return None if found is None else found.schema_id

    def versions(self, subject: str) -> list[int]:
        """The versions of a subject; empty when the registry does not know it."""
        return self._call(lambda: self._client.get_versions(subject)) or []

    def breaks(self, subject: str, schema: Avro) -> list[str]:
        """Why this schema cannot read what versions in `subject` wrote (BACKWARD_TRANSITIVE): a line each, or none."""
        found = []
        for version in self.versions(subject):
            before = self._call(lambda v=version: self._client.get_version(subject, v))  # type: ignore[misc]  # default binds the loop's value
            if before is not None and before.schema is not None and before.schema.schema_str:
                older = cast(Avro, json.loads(before.schema.schema_str))
                found += [f"{subject} version {version}: {why}" for why in breaks(schema, older)]
        return found

    def register(self, subject: str, schema: Avro) -> int:
        """Registers a schema under BACKWARD_TRANSITIVE and returns its id. Raises UsageError when it is refused."""
        known = bool(self.versions(subject))
        try:
            if known:
                self._configure(subject)
            found = self._call(lambda: self._client.register_schema(subject, _sent(schema)))
            if not known:
                # Apicurio has no settings for a subject without a version.
                self._configure(subject)
        except SchemaRegistryError as error:
            raise UsageError(f"the registry refused {subject}: {error.error_message}") from None
        if found is None:
            raise UsageError(f"the registry refused {subject}")
        return found

    def _configure(self, subject: str) -> None:
        """Sets the compatibility. Somebody who does so at the same moment makes Apicurio answer 409: ask once more."""
        try:
            self._call(lambda: self._client.set_config(subject, _COMPATIBILITY))
        except SchemaRegistryError:
            self._call(lambda: self._client.set_config(subject, _COMPATIBILITY))

    def _call(self, ask: Callable[[], _T]) -> _T | None:
        """The answer, None for 404. Raises UnavailableError when nobody answers."""
        try:
            return ask()
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                return None
            if error.http_status_code in (409, 422):
                raise
            raise UnavailableError(
                f"schema registry {self.url} answers {error.http_status_code}: check its log and the credentials"
            ) from None
        except Exception as error:  # noqa: BLE001  # the client lets its HTTP library's own errors through
            raise UnavailableError(
                f"schema registry {self.url} cannot be reached ({type(error).__name__}): is it up?"
            ) from None


class _UnreadableError(Exception):
    """What stands under an id is not a schema that Avro values can be written with."""


def parsed(schema: Avro) -> Avro:
    """The schema as the Avro codec wants it, its names resolved apart from all others."""
    return cast(Avro, parse_schema(dict(schema), named_schemas={}))


def without_logical_types(schema: Avro) -> Avro:
    """The same bytes, read as the numbers, texts and bytes that they are."""
    return cast(Avro, _bare(schema))


def _bare(schema: object) -> object:
    if isinstance(schema, Mapping):
        # What the codec noted on a schema it has parsed holds types by name, and those with their logical types.
        return {
            name: _bare(part) for name, part in schema.items() if name != "logicalType" and not name.startswith("__")
        }
    return [_bare(part) for part in schema] if isinstance(schema, list) else schema


def _sent(schema: Mapping[str, object]) -> Schema:
    return Schema(json.dumps(schema), "AVRO")


def _unknown(schema_id: int) -> DecodeError:
    return DecodeError(f"the registry has no schema with id {schema_id}", cause=Cause.SCHEMA_UNKNOWN)
