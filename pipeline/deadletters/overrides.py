"""With what a record that is sent again is to be enriched: another prompt version or tier, or a version to insist on.

It travels in a header, sealed with the vault key and bound to event and replay: a publisher cannot choose a tier.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pipeline.catalogue import Enrichment
from pipeline.deadletters.envelope import replay_of
from pipeline.deadletters.history import OVERRIDE
from pipeline.errors import RedactionError, UsageError
from pipeline.stream.record import Record
from pipeline.vault import Keyring, associated_data


@dataclass(frozen=True, slots=True)
class Override:
    """Empty where nothing is overridden. `enrichment_version` is the one that a worker must run."""

    prompt: str = ""
    tier: str = ""
    enrichment_version: str = ""

    def __bool__(self) -> bool:
        return bool(self.prompt or self.tier or self.enrichment_version)

    def sealed(self, keyring: Keyring, event_id: str, replay_id: str) -> bytes:
        """The header's value."""
        return keyring.seal(json.dumps(asdict(self)).encode(), _bound(event_id, replay_id))

    def require(self, enrichment: Enrichment) -> None:
        """Raises UsageError when a worker of this catalogue would not know what is asked for."""
        name, spec = enrichment.name, enrichment.spec
        if self.prompt and not enrichment.prompt_of(self.prompt).is_file():
            raise UsageError(f"enrichment {name} has no prompt {self.prompt}")
        if self.tier and self.tier not in [tier.name for tier in spec.tiers]:
            there = ", ".join(tier.name for tier in spec.tiers)
            raise UsageError(f"enrichment {name} has no tier {self.tier}; there are: {there}")
        if self.enrichment_version not in ("", spec.version):
            raise UsageError(f"enrichment {name} is {spec.version} here, not {self.enrichment_version}")


NOTHING = Override()


def override_of(record: Record, event_id: str, keyring: Keyring) -> Override:
    """What the replayer asked for; what is not from it, or not for this record, counts as nothing."""
    sealed = next((value for name, value in record.headers if name == OVERRIDE), None)
    if sealed is None:
        return NOTHING
    try:
        return Override(**json.loads(keyring.open(sealed, _bound(event_id, replay_of(record)))))
    except (RedactionError, ValueError, TypeError):
        return NOTHING


def _bound(event_id: str, replay_id: str) -> bytes:
    return associated_data("override", 0, 0, f"{event_id} {replay_id}")
