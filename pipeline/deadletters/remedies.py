"""What would mend dead letters of each cause: who has to do what before they are sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.errors import Cause

_PUBLISHER: Final = "The publisher has to mend what it sends; edit the value and replay, or resolve."

_REMEDIES: Final[Mapping[Cause, str]] = {
    Cause.NULL_VALUE: "A tombstone says nothing to enrich: resolve; the publisher should not send them here.",
    Cause.EMPTY_VALUE: _PUBLISHER,
    Cause.UNDECODABLE: f"The bytes are not of the topic's format. {_PUBLISHER}",
    Cause.SCHEMA_UNKNOWN: "Register the schema it was written with (pipeline schemas register), then replay.",
    Cause.CONTRACT_BROKEN: f"A field is missing or out of its bounds; the message names it. {_PUBLISHER}",
    Cause.KEY_INVALID: "Keys are UTF-8 text. The publisher has to publish it anew under such a key; resolve.",
    Cause.TOO_LARGE: "Raise limits.record_bytes of the enrichment, or edit the value; then replay.",
    Cause.REDACTION_FAILED: "The redaction did not finish: report it; replay with the version that mends it.",
    Cause.LEAK: "A personal value was found after redaction: mend the enrichment's redaction or may_hold, then replay.",
    Cause.PROMPT_TOO_LONG: "Raise limits.input_tokens, or set limits.too_long: truncate; then replay.",
    Cause.BUDGET_SPENT: "Raise the budget or wait for its next period; then replay.",
    Cause.REFUSED: "The model declined: replay with another --tier or --prompt.",
    Cause.REQUEST_REJECTED: "The provider does not take the request: mend the tier's model or parameters; then replay.",
    Cause.ANSWER_INVALID: "No valid answer: replay with a better --prompt or a stronger --tier.",
    Cause.ANSWER_TRUNCATED: "The answer had no room: raise max_tokens of the tier, or replay with another --tier.",
    Cause.PROVIDERS_OUT: "Nobody could be asked: replay when the providers are back.",
    Cause.ENCODE_FAILED: "The answer does not fit the output's schema: mend schema or checks, then replay.",
    Cause.OUTPUT_TOO_LARGE: "Raise max.message.bytes of the topic that the message names, then replay.",
    Cause.OVERRIDE_UNKNOWN: "The workers have not the prompt, tier or version asked for: deploy it, or replay without.",
    Cause.UNEXPECTED: "A defect here: its traceback is in the dead letter; replay with the version that mends it.",
}


def remedy(cause: str) -> str:
    """One sentence or two. Empty for a cause that this version does not know."""
    return _REMEDIES[Cause(cause)] if cause in Cause.__members__.values() else ""
