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
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
        # The first and the last day of the calendar are not to be had in every zone.
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError:
        raise UsageError(f"{text!r} is beyond the calendar") from None
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a time like 2026-03-05T14:00 (UTC) nor an age like 90m, 6h, 2d"
        ) from None
