"""`pipeline ask`: an enrichment's questions asked of its models, without Kafka, for those who write prompts."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import click

from pipeline import catalogue, settings
from pipeline.catalogue import Enrichment
from pipeline.cli.output import json_option, print_json
from pipeline.errors import Attempted, UsageError
from pipeline.jsontext import to_json
from pipeline.ladder import ladder
from pipeline.llm import Gateway, GatewayPolicy, Tier
from pipeline.redact import RedactionPolicy, Redactor
from pipeline.rehearsal import Rehearsal, Rehearsed
from pipeline.settings import Settings

Show = Callable[[int, Rehearsed], None]


@click.command()
@click.argument("enrichment")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--tier", "tiers", multiple=True, metavar="TIER", help="Ask only tiers of this name.")
@click.option("--explain", is_flag=True, help="Show the prompt, each call, and what was wrong with its answer.")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many records.")
@click.option(
    "--at-once", type=click.IntRange(1, 1000), default=8, show_default=True, help="How many are asked at once."
)
@json_option
def command(
    enrichment: str,
    file: Path,
    tiers: tuple[str, ...],
    explain: bool,
    limit: int | None,
    at_once: int,
    as_json: bool,
) -> int:
    """Ask the models of ENRICHMENT about the records in FILE: JSON lines, as `pipeline publish` takes them.

    Each record is redacted, rendered, asked, validated and checked as a worker does it. Kafka is not needed, nothing
    is published, no answer is taken from the cache and no outage is waited for. Who is asked, and paid, are the
    providers of the settings: with an embedded stack (pipeline dev up) its simulator. Ends with 1 when a record has no
    answer.

    \b
    Examples:
      pipeline ask tickets tickets.jsonl --explain
      pipeline ask tickets tickets.jsonl --tier second --json
    """
    effective = settings.load()
    found = catalogue.load(effective.catalogue).enrichment(enrichment)
    summary = _Summary()

    def show(number: int, told: Rehearsed) -> None:
        summary.add(told)
        if as_json:
            print_json(_row(number, told, explain))
        else:
            _print(number, told, explain)

    asyncio.run(_ask_all(effective, found, tiers, _lines(file, limit), at_once, show))
    if not summary.records:
        raise UsageError(f"{file} has no records")
    if not as_json:
        click.echo(summary.line())
    return 1 if summary.unanswered else 0


async def _ask_all(
    effective: Settings,
    enrichment: Enrichment,
    names: tuple[str, ...],
    lines: Iterator[tuple[int, bytes]],
    at_once: int,
    show: Show,
) -> None:
    """Shows results in the file's order."""
    gateway = Gateway.open(
        effective.providers,
        replace(GatewayPolicy.of(effective.gateway, effective.budget), cache=None),
        redis=effective.redis,
    )  # fmt: skip
    asked: deque[tuple[int, asyncio.Task[Rehearsed]]] = deque()
    try:
        tiers = _chosen(enrichment, ladder(enrichment, effective.providers), names)
        gateway.require(f"enrichment {enrichment.name}", tiers, enrichment.provider_schema)
        redactor = Redactor(RedactionPolicy.from_mapping(enrichment.spec.redaction), settings.TABLES_FOLDER)
        rehearsal = Rehearsal(enrichment, redactor, gateway, tiers)
        for number, line in lines:
            asked.append((number, asyncio.create_task(rehearsal.run(line))))
            if len(asked) >= at_once:
                first, task = asked.popleft()
                show(first, await task)
        while asked:
            first, task = asked.popleft()
            show(first, await task)
    finally:
        for _, task in asked:
            task.cancel()
        await gateway.close()


def _chosen(enrichment: Enrichment, tiers: tuple[Tier, ...], names: tuple[str, ...]) -> tuple[Tier, ...]:
    known = dict.fromkeys(tier.name for tier in tiers)
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{enrichment.name} has no tier {unknown[0]}; there are: {', '.join(known)}")
    return tuple(tier for tier in tiers if not names or tier.name in names)


def _lines(file: Path, limit: int | None) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1; empty ones are passed over."""
    taken = 0
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip() and (limit is None or taken < limit):
                    taken += 1
                    yield number, line
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from None


def _row(number: int, told: Rehearsed, explain: bool) -> dict[str, object]:
    prompt, done = told.prompt, told.completion
    row: dict[str, object] = {
        "line": number,
        "entity": told.entity,
        "skipped": told.skipped,
        "answer": told.answer,
        "error": told.error,
        "cause": told.cause,
        "provider": done.provider if done else "",
        "model": done.model if done else "",
        "tier": done.tier if done else "",
        "simulated": done.simulated if done else False,
        "calls": len(told.attempts),
        "input_tokens": sum(made.input_tokens for made in told.attempts),
        "output_tokens": sum(made.output_tokens for made in told.attempts),
        "cost_usd": _cost(told),
        "seconds": round(told.seconds, 3),
    }
    if explain:
        row["prompt"] = prompt and {
            "version": prompt.version,
            "estimated_tokens": prompt.estimated_tokens,
            "parts": prompt.parts,
            "schema_tokens": told.schema_tokens,
            "removed_characters": prompt.removed,
            "truncated": prompt.truncated,
            "user": prompt.user.text,
        }
        row["redactions"] = told.redactions
        row["attempts"] = [_attempt(made) for made in told.attempts]
        row["problems"] = told.problems
    return row


def _attempt(made: Attempted) -> dict[str, object]:
    return {
        "tier": made.tier,
        "provider": made.provider,
        "model": made.model,
        "outcome": made.outcome,
        "status": made.status,
        "seconds": round(made.latency_s, 3),
        "input_tokens": made.input_tokens,
        "output_tokens": made.output_tokens,
        "cost_usd": made.cost_usd,
    }


def _print(number: int, told: Rehearsed, explain: bool) -> None:
    row = _row(number, told, explain=False)
    if told.skipped:
        click.secho(f"{number}  {told.entity}  left out by `when`", bold=True)
        return
    done = told.completion
    by = f"{done.tier} ({' '.join(filter(None, (done.provider, done.model)))})" if done else f"no answer: {told.cause}"
    simulated = ", simulated" if done and done.simulated else ""
    click.secho(f"{number}  {told.entity}  {by}{simulated}", bold=True, fg="red" if told.error else None)
    if explain:
        _explain(told)
    if told.error:
        click.echo(f"  {told.error}")
    else:
        click.echo(f"  {to_json(told.answer).decode()}")
    click.echo(
        f"  {row['calls']} calls, {row['input_tokens']} tokens in, {row['output_tokens']} out, "
        f"${row['cost_usd']}, {told.seconds:.2f} s"
    )


def _explain(told: Rehearsed) -> None:
    if (prompt := told.prompt) is not None:
        parts = ", ".join(f"{name} {tokens}" for name, tokens in prompt.parts.items())
        click.echo(f"  prompt {prompt.version}: about {prompt.estimated_tokens} tokens ({parts})")
        click.echo(f"  the answer's schema beside it: about {told.schema_tokens} tokens")
        if prompt.removed:
            gone = ", ".join(f"{reason} {count}" for reason, count in prompt.removed.items())
            click.echo(f"  compressed, characters: {gone}")
        if prompt.truncated:
            click.echo("  truncated: the record is longer than limits.input_tokens leaves room for")
        if told.redactions:
            click.echo(f"  redacted: {', '.join(f'{kind} {count}' for kind, count in told.redactions.items())}")
        click.echo("".join(f"  | {line}\n" for line in prompt.user.text.splitlines()), nl=False)
    problems = iter(told.problems)
    for made in told.attempts:
        click.echo(
            f"  {made.tier} ({made.provider} {made.model}): {made.outcome} in {made.latency_s:.2f} s, "
            f"{made.input_tokens} tokens in, {made.output_tokens} out, ${made.cost_usd}"
        )
        if made.outcome == "invalid":
            click.echo("".join(f"    {problem}\n" for problem in next(problems, ())), nl=False)


def _cost(told: Rehearsed) -> Decimal:
    return sum((made.cost_usd for made in told.attempts), Decimal(0))


@dataclass(slots=True)
class _Summary:
    records: int = 0
    unanswered: int = 0
    skipped: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)
    tiers: Counter[str] = field(default_factory=Counter)

    def add(self, told: Rehearsed) -> None:
        self.records += 1
        self.skipped += told.skipped
        self.unanswered += bool(told.error)
        self.tokens_in += sum(made.input_tokens for made in told.attempts)
        self.tokens_out += sum(made.output_tokens for made in told.attempts)
        self.cost_usd += _cost(told)
        if told.completion is not None and not told.error:
            self.tiers[told.completion.tier] += 1

    def line(self) -> str:
        by = ", ".join(f"{count} by {tier}" for tier, count in self.tiers.most_common())
        return (
            f"{self.records} records: {by or 'none answered'}, {self.unanswered} without an answer, "
            f"{self.skipped} left out; {self.tokens_in} tokens in, {self.tokens_out} out, ${self.cost_usd}"
        )
