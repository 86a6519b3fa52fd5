"""A point in time as people type it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_AGO = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """`2026-03-05`, `2026-03-05T14:00`, `2026-03-05T14:00+01:00` (UTC where no offset stands), or `90m` ago."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value)
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a time like 2026-03-05T14:00 (UTC) nor an age like 90m, 6h, 2d", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
