"""Whether something was done about a dead letter already, where the group that sends them again does not know it.

A group forgets its offsets when it had no member for a week (`offsets.retention.minutes`); dead letters, and the notes
of what was done about them, are kept longer. So what stands in a partition without a committed offset is looked up in
the notes before it is sent; everywhere else the offset says it, and nothing is read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.deadletters.asking import Asking
from pipeline.deadletters.index import Coordinates
from pipeline.deadletters.ledgers import STATUS_TOPIC
from pipeline.errors import RecordError
from pipeline.serde import Decoder, decode_now
from pipeline.stream.reader import read
from pipeline.stream.record import Record

_log = logging.getLogger(__name__)
_CLOCKS: Final = timedelta(minutes=5)
"""By how much clocks may differ: what died so long after its partition began was sent by nobody before."""


Scan = Callable[[Mapping[Coordinates, str]], set[Coordinates]]
"""Those of the dead letters, each with its event id, that have a note. Blocks; raises UnavailableError."""


@dataclass(slots=True)
class Noted:
    """One enrichment's, in one worker; on the event loop."""

    scan: Scan
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    again: timedelta = timedelta(seconds=1)
    """Between two attempts to read, while Kafka is away."""
    _until_ms: dict[int, float] = field(default_factory=dict)
    """By partition, the time of death up to which the notes are asked; Unix time."""
    _asking: Asking[Coordinates, str] = field(init=False)

    def __post_init__(self) -> None:
        self._asking = Asking("second chances", self.scan, self.again)

    def begun(self, partitions: Collection[int]) -> None:
        """Takes in that these are read from their beginning, as their group has no committed offset."""
        self._until_ms |= dict.fromkeys(partitions, (self.now() + _CLOCKS).timestamp() * 1000)

    async def noted(self, record: Record, event_id: str) -> bool:
        """Whether a dead letter was sent again or closed before. Waits while Kafka is away."""
        if record.timestamp_ms > self._until_ms.get(record.partition, -1):
            return False
        return await self._asking.ask(Coordinates(record.topic, record.partition, record.offset), event_id)


def scanning(client: Mapping[str, str], decoder: Decoder) -> Scan:
    """Looks through the notes of all dead letters."""

    def scan(wanted: Mapping[Coordinates, str]) -> set[Coordinates]:
        by_key = {str(at).encode(): at for at in wanted}
        found: set[Coordinates] = set()
        for record in read(client, [STATUS_TOPIC], settled=True):
            at = by_key.get(record.key or b"")
            if at is None or record.value is None:
                continue
            try:
                note = decode_now(decoder, record.value).record
            except RecordError as error:
                _log.warning("the note of %s cannot be read: %s", at, error)
                continue
            # A topic that was made anew has other dead letters at the same offsets.
            if note["event_id"] == wanted[at]:
                found.add(at)
        return found

    return scan
