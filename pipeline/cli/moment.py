"""A point in time as an option."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from pipeline.errors import UsageError
from pipeline.moments import moment


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """`2026-03-05`, `2026-03-05T14:00`, `2026-03-05T14:00+01:00` (UTC where no offset stands), or `90m` ago."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment(str(value), datetime.now(UTC))
        except UsageError as error:
            self.fail(str(error), param, ctx)
