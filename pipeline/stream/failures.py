"""What the client library's errors mean to a person: one clear line each, in one of two kinds."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final

from pipeline.errors import PipelineError, UnavailableError, UsageError
from pipeline.stream.kafka import AdminClient, Consumer, KafkaError, KafkaException, Producer, TopicMetadata

_REFUSED_LOGIN: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
_FORBIDDEN: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_NO_TOPIC: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
_TELLING: Final = _REFUSED_LOGIN | {KafkaError._RESOLVE, KafkaError._SSL}
"""Reasons that the library tells its error callback alone; the call that failed only says that time ran out."""


_SLICE: Final = 0.5
"""Seconds after which a call that waits is asked again, because what the callback was told may end the wait."""

SILENT: Final = logging.getLogger("pipeline.stream.librdkafka")
"""For the library's own lines: what matters of them is raised. Otherwise fatal ones go to standard error."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


class Complaints:
    """The error callback of one client: keeps the reason that a later failure of a call does not tell."""

    def __init__(self, client: Mapping[str, str]) -> None:
        self._where = client.get("bootstrap.servers") or "an address that is not set"
        self._user = client.get("sasl.username", "")
        self._told: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Called by the library, on the thread that polls the client."""
        if error.code() in _TELLING:
            self._told = error

    def topics(
        self, client: Consumer | AdminClient, topic: str | None = None, timeout: float = 15.0
    ) -> Mapping[str, TopicMetadata]:
        """The cluster's topics by name (or that one). Raises KafkaException, at once when waiting cannot help."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                found: Mapping[str, TopicMetadata] = client.list_topics(topic, min(_SLICE, max(left, 0.0))).topics
                return found
            except KafkaException:
                self.heard_by(client)
                if self._told is not None or left <= _SLICE:
                    raise

    def heard_by(self, client: Consumer | Producer | AdminClient) -> None:
        """Lets the client tell what it has not told yet."""
        client.poll(0)

    def failure(self, error: KafkaException | KafkaError, doing: str) -> PipelineError:
        """What to raise: UsageError when settings, rights or a topic are to be mended, otherwise UnavailableError.

        `doing` completes "while ...".
        """
        cause: KafkaError = error.args[0] if isinstance(error, KafkaException) else error
        told = self._told or cause
        code = told.code()
        if code in _REFUSED_LOGIN:
            return UsageError(f"Kafka at {self._where} does not let {self._name} in: check the sasl settings of kafka")
        if code == KafkaError._RESOLVE:
            return UsageError(f"Kafka's address {self._where} is not known: check kafka.bootstrap_servers")
        if code == KafkaError._SSL:
            return UsageError(f"no TLS with Kafka at {self._where}: check kafka.security_protocol and ssl_ca_location")
        if cause.code() in _FORBIDDEN:
            return UsageError(f"Kafka does not allow {self._name} what was asked for while {doing} ({cause.name()})")
        if cause.code() in _NO_TOPIC:
            return UsageError(f"a topic does not exist while {doing}: create it with `pipeline topics apply`")
        return UnavailableError(f"Kafka at {self._where} failed while {doing} ({cause.name()}): is it up?")

    @property
    def _name(self) -> str:
        return f"user {self._user}" if self._user else "anonymous users"
