"""A provider in this process: classifiers from files. Costs nothing, is never away, knows labels and no more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from pipeline.errors import UsageError
from pipeline.llm.classifier.model import Classifier, label_field
from pipeline.llm.providers.provider import Failure, ProviderError, Reply, Request, Stop
from pipeline.llm.question import Usage


class LocalClassifiers:
    """Answers by the classifier `<folder>/<model>.json`: its label and confidence, the rest as the tier says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._models: dict[str, Classifier] = {}

    def objection(self, model: str, schema: Mapping[str, object], answer: Mapping[str, object]) -> str:
        """Why this model and what the tier adds cannot make an answer of this schema; else empty. Reads the file."""
        try:
            found = self._model(model)
        except UsageError as error:
            return str(error)
        properties = schema.get("properties")
        names = set(properties) if isinstance(properties, Mapping) else set()
        field = label_field(schema, found.labels)
        if not field:
            return f"{self._path(model)} was trained for another label table: train it again (pipeline fallback train)"
        if "confidence" not in names:
            return "the answer has no field confidence, without which a classifier is not to be trusted"
        if missing := sorted(names - answer.keys() - {"confidence", field}):
            return f"nobody says {missing[0]}: a classifier gives a label; write the rest under answer, or a fallback"
        return ""

    async def ask(self, request: Request, timeout_s: float) -> Reply:  # nothing here takes long
        try:
            model = self._model(request.model)
        except UsageError:
            raise ProviderError(Failure.UNUSABLE_MODEL) from None
        verdict = model.classify(request.record)
        said = {"confidence": round(verdict.confidence, 4), label_field(request.schema, model.labels): verdict.label}
        return Reply(orjson.dumps({**request.answer, **said}).decode(), Stop.END, Usage())

    async def ping(self, timeout_s: float) -> None:
        if not self._folder.is_dir():
            raise ProviderError(Failure.UNREACHABLE)

    async def close(self) -> None:
        self._models.clear()

    def _model(self, name: str) -> Classifier:
        found = self._models.get(name)
        if found is None:
            found = self._models[name] = Classifier.load(self._path(name))
        return found

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"
