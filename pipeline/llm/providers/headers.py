"""Rate-limit headers of both vendors, read in one pass over the raw list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.llm.providers.provider import NO_LIMITS, Limits, Window

_OPENAI = b"x-ratelimit-"
_ANTHROPIC = b"anthropic-ratelimit-"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def read_limits(headers: Sequence[tuple[bytes, bytes]], *, resets: bool = False) -> Limits:
    """What the response says of its quotas. `resets` reads the times of refill too, which only a 429 needs.

    A header that cannot be read is as if it were not there: quotas must not fail calls that succeeded.
    """
    found: dict[tuple[str, str], str] = {}
    retry_after: float | None = None
    for raw_name, raw_value in headers:
        name = raw_name.lower()
        if name.startswith(_OPENAI):
            field, _, quota = name[len(_OPENAI) :].decode("ascii", "replace").partition("-")
            found[quota, field] = raw_value.decode("ascii", "replace")
        elif name.startswith(_ANTHROPIC):
            quota, _, field = name[len(_ANTHROPIC) :].decode("ascii", "replace").rpartition("-")
            found[quota, field] = raw_value.decode("ascii", "replace")
        elif name == b"retry-after-ms":
            retry_after = _milliseconds(raw_value)
        elif name == b"retry-after" and retry_after is None:
            retry_after = _retry_after(raw_value.decode("ascii", "replace"))
    if not found and retry_after is None:
        return NO_LIMITS
    return Limits(
        requests=_window(found, "requests", resets),
        tokens=_window(found, "tokens", resets),
        input_tokens=_window(found, "input-tokens", resets),
        output_tokens=_window(found, "output-tokens", resets),
        retry_after_s=retry_after,
    )


def _window(found: dict[tuple[str, str], str], quota: str, resets: bool) -> Window | None:
    try:
        limit, remaining = int(found[quota, "limit"]), int(found[quota, "remaining"])
    except (KeyError, ValueError):
        return None
    return Window(limit, remaining, _reset(found.get((quota, "reset"), "")) if resets else None)


def _reset(text: str) -> float | None:
    """Seconds from `6m0s` or `20ms` (OpenAI) or from a time such as `2026-11-02T10:00:00Z` (Anthropic)."""
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return max(0.0, (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _milliseconds(raw: bytes) -> float | None:
    try:
        return max(0.0, float(raw) / 1000)
    except ValueError:
        return None


def _retry_after(text: str) -> float | None:
    """Seconds, or a date (RFC 9110)."""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
