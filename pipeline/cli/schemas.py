"""`pipeline schemas`: the catalogue's schemas and a registry."""

from __future__ import annotations

import click

from pipeline import catalogue, settings
from pipeline.catalogue import Catalogue
from pipeline.cli.output import json_option, print_json, print_table
from pipeline.errors import PipelineError
from pipeline.provisioning import Compared, Verdict, compare_schemas, register_schemas
from pipeline.serde import Registry


@click.group()
def command() -> None:
    """Check that new schema versions read what older ones wrote, and register them."""


@command.command()
@click.option("--offline", is_flag=True, help="Compare the files among themselves only, without a registry.")
@json_option
def check(offline: bool, as_json: bool) -> None:
    """Check every schema against its older versions (BACKWARD_TRANSITIVE); exit code 1 and the fields when one breaks.

    Compares with the files and, where a registry is set, with what is registered there. Changes nothing.

    \b
    Example:
      pipeline schemas check
    """
    effective = settings.load()
    registry = Registry(effective.registry) if effective.registry.url and not offline else None
    found = compare_schemas(catalogue.load(effective.catalogue), registry)
    if as_json:
        print_json([_row(item) for item in found])
    else:
        print_table(
            ("schema", "version", "subject", "verdict"),
            [(item.schema.subject, str(item.schema.version), item.subject, item.verdict) for item in found],
        )
        if registry is None:
            click.echo("compared among the files only: no registry is asked")
    broken = [item for item in found if item.verdict is Verdict.BREAKS]
    for item in broken:
        for why in item.why:
            click.echo(f"{item.subject} breaks: {why}", err=True)
    if broken:
        raise PipelineError(f"{len(broken)} of {len(found)} subjects would break: give new fields a default")


@command.command()
@json_option
def register(as_json: bool) -> None:
    """Check every schema, then register what is not there yet; nothing when one of them breaks.

    Each stands under its own subject and under `<topic>-value` of every topic that uses it.

    \b
    Example:
      pipeline schemas register
    """
    effective = settings.load()
    found = register_schemas(_catalogue(effective), Registry(effective.registry))
    if as_json:
        print_json([{**_row(item), "id": schema_id} for item, schema_id in found])
        return
    for item, schema_id in found:
        if item.verdict is Verdict.NEW:
            click.echo(f"registered {item.subject} (version {item.schema.version} of the catalogue, id {schema_id})")
    new = sum(item.verdict is Verdict.NEW for item, _ in found)
    click.echo(f"{len(found)} subjects are registered, {new} of them new")


def _catalogue(effective: settings.Settings) -> Catalogue:
    return catalogue.load(effective.catalogue)


def _row(item: Compared) -> dict[str, object]:
    return {
        "schema": item.schema.subject,
        "version": item.schema.version,
        "subject": item.subject,
        "verdict": item.verdict,
        "why": item.why,
    }
