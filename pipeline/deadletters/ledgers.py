"""The topics beside the dead letters themselves: what people did, what became of it, what they mended."""

from typing import Final

from pipeline.catalogue import STATUS_TOPIC

__all__ = ["EDIT_TOPIC", "IMPORTED_AS", "OPERATION_TOPIC", "OUTCOME_TOPIC", "STATUS_TOPIC"]

OUTCOME_TOPIC: Final = "enrichment.replay-outcomes.v1"
"""What became of records sent again; written by workers in the transaction of the output."""
EDIT_TOPIC: Final = "enrichment.dead-letter-edits.v1"
"""Mended values, sealed."""
IMPORTED_AS: Final = "dead-letter-id"
"""Header on a dead letter that was imported: the id it had."""
OPERATION_TOPIC: Final = "enrichment.operations.v1"
"""The audit of people's deeds."""
