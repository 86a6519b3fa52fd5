"""`pipeline dead-letters`: see what could not be enriched and why, and send it again."""

from __future__ import annotations

import asyncio
import functools
import getpass
import json
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import click

from pipeline import catalogue, settings
from pipeline.cli.moment import Moment
from pipeline.cli.output import json_option, print_json, print_table, progress
from pipeline.deadletters import story
from pipeline.deadletters.reading import OPEN, DeadLetter, DeadLetterTopics, Filter
from pipeline.deadletters.replay import Order, Replayer, Report
from pipeline.errors import Cause, PipelineError, RecordError, Stage, UsageError
from pipeline.jsontext import to_json
from pipeline.redact import Keyring
from pipeline.serde import TopicCodecs


@click.group()
def command() -> None:
    """See what could not be enriched and why, and send it again."""


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say which dead letters; the command gets them as `topic` and `wanted`."""

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
    @click.option(
        "--since",
        type=Moment(),
        help="Died then or later: 2026-03-05T14:00 (UTC), or 90m, 6h, 2d ago.",
    )
    @click.option("--until", type=Moment(), help="Died before.")
    @click.option(
        "--status",
        type=click.Choice([OPEN, "replayed", "resolved", "all"]),
        help="What was done about it.  [default: open; all where --id is given]",
    )
    @functools.wraps(function)
    def wrapped(
        *,
        topic: str | None,
        ids: tuple[str, ...],
        causes: tuple[str, ...],
        stages: tuple[str, ...],
        tenants: tuple[str, ...],
        since: datetime | None,
        until: datetime | None,
        status: str | None,
        **others: object,
    ) -> None:
        status = status or ("all" if ids else OPEN)
        wanted = Filter(ids, causes, stages, tenants, () if status == "all" else (status,), since, until)
        function(topic=topic, wanted=wanted, **others)

    return wrapped


@command.command(name="list")
@_filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="Show the newest so many; 0: all.")
@json_option
def list_(topic: str | None, wanted: Filter, limit: int, as_json: bool) -> None:
    """List dead letters, the newest last. Options of one kind add up, options of several kinds must all hold.

    \b
    Example:
      pipeline dead-letters list --cause answer_invalid --since 6h
    """
    topics = _topics()
    chosen = topics.topics(topic)
    if as_json:
        asyncio.run(_each(topics, chosen, wanted, lambda letter: print_json(story.as_json(letter))))
        return
    rows: list[tuple[datetime, list[str]]] = []
    causes: Counter[str] = Counter()

    def keep(letter: DeadLetter) -> None:
        causes[letter.text("cause")] += 1
        when = letter.failed_at.strftime("%Y-%m-%d %H:%M:%S")
        told = [letter.text(name) for name in ("cause", "stage", "tenant_id")]
        rows.append((letter.failed_at, [letter.id, when, *told, story.concerns(letter), letter.status]))

    asyncio.run(_each(topics, chosen, wanted, keep))
    shown = sorted(rows)[-limit:] if limit else sorted(rows)
    if shown:
        print_table(
            ("id", "died (UTC)", "cause", "stage", "tenant", "entity or key", "status"), [row for _, row in shown]
        )
    left_out = f", the newest {len(shown)} shown" if len(shown) < len(rows) else ""
    click.echo(f"{_count(len(rows))}{_by(causes)}{left_out}")


@command.command()
@click.argument("letter_id", metavar="ID")
@click.option("--reveal", is_flag=True, help="Show the original too: personal data, opened with the vault's key.")
@json_option
def show(letter_id: str, reveal: bool, as_json: bool) -> None:
    """Tell the whole story of one dead letter. ID is as `list` shows it, or an event id (then its newest one).

    \b
    Example:
      pipeline dead-letters show support.tickets.v1.dead-letters/3/17
    """
    topics = _topics()
    found: list[DeadLetter] = []
    asyncio.run(_each(topics, topics.topics(_named(letter_id)), Filter(ids=[letter_id]), found.append))
    if not found:
        raise UsageError(f"no dead letter {letter_id}: pipeline dead-letters list --status all")
    letter = max(found, key=lambda letter: letter.failed_at)
    original = asyncio.run(_original(topics, letter)) if reveal else None
    if as_json:
        print_json(story.as_json(letter) | ({"original": original} if reveal else {}))
        return
    width = max(len(name) for name, _ in story.lines(letter))
    for name, text in story.lines(letter):
        click.echo(f"{name:<{width}}  {text}")
    if reveal:
        click.echo(f"\n{original if isinstance(original, str) else _indented(original)}")


@command.command()
@_filters
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@click.option(
    "--rate", default=0.0, type=click.FloatRange(min=0), metavar="N", help="Records a second.  [default: all]"
)
@click.option("--why", default="", metavar="TEXT", help="Kept with each record: what was mended.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def replay(topic: str | None, wanted: Filter, dry_run: bool, rate: float, why: str, yes: bool, as_json: bool) -> None:
    """Send dead letters to their input topics again, each once, however often this is run or killed.

    A record comes after whatever its key had since. Exit code 1 when an original could not be opened.

    \b
    Example:
      pipeline dead-letters replay --cause answer_invalid --since 6h --dry-run
    """
    topics = _topics()
    letters: dict[str, list[DeadLetter]] = {name: [] for name in topics.topics(topic)}
    asyncio.run(_each(topics, list(letters), wanted, lambda letter: letters[letter.topic].append(letter)))
    total = sum(map(len, letters.values()))
    if not as_json:
        _preview(letters)
    if dry_run or not total:
        if as_json:
            print_json({name: Counter(one.text("cause") for one in found) for name, found in letters.items()})
        else:
            click.echo("nothing was sent" if dry_run else "nothing to send")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("say --yes to send them where nobody can be asked, or --dry-run to only look")
        click.confirm(f"Send {_count(total)} again?", abort=True)
    order = Order(f"{getpass.getuser()}@{socket.gethostname()}", why, rate)
    reports = asyncio.run(_replay(topics, letters, order, total))
    _tell(reports, as_json)
    if any(report.unreadable for report in reports):
        raise PipelineError("some originals could not be sent again, see above")


async def _replay(
    topics: DeadLetterTopics, letters: Mapping[str, Sequence[DeadLetter]], order: Order, total: int
) -> list[Report]:
    keyring = _keyring()
    reports, done = [], 0
    with progress("sent") as counted:

        def sent(records: int) -> None:
            nonlocal done
            done += records
            counted(done, done / total)

        for topic, found in letters.items():
            if found:
                reports.append(await Replayer(topics, topic, keyring).replay(found, order, sent))
    return reports


async def _each(
    topics: DeadLetterTopics, names: Sequence[str], wanted: Filter, take: Callable[[DeadLetter], object]
) -> None:
    async for letter in topics.letters(names, wanted):
        take(letter)


async def _original(topics: DeadLetterTopics, letter: DeadLetter) -> object:
    """The original as its topic reads it; as text or base64 where it cannot be read so. None for a null value."""
    value = Replayer(topics, letter.topic, _keyring()).original(letter)
    if value is None:
        return None
    try:
        source = letter.envelope["source"]
        assert isinstance(source, Mapping)
        return (await topics.codecs.decoder(str(source["topic"])).decode(value)).record
    except RecordError:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return f"base64 {json.loads(to_json(value))}"


def _preview(letters: Mapping[str, Sequence[DeadLetter]]) -> None:
    for topic, found in letters.items():
        if not found:
            continue
        causes = Counter(letter.text("cause") for letter in found)
        click.echo(f"{topic}: {_count(len(found))}{_by(causes)}")
        if lost := sum(not story.kept(letter) for letter in found):
            click.echo(f"  {lost} of them cannot be sent: the original was too large to keep")


def _tell(reports: Sequence[Report], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "replay_id": reports[0].replay_id,
                "sent": sum(report.sent for report in reports),
                "already": sum(report.already for report in reports),
                "unreadable": {name: why for report in reports for name, why in report.unreadable.items()},
            }
        )
        return
    for report in reports:
        for name, why in report.unreadable.items():
            click.echo(f"not sent {name}: {why}")
    already = sum(report.already for report in reports)
    click.echo(
        f"sent {sum(report.sent for report in reports)} again (replay {reports[0].replay_id})"
        + (f"; {already} were sent before" if already else "")
    )


def _topics() -> DeadLetterTopics:
    effective = settings.load()
    client = effective.kafka.client()
    return DeadLetterTopics(TopicCodecs(catalogue.load(effective.catalogue), effective.registry), client)


def _keyring() -> Keyring:
    keys = settings.load().vault.keys
    if keys is None:
        raise UsageError("no vault key, so no original can be opened: set PIPELINE_VAULT__KEYS")
    return Keyring.parse(keys.get_secret_value())


def _named(letter_id: str) -> str | None:
    """The topic that an id names; an event id names none."""
    parts = letter_id.rsplit("/", 2)
    return parts[0] if len(parts) == 3 else None


def _count(letters: int) -> str:
    return f"{letters:,} dead letter{'' if letters == 1 else 's'}"


def _by(causes: Counter[str]) -> str:
    return f" ({', '.join(f'{count} {cause}' for cause, count in causes.most_common())})" if causes else ""


def _indented(value: object) -> str:
    return json.dumps(json.loads(to_json(value)), indent=2, ensure_ascii=False)
