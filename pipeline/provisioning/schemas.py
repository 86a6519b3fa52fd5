"""The catalogue's schemas in a registry, each under its own subject and that of every topic that uses it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline import contract
from pipeline.catalogue import Catalogue, SchemaVersion
from pipeline.errors import PipelineError
from pipeline.serde import Registry


class Verdict(StrEnum):
    """What a schema is to a subject."""

    REGISTERED = "registered"
    NEW = "new"
    BREAKS = "breaks"


@dataclass(frozen=True)
class Compared:
    """One schema in one subject; `why` is a line for each field that older readers' data would be lost in."""

    schema: SchemaVersion
    subject: str
    verdict: Verdict
    why: tuple[str, ...] = ()


def compare_schemas(catalogue: Catalogue, registry: Registry | None) -> list[Compared]:
    """Each schema against its older versions: those in the files, and with a registry those in there.

    BACKWARD_TRANSITIVE: a new version must read what every older one wrote. Raises UnavailableError when the registry
    cannot be reached.
    """
    found = []
    for (subject, version), schema in sorted(catalogue.schemas.items()):
        among_files = tuple(
            f"{subject} version {older}: {why}"
            for older in range(1, version)
            if (subject, older) in catalogue.schemas
            for why in contract.breaks(schema.schema, catalogue.schemas[subject, older].schema)
        )
        for name in catalogue.subjects(schema):
            found.append(_compared(schema, name, among_files, registry))
    return found


def register_schemas(catalogue: Catalogue, registry: Registry) -> list[tuple[Compared, int]]:
    """Registers what is not there yet; returns each with its id, and whether it was new.

    Nothing is registered when anything breaks: raises PipelineError with the first reason.
    """
    compared = compare_schemas(catalogue, registry)
    broken = [item for item in compared if item.verdict is Verdict.BREAKS]
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise PipelineError(f"{broken[0].subject} would break: {broken[0].why[0]}{more}; nothing was registered")
    return [(item, registry.register(item.subject, item.schema.schema)) for item in compared]


def _compared(schema: SchemaVersion, subject: str, broken: tuple[str, ...], registry: Registry | None) -> Compared:
    if registry is not None:
        if registry.find(subject, schema.schema) is not None:
            return Compared(schema, subject, Verdict.REGISTERED)
        broken = broken or tuple(registry.breaks(subject, schema.schema))
    return Compared(schema, subject, Verdict.BREAKS if broken else Verdict.NEW, broken)
