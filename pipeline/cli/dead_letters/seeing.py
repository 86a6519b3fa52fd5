"""`list`, `groups`, `show`, `watch`, `stats`, `audit`: what there is, in numbers, one by one, and as it comes."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from rich.table import Table

from pipeline.cli.dead_letters.choosing import by, count, filters, of_topic
from pipeline.cli.dead_letters.desk import actor, opened
from pipeline.cli.output import console, json_option, print_json
from pipeline.deadletters import story
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.index import Entry, Group
from pipeline.deadletters.remedies import remedy

_LOOK_S = 1.0
"""Between two looks of `watch`."""


@click.command(name="list")
@filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="Show the newest so many; 0: all.")
@json_option
def list_(topic: str | None, wanted: Filter, limit: int, as_json: bool) -> None:
    """List dead letters, the newest last. Options of one kind add up, options of several kinds must all hold.

    \b
    Example:
      pipeline dead-letters list --cause answer_invalid --since 6h
    """
    desk = opened()
    wanted = of_topic(desk, topic, wanted)
    entries = desk.letters(wanted, 0 if as_json else limit)
    if as_json:
        for entry in entries:
            print_json(story.row_as_json(entry))
        return
    causes = desk.causes(wanted)
    if entries:
        _print(("id", "died (UTC)", "cause", "stage", "tenant", "entity or key", "calls", "status"), map(_row, entries))
    total = sum(causes.values())
    left_out = f", the newest {len(entries):,} shown" if len(entries) < total else ""
    click.echo(f"{count(total)}{by(causes)}{left_out}")


@click.command()
@filters
@json_option
def groups(topic: str | None, wanted: Filter, as_json: bool) -> None:
    """Group dead letters by fingerprint: same cause, same shape. The largest first, with what would mend it.

    The trend compares the last hour with the one before.

    \b
    Example:
      pipeline dead-letters groups --since 2d
    """
    desk = opened()
    found = desk.groups(of_topic(desk, topic, wanted), datetime.now(UTC))
    if as_json:
        for group in found:
            print_json(_group_as_json(group))
        return
    for group in found:
        click.echo(f"{group.count:,} {group.cause} at {group.stage} in {group.enrichment} ({group.fingerprint})")
        click.echo(f"  {group.message}")
        click.echo(
            f"  {group.trend}: {group.recent:,} in the last hour; first {_when(group.first_seen)}, "
            f"last {_when(group.last_seen)}; {group.tenants:,} tenant{'' if group.tenants == 1 else 's'}"
        )
        click.echo(f"  example: pipeline dead-letters show {group.example}")
        click.echo(f"  {remedy(group.cause)}")
    total = sum(group.count for group in found)
    click.echo(f"{count(total)} in {len(found):,} group{'' if len(found) == 1 else 's'}")


@click.command()
@click.argument("letter_id", metavar="ID")
@click.option("--reveal", is_flag=True, help="Show the original too: personal data, opened with the vault's key.")
@click.option("--why", default="", metavar="TEXT", help="With --reveal, for the audit.")
@json_option
def show(letter_id: str, reveal: bool, why: str, as_json: bool) -> None:
    """Tell the whole story of one dead letter. ID is as `list` shows it, or an event id (then its newest one).

    --reveal is audited, and takes the role privacy.

    \b
    Example:
      pipeline dead-letters show support.tickets.v1.dead-letters/3/17
    """
    desk = opened()
    found = desk.story(letter_id)
    revealed = desk.reveal(actor(), found, why) if reveal else None
    if as_json:
        told = story.as_json(found)
        if revealed is not None:
            told |= {"original": revealed.original.text, "diffs": revealed.diffs}
        print_json(told)
        return
    width = max(len(name) for name, _ in story.lines(found))
    for name, text in story.lines(found):
        click.echo(f"{name:<{width}}  {text}")
    if revealed is not None:
        click.echo(f"\n{revealed.original.text}")
        for diff in revealed.diffs:
            click.echo(f"\n{diff}")


@click.command()
@filters
@click.option("--for", "seconds", type=float, default=None, metavar="SECONDS", help="End after so long.")
@json_option
def watch(topic: str | None, wanted: Filter, seconds: float | None, as_json: bool) -> None:
    """Show dead letters as they come, until Ctrl-C.

    \b
    Example:
      pipeline dead-letters watch --cause leak
    """
    desk = opened()
    wanted = of_topic(desk, topic, wanted)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if seconds is not None:
        timer = threading.Timer(seconds, ended.set)
        timer.daemon = True
        timer.start()
    _, place = desk.news(wanted)
    while not ended.wait(_LOOK_S):
        desk.catch_up()
        entries, place = desk.news(wanted, place)
        for entry in entries:
            if as_json:
                print_json(story.row_as_json(entry))
            else:
                click.echo(f"{_when(entry.failed_at)}  {entry.cause} at {entry.stage}  {entry.message}  {entry.id}")


@click.command()
@filters
@json_option
def stats(topic: str | None, wanted: Filter, as_json: bool) -> None:
    """Count dead letters by status, cause, stage, topic and tenant.

    \b
    Example:
      pipeline dead-letters stats --status all
    """
    desk = opened()
    found = desk.stats(of_topic(desk, topic, wanted))
    kinds = {
        "status": found.by_status,
        "cause": found.by_cause,
        "stage": found.by_stage,
        "topic": found.by_topic,
        "tenant": found.by_tenant,
    }
    if as_json:
        oldest = found.oldest_open
        times = {"oldest_open": oldest, "next_try_at": found.next_try_at}
        print_json({"total": found.total, **kinds, "cost_usd": found.cost_usd, **times})
        return
    for kind, numbers in kinds.items():
        for name, number in itertools.islice(numbers.items(), 20):
            click.echo(f"{kind:<7} {number:>9,}  {name or 'unknown'}")
    oldest_open = f", the oldest open since {_when(found.oldest_open)}" if found.oldest_open else ""
    next_try = f", the next try at {_when(found.next_try_at)}" if found.next_try_at else ""
    click.echo(f"{count(found.total)}{oldest_open}{next_try}; their calls cost {found.cost_usd:.4f} USD")


@click.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="Show the newest so many; 0: all.")
@json_option
def audit(limit: int, as_json: bool) -> None:
    """Show what people did with dead letters and workers, the newest last.

    \b
    Example:
      pipeline dead-letters audit --limit 10
    """
    for done in opened().operations(limit):
        about = str(done.letter or done.enrichment or done.replay_id)
        if as_json:
            print_json(
                {
                    "at": done.at,
                    "by": done.by,
                    "action": done.action,
                    "result": done.result,
                    "why": done.why,
                    "id": str(done.letter or "") or None,
                    "event_id": done.event_id,
                    "replay_id": done.replay_id,
                    "enrichment": done.enrichment,
                    "detail": done.detail,
                }
            )
        else:
            parts = [f"{_when(done.at)} {done.by} {done.action}: {done.result}", about, done.detail, done.why]
            click.echo("; ".join(part for part in parts if part))


def _row(entry: Entry) -> Sequence[str]:
    tried = f" (try {entry.replays + 1})" if entry.replays else ""
    status = entry.status.value.replace("_", " ") + tried
    if entry.status is Status.WAITING and entry.next_try_at is not None:
        status += f" until {entry.next_try_at.strftime('%Y-%m-%d %H:%M:%S')}"
    names = (entry.cause, entry.stage, entry.tenant_id, entry.entity)
    return (entry.id, entry.failed_at.strftime("%Y-%m-%d %H:%M:%S"), *names, str(entry.attempts), status)


def _print(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table, markup=False)


def _group_as_json(group: Group) -> dict[str, object]:
    return {
        "fingerprint": group.fingerprint,
        "cause": group.cause,
        "stage": group.stage,
        "enrichment": group.enrichment,
        "message": group.message,
        "count": group.count,
        "last_hour": group.recent,
        "trend": group.trend,
        "first_seen": group.first_seen,
        "last_seen": group.last_seen,
        "tenants": group.tenants,
        "cost_usd": group.cost_usd,
        "example": group.example,
        "remedy": remedy(group.cause),
    }


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
