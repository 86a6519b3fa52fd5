"""`pipeline publish`: lines of a file to a topic."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import click
import orjson

from pipeline import catalogue, settings
from pipeline.cli.lines import CheckedLines, Lines, RawLines
from pipeline.cli.output import Counting, json_option, print_json, progress
from pipeline.deadletters.pace import Pace
from pipeline.errors import RecordError, UsageError
from pipeline.serde import TopicCodecs
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Headers

_SHOWN = 10
"""Invalid lines that are told one by one."""
_SHORTEST_WAIT_S = 0.002
"""Shorter waits are left to add up: sleeping takes longer than they are."""
_LOOKED_AT = 64 << 20
"""Bytes of a file that are read at once to say what it is."""


@click.command()
@click.argument("topic")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--rate", type=click.FloatRange(min=0), default=0, help="Records a second; as fast as it goes if not set."
)
@click.option("--key", default="", metavar="FIELD", help="The field that becomes the key, instead of the catalogue's.")
@click.option("--header", "headers", multiple=True, metavar="NAME=TEXT", help="A header of every record; repeatable.")
@click.option("--skip-invalid", is_flag=True, help="Publish the valid lines and report the others.")
@click.option("--raw", is_flag=True, help="Publish bytes unchecked, to test how bad records are handled.")
@json_option
def command(
    topic: str,
    file: Path,
    rate: float,
    key: str,
    headers: tuple[str, ...],
    skip_invalid: bool,
    raw: bool,
    as_json: bool,
) -> None:
    """Publish the lines of FILE (- for standard input), one JSON object each, to TOPIC.

    Lines are checked against the topic's schema and written as Avro or JSON, as the catalogue says. A file is checked
    as a whole first: if a line is not valid, nothing is published. Standard input is published as it comes, up to the
    first line that is not valid.

    With --raw a line is the value as it stands, or
    {"key": "...", "value_base64": "...", "headers": {"name": "text"}}, with key_base64 for keys that are no text.

    \b
    Examples:
      pipeline publish support.tickets.v1 tickets.jsonl
      jq -c .items[] export.json | pipeline publish support.tickets.v1 - --skip-invalid
    """
    effective = settings.load()
    client = effective.kafka.client()
    known = catalogue.load(effective.catalogue)
    known.topic(topic)
    fixed = _headers(headers)
    if raw:
        lines: Lines = RawLines(topic, fixed)
    else:
        lines = CheckedLines(known, topic, TopicCodecs(known, effective.registry).codec(topic), key, fixed)
    done = _Done(topic)
    if not raw and not skip_invalid and file.is_file():
        _check(lines, file)
    done.began = time.monotonic()
    publisher = Publisher(client)
    try:
        with publisher, _opened(file) as source, progress(f"publishing to {topic}") as tell:
            try:
                _publish(source, lines, publisher, Pace(rate), done, skip_invalid, tell)
            except KeyboardInterrupt:
                done.interrupted = True
    finally:
        done.published = publisher.delivered
        if isinstance(lines, CheckedLines):
            done.unknown = dict(lines.unknown.most_common(_SHOWN))
        _tell(done, as_json)
    if done.wrong_line:
        raise UsageError(f"{done.wrong_line}; the {done.published:,} records before it are published")
    if done.interrupted:
        raise click.Abort


@dataclass
class _Done:
    """What came of it."""

    topic: str
    published: int = 0
    invalid: int = 0
    interrupted: bool = False
    wrong_line: str = ""
    """The line that ended it."""
    unknown: dict[str, int] = field(default_factory=dict)
    began: float = 0.0
    """When the first record was to go, in monotonic seconds."""


def _publish(
    source: BinaryIO,
    lines: Lines,
    publisher: Publisher,
    pace: Pace,
    done: _Done,
    skip_invalid: bool,
    tell: Counting,
) -> None:
    size, read = _size(source), 0
    for number, line in _numbered(source):
        read += len(line) + 1
        try:
            output = lines.read(line)
        except RecordError as error:
            if not skip_invalid:
                done.wrong_line = f"line {number} is not valid: {error.message}"
                return
            done.invalid += 1
            if done.invalid <= _SHOWN:
                click.echo(f"line {number}: {error.message}", err=True)
            continue
        if (wait := pace.due(time.monotonic(), 1)) > _SHORTEST_WAIT_S:
            time.sleep(wait)
        publisher.send(output)
        tell(publisher.delivered, min(1.0, read / size) if size else None)


def _check(lines: Lines, file: Path) -> None:
    """All lines of a file. Raises UsageError when one is not valid: nothing is published then."""
    wrong: list[str] = []
    total = 0
    with _opened(file) as source, progress("checking") as tell:
        for number, line in _numbered(source):
            total += 1
            try:
                lines.read(line)
            except RecordError as error:
                wrong.append(f"line {number}: {error.message}")
            tell(total, None)
    if isinstance(lines, CheckedLines):
        lines.unknown.clear()
    if len(wrong) == total and _is_one_document(file):
        raise UsageError(
            f"{file} is one JSON document over several lines: write each record on its own (jq -c . {file})"
        )
    for told in wrong[:_SHOWN]:
        click.echo(told, err=True)
    if wrong:
        raise UsageError(
            f"{len(wrong):,} of {total:,} lines of {file} are not valid: nothing is published "
            "(--skip-invalid publishes the others)"
        )


def _is_one_document(file: Path) -> bool:
    """Whether somebody gave pretty-printed JSON."""
    if file.stat().st_size > _LOOKED_AT:
        return False
    try:
        orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        return False
    return True


def _numbered(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(source, 1):
        if stripped := line.strip():
            yield number, stripped


def _opened(file: Path) -> AbstractContextManager[BinaryIO]:
    if str(file) == "-":
        return nullcontext(sys.stdin.buffer)
    return file.open("rb")


def _size(source: BinaryIO) -> int:
    """Bytes of a file; 0 for what has no size."""
    try:
        return os.fstat(source.fileno()).st_size
    except OSError:
        return 0


def _headers(given: tuple[str, ...]) -> Headers:
    found = []
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not NAME=TEXT", param_hint="--header")
        found.append((name, value.encode()))
    return tuple(found)


def _tell(done: _Done, as_json: bool) -> None:
    seconds = time.monotonic() - done.began
    rate = done.published / seconds if seconds else 0.0
    if as_json:
        print_json(
            {
                "topic": done.topic,
                "published": done.published,
                "invalid": done.invalid,
                "unknown_fields": done.unknown,
                "seconds": round(seconds, 3),
                "per_second": round(rate, 1),
            }
        )
        return
    click.echo(f"published {done.published:,} records to {done.topic} in {seconds:.1f} s ({rate:,.0f} a second)")
    if done.invalid:
        click.echo(f"left out {done.invalid:,} lines that are not valid", err=True)
    for name, count in done.unknown.items():
        click.echo(f"left out field {name} of {count:,} records: the schema does not have it", err=True)
