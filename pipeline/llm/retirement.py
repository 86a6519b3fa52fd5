"""When vendors switch their models off: what is announced to end is not to be started with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

from pipeline.llm.providers.anthropic_messages import retired_models

_OPENAI: Mapping[str, str] = {
    "gpt-4-vision-preview": "2024-12-06",
    "gpt-4-32k": "2025-06-06",
    "gpt-4.5-preview": "2025-07-14",
    "o1-preview": "2025-07-28",
    "o1-mini": "2025-10-27",
    "chatgpt-4o-latest": "2026-02-17",
    **dict.fromkeys(
        ("gpt-5-codex", "gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5.1-codex-mini", "gpt-5.2-codex",
         "gpt-5-chat-latest", "gpt-5.1-chat-latest", "gpt-4o-search-preview", "gpt-4o-mini-search-preview",
         "gpt-4o-audio-preview", "gpt-4o-mini-audio-preview", "o3-deep-research", "o4-mini-deep-research"),
        "2026-07-23",
    ),
    **dict.fromkeys(
        ("gpt-3.5-turbo", "gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613", "gpt-3.5-turbo-1106", "gpt-3.5-turbo-0125",
         "gpt-4", "gpt-4-0613", "gpt-4-1106-preview", "gpt-4-turbo", "gpt-4-turbo-preview", "gpt-4o-2024-05-13",
         "o1", "o1-pro", "o3-mini", "o4-mini", "gpt-4.1-nano"),
        "2026-10-23",
    ),
    **dict.fromkeys(("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-pro", "o3", "o3-pro"), "2026-12-11"),
    **dict.fromkeys(("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"), "2027-01-14"),
    "gpt-5.1": "2027-04-01",
}  # fmt: skip
"""Model to the day it ends, as far as was known in November 2026. The vendor's page decides, and was not read whole:
developers.openai.com/api/docs/deprecations."""
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)")


def retirement(vendor: str, model: str) -> date | None:
    """The day on which `vendor` switches the model off, or did; None when none is announced.

    Anthropic's are those that its SDK warns of. A dated snapshot ends with its model.
    """
    if vendor == "anthropic":
        said = retired_models().get(model)
        return datetime.strptime(_ORDINAL.sub("", said), "%B %d, %Y").replace(tzinfo=UTC).date() if said else None
    day = _OPENAI.get(model) or _OPENAI.get(_SNAPSHOT.sub("", model))
    return date.fromisoformat(day) if day else None
