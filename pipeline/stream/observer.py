"""What an engine tells whoever watches it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol, cast

from pipeline.stream.record import Output, Record

log = logging.getLogger(__name__)

Partition = tuple[str, int]
"""Topic and partition number."""


class Observer(Protocol):
    """Hooks, called on the event loop, in order. Whatever one raises is logged and forgotten."""

    def assigned(self, partitions: Sequence[Partition], resolving: Sequence[Partition]) -> None:
        """These partitions are this worker's now; `resolving` wait until another worker's open transaction ends."""

    def begun(self, partitions: Sequence[Partition]) -> None:
        """Of these, assigned just now, the group has no committed offset: they are read from their beginning."""

    def resolved(self, partition: Partition, waited: timedelta) -> None:
        """A partition that waited for another worker's open transaction goes on."""

    def revoked(self, partitions: Sequence[Partition], cancelled: int, took: timedelta) -> None:
        """These partitions moved to other workers; `cancelled` records in flight will be processed again there."""

    def lost(self, partitions: Sequence[Partition], cancelled: int) -> None:
        """These partitions were taken away without notice."""

    def committed(self, records: int, outputs: int, took: timedelta) -> None:
        """A transaction was committed."""

    def aborted(self, reason: str) -> None:
        """A transaction was aborted; its records will be in another one."""

    def abandoned(self, reason: str) -> None:
        """A producer was given up and is built again; `reason` is librdkafka's or says that it hung."""

    def refused(self, record: Record, output: Output, reason: str) -> None:
        """The client or the broker refused an output; the processor replaces it."""

    def paused(self, partition: Partition, reason: str) -> None:
        """No more of this partition is fetched for now: `window`, `metadata` or `backlog` is full."""

    def resumed(self, partition: Partition) -> None:
        """The partition is fetched again."""

    def trouble(self, reason: str) -> None:
        """The brokers cannot be reached, or refuse something; the engine waits and goes on."""


class Silent:
    """The observer that does nothing; also a base for those that want a few of the hooks."""

    def assigned(self, partitions: Sequence[Partition], resolving: Sequence[Partition]) -> None: ...

    def begun(self, partitions: Sequence[Partition]) -> None: ...

    def resolved(self, partition: Partition, waited: timedelta) -> None: ...

    def revoked(self, partitions: Sequence[Partition], cancelled: int, took: timedelta) -> None: ...

    def lost(self, partitions: Sequence[Partition], cancelled: int) -> None: ...

    def committed(self, records: int, outputs: int, took: timedelta) -> None: ...

    def aborted(self, reason: str) -> None: ...

    def abandoned(self, reason: str) -> None: ...

    def refused(self, record: Record, output: Output, reason: str) -> None: ...

    def paused(self, partition: Partition, reason: str) -> None: ...

    def resumed(self, partition: Partition) -> None: ...

    def trouble(self, reason: str) -> None: ...


def guarded(observer: Observer) -> Observer:
    """The same observer, but what a hook raises is logged and goes no further."""
    return cast(Observer, _Guarded(observer))


class _Guarded:
    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def __getattr__(self, name: str) -> Callable[..., None]:
        hook = getattr(self._observer, name)

        @functools.wraps(hook)
        def call(*args: object, **kwargs: object) -> None:
            try:
                hook(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  (who watches must not stop what is watched)
                log.error("observer hook %s raised %s", name, type(error).__name__)

        setattr(self, name, call)
        return call
