"""The options that say which dead letters, the same for every command."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import click

from pipeline.cli.moment import Moment
from pipeline.deadletters.desk import Desk
from pipeline.deadletters.filter import Filter, Status
from pipeline.errors import Cause, Stage, UsageError

_STATUSES: Final = [status.value.replace("_", "-") for status in Status]
_ALL: Final = "all"


def filters(function: Callable[..., None]) -> Callable[..., None]:
    """The command gets `topic` and `wanted`, which `of_topic` puts together once there is a desk.

    Ids may be given as the command's argument `named`, too.
    """

    @click.option("--topic", metavar="TOPIC", help="An input topic or its dead-letter topic.  [default: all]")
    @click.option("--id", "ids", multiple=True, metavar="ID", help="As `list` shows it, or an event id.")
    @click.option(
        "--cause",
        "causes",
        multiple=True,
        type=click.Choice([cause.value for cause in Cause]),
        metavar="CAUSE",
        help="Why it died.",
    )
    @click.option(
        "--stage",
        "stages",
        multiple=True,
        type=click.Choice([stage.value for stage in Stage]),
        metavar="STAGE",
        help="Where.",
    )
    @click.option("--tenant", "tenants", multiple=True, metavar="TENANT", help="Whose record it is.")
    @click.option("--fingerprint", "fingerprints", multiple=True, metavar="FINGERPRINT", help="As `groups` shows it.")
    @click.option("--since", type=Moment(), help="Died then or later: 2026-03-05T14:00 (UTC), or 90m, 6h, 2d ago.")
    @click.option("--until", type=Moment(), help="Died before.")
    @click.option("--attempts", type=click.IntRange(0), default=0, metavar="N", help="At least N calls were made.")
    @click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice([*_STATUSES, _ALL]),
        help="How it stands.  [default: open; all where --id is given]",
    )
    @functools.wraps(function)
    def wrapped(
        *,
        topic: str | None,
        ids: tuple[str, ...],
        causes: tuple[str, ...],
        stages: tuple[str, ...],
        tenants: tuple[str, ...],
        fingerprints: tuple[str, ...],
        since: datetime | None,
        until: datetime | None,
        attempts: int,
        statuses: tuple[str, ...],
        named: tuple[str, ...] = (),
        **others: object,
    ) -> None:
        ids = (*ids, *named)
        chosen = statuses or ((_ALL,) if ids else (Status.OPEN.value,))
        wanted = Filter(
            ids=ids,
            causes=causes,
            stages=stages,
            tenants=tenants,
            fingerprints=fingerprints,
            statuses=() if _ALL in chosen else tuple(Status(name.replace("-", "_")) for name in chosen),
            since=since,
            until=until,
            attempts=attempts,
        )
        if since is not None and until is not None and since >= until:
            raise UsageError("--since is not before --until: nothing can have died between them")
        function(topic=topic, wanted=wanted, **others)

    return wrapped


def of_topic(desk: Desk, topic: str | None, wanted: Filter) -> Filter:
    """The filter, for one topic where one is named. Raises UsageError when it has no dead letters."""
    return wanted if topic is None else replace(wanted, topics=desk.topics(topic))


def narrowed(topic: str | None, wanted: Filter) -> bool:
    """Whether anything but the status was said: what changes many asks for that."""
    return bool(topic) or replace(wanted, statuses=()) != Filter()


def count(letters: int) -> str:
    """In words."""
    return f"{letters:,} dead letter{'' if letters == 1 else 's'}"


def by(causes: Mapping[str, int]) -> str:
    """How many of each, in words."""
    most = Counter(causes).most_common()
    return f" ({', '.join(f'{number:,} {cause}' for cause, number in most)})" if causes else ""
