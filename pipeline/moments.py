"""A point in time as people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pipeline.errors import UsageError

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, now: datetime) -> datetime:
    """`2026-03-05`, `2026-03-05T14:00`, `2026-03-05T14:00+01:00` (UTC where no offset stands), or `90m` before `now`.

    Raises UsageError when it is none of these.
    """
    if ago := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a time like 2026-03-05T14:00 (UTC) nor an age like 90m, 6h, 2d"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
