"""When vendors switch their models off: what is announced to end is not to be started with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from pipeline.llm.providers.anthropic_messages import retired_models

_OPENAI: Sequence[tuple[str, str, str]] = (
    # announced, ends, models
    ("2023-06-13", "2024-09-13", "gpt-3.5-turbo-0301"),
    ("2023-11-06", "2024-09-13", "gpt-3.5-turbo-0613 gpt-3.5-turbo-16k-0613"),
    ("2024-06-06", "2024-12-06", "gpt-4-vision-preview gpt-4-1106-vision-preview"),
    ("2024-06-06", "2025-06-06", "gpt-4-32k gpt-4-32k-0613 gpt-4-32k-0314"),
    ("2025-04-14", "2025-07-14", "gpt-4.5-preview"),
    ("2025-04-28", "2025-07-28", "o1-preview"),
    ("2025-04-28", "2025-10-27", "o1-mini"),
    ("2025-09-26", "2026-03-26", "gpt-4-0314 gpt-4-0125-preview gpt-4-turbo-preview"),
    ("2025-09-26", "2026-09-28", "gpt-3.5-turbo-1106 gpt-3.5-turbo-instruct"),
    ("2025-11-17", "2026-02-12", "codex-mini-latest"),
    ("2025-11-18", "2026-02-17", "chatgpt-4o-latest"),
    ("2026-04-22", "2026-07-23", "gpt-4o-search-preview-2025-03-11 gpt-4o-mini-search-preview-2025-03-11 "
     "gpt-5-chat-latest gpt-5-codex gpt-5.1-chat-latest gpt-5.1-codex gpt-5.1-codex-max gpt-5.1-codex-mini "
     "gpt-5.2-codex o3-deep-research o4-mini-deep-research"),
    ("2026-04-22", "2026-10-23", "gpt-3.5-turbo gpt-3.5-turbo-0125 gpt-4 gpt-4-0613 gpt-4-1106-preview gpt-4-turbo "
     "gpt-4.1-nano gpt-4o-2024-05-13 o1 o1-pro o3-mini o4-mini"),
    ("2026-05-08", "2026-08-10", "gpt-5.2-chat-latest gpt-5.3-chat-latest"),
    ("2026-06-11", "2026-12-11", "gpt-5 gpt-5-mini gpt-5-nano gpt-5-pro o3 o3-pro"),
    ("2026-10-14", "2027-01-14", "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini"),
    ("2026-10", "2027-04-01", "gpt-5.1 gpt-5.3-codex gpt-5.4-nano"),
)  # fmt: skip
"""Models that answer chat completions, from the vendor's notices, each under its day of announcement:
developers.openai.com/api/docs/deprecations (those of October 2026 as quoted in the week they were made, by
dev.to/max_bob and dev.to/aidriftline). The vendor may move a day: its page decides."""
_ENDS: Mapping[str, str] = {model: day for _, day, models in _OPENAI for model in models.split()}
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)")


def retirement(vendor: str, model: str) -> date | None:
    """The day on which `vendor` switches the model off, or did; None when none is announced.

    Anthropic's are those that its SDK warns of. A dated snapshot ends with its model.
    """
    if vendor == "anthropic":
        said = retired_models().get(model)
        return datetime.strptime(_ORDINAL.sub("", said), "%B %d, %Y").replace(tzinfo=UTC).date() if said else None
    day = _ENDS.get(model) or _ENDS.get(_SNAPSHOT.sub("", model))
    return date.fromisoformat(day) if day else None
