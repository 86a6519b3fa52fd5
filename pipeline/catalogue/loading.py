"""Reads the catalogue's files, checks them against each other."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast

import yaml
from fastavro import parse_schema
from fastavro.schema import SchemaParseException
from pydantic import BaseModel, ValidationError

from pipeline import contract
from pipeline.catalogue.checking import check_access, check_input, check_output, safe_answer
from pipeline.catalogue.entries import Catalogue, Checks, Enrichment, SchemaVersion
from pipeline.catalogue.specs import EnrichmentSpec, TopicSpec
from pipeline.errors import UsageError
from pipeline.settings import CatalogueSettings

_PACKAGE = Path(__file__).parent.parent
_Read = TypeVar("_Read", bound=BaseModel)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same loader in C where it was built: ten times as fast, and every command loads the catalogue."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


@functools.cache
def load(settings: CatalogueSettings) -> Catalogue:
    """Reads and checks everything. Raises UsageError, one line that names the file and what is wrong with it."""
    topics = _topics(_folder(settings.topics, "topics"))
    schemas = _schemas(_folder(settings.schemas, "schemas"))
    for topic in topics.values():
        if (topic.value.schema_, topic.value.version) not in schemas:
            raise UsageError(f"topic {topic.topic}: no schema {topic.value.schema_} version {topic.value.version}")
    found = Catalogue(topics, schemas)
    folder = Path(settings.enrichments) if settings.enrichments else _PACKAGE / "enrichments"
    enrichments = {}
    for path in sorted(folder.glob("*/enrichment.yaml")):
        enrichment = _enrichment(path, found)
        enrichments[enrichment.name] = enrichment
    if not enrichments:
        raise UsageError(f"no enrichments in {folder}")
    return Catalogue(topics, schemas, enrichments)


def _folder(setting: str, name: str) -> Path:
    """The folder a setting names; else beside the package in a checkout; else inside the installed package."""
    if setting:
        if not Path(setting).is_dir():
            raise UsageError(f"setting catalogue.{name} names {setting}, which is no folder")
        return Path(setting)
    beside = _PACKAGE.parent / name
    return beside if beside.is_dir() else _PACKAGE / "catalogue_data" / name


def _yaml(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None


def _checked(model: type[_Read], path: Path) -> _Read:
    try:
        return model.model_validate(_yaml(path))
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(contract.problems(error, most=3))}") from None


def _topics(folder: Path) -> Mapping[str, TopicSpec]:
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        topic = _checked(TopicSpec, path)
        if topic.topic != path.stem or not _NAME.fullmatch(topic.topic):
            raise UsageError(f"{path}: the file is named after its topic, but says {topic.topic}")
        found[topic.topic] = topic
    return found


def _schemas(folder: Path) -> Mapping[tuple[str, int], SchemaVersion]:
    found = {}
    for path in sorted(folder.glob("*/v*.avsc")):
        subject, version = path.parent.name, path.stem.removeprefix("v")
        if not version.isdigit():
            raise UsageError(f"{path}: schema files are named v<number>.avsc")
        try:
            text = path.read_text(encoding="utf-8")
            schema = json.loads(text)
            parse_schema(schema, named_schemas={})
            if not isinstance(schema, dict) or schema.get("type") != "record":
                raise ValueError("values are records")
        except (ValueError, TypeError, KeyError, OSError, SchemaParseException) as error:
            raise UsageError(f"{path}: no Avro schema: {error or type(error).__name__}") from None
        examples = tuple(sorted((path.parent / "examples").glob("*.json")))
        found[subject, int(version)] = SchemaVersion(
            subject, int(version), cast(contract.Schema, schema), text, examples
        )
    return found


def _enrichment(path: Path, known: Catalogue) -> Enrichment:
    spec = _checked(EnrichmentSpec, path)
    try:
        output_schema = known.schema_of(spec.output)
        input_schema = known.schema_of(spec.input)
        if path.parent.name != spec.name:
            raise UsageError(f"the folder is named after its enrichment, but says {spec.name}")
        answer = contract.field_type(output_schema.schema, spec.answer)
        labels = [label.label for label in spec.labels]
        restorable = [name for name, _ in contract.marked(answer, "restore", True)]
        restored = tuple(restorable) if spec.restore is None else spec.restore
        if unknown := set(restored) - set(restorable):
            raise UsageError(f"restore names {min(unknown)}, which the schema does not annotate `restore: true`")
        checks = path.parent / "checks.py"
        check_input(spec, input_schema.schema)
        check_output(spec, output_schema.schema, answer, has_checks=checks.exists())
        check_access(spec, known)
        prompt = path.parent / "prompts" / f"{spec.prompt.version}.md"
        if not prompt.exists():
            raise UsageError(f"prompt version {spec.prompt.version} is not in {prompt.parent}")
        model = contract.answer_model(answer, labels)
        return Enrichment(
            spec=spec,
            folder=path.parent,
            input=known.topic(spec.input),
            output=known.topic(spec.output),
            dead_letters=known.topic(spec.dead_letters),
            audit=known.topic(spec.audit),
            usage=known.topic(spec.usage),
            input_schema=input_schema,
            output_schema=output_schema,
            answer=model,
            provider_schema=contract.provider_schema(answer, labels),
            restored=restored,
            checks=_checks(checks, spec.name),
            fallback=safe_answer(spec, model),
        )
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _checks(path: Path, name: str) -> Checks:
    if not path.exists():
        return cast(Checks, _NoChecks())
    module_spec = importlib.util.spec_from_file_location(f"pipeline_checks_{name.replace('-', '_')}", path)
    if module_spec is None or module_spec.loader is None:
        raise UsageError(f"{path.name} cannot be loaded")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001  # an author's module may raise anything
        raise UsageError(f"{path.name} cannot be loaded: {type(error).__name__}: {error}") from None
    if not callable(getattr(module, "finish", None)):
        raise UsageError(f"{path.name} has no function finish(answer, record, spec, received_at)")
    return cast(Checks, module)


class _NoChecks:
    """An enrichment to whose answer code adds nothing."""

    def finish(self, *_: object) -> Mapping[str, object]:
        return {}
