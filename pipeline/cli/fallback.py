"""`pipeline fallback`: the classifier that sorts records where no model is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline import catalogue, contract, settings
from pipeline.catalogue import Catalogue, Enrichment
from pipeline.cli.output import json_option, print_json, print_table, progress
from pipeline.conditions import meets
from pipeline.errors import RecordError, UsageError
from pipeline.llm.classifier import Classifier, Evaluation, evaluate
from pipeline.llm.classifier.training import check_installed, train
from pipeline.llm.compression import compress
from pipeline.questions import Questions
from pipeline.redact import RedactionPolicy, Redactor
from pipeline.serde import Decoder, TopicCodecs
from pipeline.settings import Settings
from pipeline.stream.reader import read

Rows = list[tuple[str, str]]
"""Redacted text and label."""
_FILE = click.Path(dir_okay=False, path_type=Path)
_simulated = click.option("--simulated", is_flag=True, help="Of the topics, take the simulator's answers too.")
_sure = click.option(
    "--sure", type=click.FloatRange(0, 1), default=0.7, show_default=True, help="Of the topics, the least confidence."
)


@click.group()
def command() -> None:
    """Train and measure the classifier that sorts records where no model is asked."""


@command.command("train")
@click.argument("enrichment")
@click.argument("file", required=False, type=_FILE)
@click.option("--out", type=_FILE, help="Where to write the classifier.  [default: ENRICHMENT.json]")
@click.option(
    "--hold-out", type=click.FloatRange(0.05, 0.5), default=0.2, show_default=True, help="Share to measure it on."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which rows are held out.")
@_sure
@_simulated
@json_option
def train_command(
    enrichment: str,
    file: Path | None,
    out: Path | None,
    hold_out: float,
    seed: int,
    sure: float,
    simulated: bool,
    as_json: bool,
) -> None:
    """Train a classifier for ENRICHMENT and show how it does on rows that it did not see.

    From FILE, JSON lines `{"text", "label"}`; else from the enrichment's topics: the committed answers of models,
    each with its input as long as Kafka keeps it. Texts are redacted first, as a model's are. Needs the extra
    `local` (scikit-learn); the classifier itself needs nothing.

    \b
    Examples:
      pipeline fallback train tickets sorted.jsonl --out classifiers/tickets-1.json
      pipeline fallback train tickets --sure 0.9
    """
    check_installed()
    found = _known().enrichment(enrichment)
    labels = [label.label for label in found.spec.labels]
    if not labels:
        raise UsageError(f"enrichment {enrichment} has no labels: there is nothing to classify")
    rows = _rows(found, file, sure, simulated)
    made, measured = train(found.name, labels, rows, datetime.now(UTC), hold_out=hold_out, seed=seed)
    path = out or Path(f"{enrichment}.json")
    made.save(path)
    if as_json:
        print_json({"file": str(path), "training": made.training.model_dump(), **asdict(measured)})
        return
    left = "".join(f", {label} left out with {count}" for label, count in made.training.left_out.items())
    click.echo(f"{path}: {len(made.classes)} labels from {made.training.rows} rows{left}")
    _show(measured)


@command.command("eval")
@click.argument("classifier", type=_FILE)
@click.argument("file", required=False, type=_FILE)
@_sure
@_simulated
@json_option
def eval_command(classifier: Path, file: Path | None, sure: float, simulated: bool, as_json: bool) -> None:
    """Show how often CLASSIFIER agrees with the labels of FILE, or with the answers in its enrichment's topics.

    \b
    Example:
      pipeline fallback eval classifiers/tickets-1.json sorted-by-people.jsonl
    """
    model = Classifier.load(classifier)
    found = _known().enrichment(model.enrichment)
    rows = _rows(found, file, sure, simulated)
    if not rows:
        raise UsageError("there are no rows to measure it on")
    measured = evaluate((model.classify(text), label) for text, label in rows)
    if as_json:
        print_json({"file": str(classifier), "training": model.training.model_dump(), **asdict(measured)})
    else:
        _show(measured)


def _show(measured: Evaluation) -> None:
    click.echo(
        f"measured on {measured.rows} rows: {measured.accuracy:.1%} right, "
        f"confidence and accuracy differ by {measured.calibration_error:.1%} on average"
    )
    rows = [
        (f"{level.confidence:.2f}", f"{level.coverage:.1%}", "-" if level.accuracy is None else f"{level.accuracy:.1%}")
        for level in measured.coverage
    ]
    print_table(["DECLINE_BELOW", "ANSWERED", "OF THESE RIGHT"], rows)


def _known() -> Catalogue:
    return catalogue.load(settings.load().catalogue)


def _rows(enrichment: Enrichment, file: Path | None, sure: float, simulated: bool) -> Rows:
    redactor = Redactor(RedactionPolicy.from_mapping(enrichment.spec.redaction), settings.TABLES_FOLDER)
    if file is not None:
        return _from_file(enrichment, redactor, file)
    return asyncio.run(_from_topics(settings.load(), enrichment, redactor, sure, simulated))


def _from_file(enrichment: Enrichment, redactor: Redactor, file: Path) -> Rows:
    rows: Rows = []
    with progress("rows redacted") as tell:
        for number, (text, label) in enumerate(_lines(file), start=1):
            if enrichment.label(label) is None:
                raise UsageError(f"{file}, line {number}: the label is not in the label table of {enrichment.name}")
            rows.append((compress(redactor.redact({"text": text}).fields["text"]).text.text, label))
            tell(number, None)
    return rows


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{file} cannot be read ({why})") from None
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            raise UsageError(f"{file}, line {number} is not JSON: each line is an object with text and label") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not isinstance(row.get("label"), str):
            raise UsageError(f"{file}, line {number}: each line is an object with text and label")
        yield row["text"], row["label"]


async def _from_topics(
    effective: Settings, enrichment: Enrichment, redactor: Redactor, sure: float, simulated: bool
) -> Rows:
    client, codecs = effective.kafka.client(), TopicCodecs(_known(), effective.registry)
    answers: dict[tuple[int, int], str] = {}
    outputs = codecs.decoder(enrichment.output.topic)
    with progress("answers read") as tell:
        for record in read(client, [enrichment.output.topic]):
            output = await _decoded(outputs, record.value)
            if output is not None and (learnt := taught(enrichment, output, sure, simulated=simulated)) is not None:
                at, label = learnt
                answers[at] = label
                tell(len(answers), None)
    questions = Questions(enrichment, redactor, ())
    inputs, rows = codecs.decoder(enrichment.input.topic), Rows()
    with progress("inputs redacted") as tell:
        for record in read(client, [enrichment.input.topic]):
            label = answers.get((record.partition, record.offset), "")
            if label and (decoded := await _decoded(inputs, record.value)) is not None:
                text = _text(enrichment, questions, decoded)
                rows += [(text, label)] if text else []
                tell(len(rows), len(rows) / len(answers))
    if not rows:
        raise UsageError(
            f"{enrichment.output.topic} has no answer to learn from: give a FILE, or see --sure, --simulated"
        )
    return rows


def taught(
    enrichment: Enrichment, output: Mapping[str, object], sure: float, *, simulated: bool
) -> tuple[tuple[int, int], str] | None:
    """The input's coordinates (partition, offset) and the label that a model gave it.

    None for answers that nobody should learn from: the safe one, a classifier's own, unsure and simulated ones.
    """
    made, answer, source = output.get("provenance"), output.get(enrichment.spec.answer), output.get("source")
    if not isinstance(made, Mapping) or not isinstance(answer, Mapping) or not isinstance(source, Mapping):
        return None
    if not made.get("model") or (not made.get("input_tokens") and not made.get("cached")):
        return None
    confidence = made.get("confidence")
    if (made.get("simulated") and not simulated) or not isinstance(confidence, float) or confidence < sure:
        return None
    marked = contract.marked(
        contract.field_type(enrichment.output_schema.schema, enrichment.spec.answer), "labels", True
    )
    label = str(answer.get(marked[0][0], "")) if marked else ""
    if source.get("topic") != enrichment.input.topic or enrichment.label(label) is None:
        return None
    return (int(str(source.get("partition"))), int(str(source.get("offset")))), label


def _text(enrichment: Enrichment, questions: Questions, decoded: Mapping[str, object]) -> str:
    """What the classifier would be given of this record; empty when it would never come so far."""
    if not meets(enrichment.spec.when, decoded):
        return ""
    try:
        return questions.render(questions.redact(decoded)).record.text
    except RecordError:
        return ""


async def _decoded(decoder: Decoder, value: bytes | None) -> Mapping[str, object] | None:
    if not value:
        return None
    try:
        return (await decoder.decode(value)).record
    except RecordError:
        return None
