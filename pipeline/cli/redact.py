"""`pipeline redact`: personal data out of any text, without Kafka or a model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from pipeline import settings
from pipeline.errors import UsageError
from pipeline.redact import RedactionPolicy, Redactor


@click.command()
@click.argument("file", default="-", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--plain", is_flag=True, help="The file is text: print it redacted.")
@click.option("--structured", is_flag=True, help="Leave names alone: only what has a form of its own.")
@click.option("--ner", is_flag=True, help="Ask a language model about doubtful names (extra [ner]).")
@click.option("--model", default=None, help="The spaCy pipeline for --ner, by name or path [redaction.ner_model].")
def command(file: str, plain: bool, structured: bool, ner: bool, model: str | None) -> None:
    """Take personal data out of FILE (standard input when it is - or not given).

    JSON lines `{"id", "text"}` become `{"id", "text", "spans": [{"start", "end", "type", "placeholder"}]}` in the same
    order; start and end are characters of the original text.

    \b
    Examples:
      echo '{"id": 1, "text": "Write to jo@example.com"}' | pipeline redact
      pipeline redact --plain letter.txt
    """
    if structured and ner:
        raise UsageError("--structured leaves names alone: leave out --ner")
    named = model or (settings.load().redaction.ner_model if ner else "")
    redactor = Redactor(RedactionPolicy(names=not structured, ner=ner), settings.TABLES_FOLDER, model=named)
    with _opened(file) as source:
        if plain:
            text = source.read()
            redacted = redactor.redact({"text": text}).fields["text"].text
            end = "" if redacted.endswith("\n") else "\n"
            sys.stdout.buffer.write((redacted + end).encode("utf-8", "surrogateescape"))
            return
        for row_id, text in _rows(source):
            redaction = redactor.redact({"text": text})
            spans = [
                {"start": span.start, "end": span.end, "type": span.type, "placeholder": span.placeholder}
                for span in redaction.spans["text"]
            ]
            row = {"id": row_id, "text": redaction.fields["text"].text, "spans": spans}
            click.echo(json.dumps(row))


def _opened(file: str) -> TextIO:
    if file == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]  # a text stream
        return sys.stdin
    try:
        return Path(file).open(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from None


def _rows(source: TextIO) -> Iterator[tuple[object, str]]:
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise UsageError(f"line {number} is not JSON: each line is an object with id and text") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise UsageError(f"line {number} has no text: each line is an object with id and text")
        yield row.get("id"), row["text"]
