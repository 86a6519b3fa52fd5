"""What code adds to a ticket: who owns it and until when."""

from collections.abc import Mapping
from datetime import datetime

from pipeline.catalogue import EnrichmentSpec


def finish(
    answer: Mapping[str, object], record: Mapping[str, object], spec: EnrichmentSpec, received_at: datetime
) -> Mapping[str, object]:
    """`team` and `due_at` from the label table; the clock starts when the customer wrote."""
    label = next(label for label in spec.labels if label.label == answer["category"])
    written = record.get("created_at")
    start = written if isinstance(written, datetime) else received_at
    return {"team": label.team, "due_at": start + label.service_level if label.service_level else None}
