"""The topics beside the dead letters themselves: what people did, what became of it, what they mended."""

from typing import Final

STATUS_TOPIC: Final = "enrichment.dead-letter-status.v1"
"""What was done about each dead letter; the newest record of a key stands."""
OUTCOME_TOPIC: Final = "enrichment.replay-outcomes.v1"
"""What became of records sent again; written by workers in the transaction of the output."""
EDIT_TOPIC: Final = "enrichment.dead-letter-edits.v1"
"""Mended values, sealed."""
IMPORTED_AS: Final = "dead-letter-id"
"""Header on a dead letter that was imported: the id it had."""
OPERATION_TOPIC: Final = "enrichment.operations.v1"
"""The audit of people's deeds."""
