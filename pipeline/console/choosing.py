"""The filter of dead letters as the pages' form has it, and as addresses carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from pipeline.console.forms import Form
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter, Status
from pipeline.errors import Cause, Stage, UsageError
from pipeline.moments import moment

NAMES: Final = ("topic", "cause", "stage", "tenant", "fingerprint", "status", "since", "until", "id")
"""The fields of the form."""
ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, as it was written."""

    written: Mapping[str, str]

    @classmethod
    def of(cls, form: Form) -> Choice:
        """From the form's fields."""
        return cls({name: form.text(name) for name in NAMES if form.text(name)})

    def filter(self, desk: Desk) -> Filter:
        """Raises UsageError that says what cannot be understood."""
        told = self.written
        now = datetime.now(UTC)
        since, until = (moment(told[name], now) if name in told else None for name in ("since", "until"))
        if since is not None and until is not None and since >= until:
            raise UsageError("“Died since” is not before “until”: nothing can have died between them")
        return Filter(
            ids=_one(told, "id"),
            topics=desk.topics(told["topic"]) if "topic" in told else (),
            causes=_one(told, "cause", list(Cause)),
            stages=_one(told, "stage", list(Stage)),
            tenants=_one(told, "tenant"),
            fingerprints=_one(told, "fingerprint"),
            statuses=self._statuses(),
            since=since,
            until=until,
        )

    def _statuses(self) -> tuple[Status, ...]:
        chosen = self.written.get("status") or (ALL if "id" in self.written else Status.OPEN)
        if chosen == ALL:
            return ()
        (found,) = _one({"status": chosen}, "status", list(Status))
        return (Status(found),)

    @property
    def narrowed(self) -> bool:
        """Whether anything but the status was chosen: what changes many asks for that."""
        return bool(self.written.keys() - {"status"})

    def query(self, **others: str) -> str:
        """For an address; `others` replace what was chosen, empty ones take it out."""
        return urlencode([(name, value) for name, value in {**self.written, **others}.items() if value])


def _one(told: Mapping[str, str], name: str, known: Sequence[str] | None = None) -> tuple[str, ...]:
    if name not in told:
        return ()
    if known is not None and told[name] not in known:
        raise UsageError(f"there is no such {name}; there are: {', '.join(known)}")
    return (told[name],)
