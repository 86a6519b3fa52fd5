"""A model is asked about doubtful sentences only, and its people are taken out like all others."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType

import pytest
from pipeline.errors import UsageError
from pipeline.redact import RedactionPolicy, Redactor


@dataclass
class _Entity:
    start_char: int
    end_char: int
    label_: str


@dataclass
class _Document:
    ents: list[_Entity]


class _Model:
    """Knows one person, and takes a number for another."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pipe(self, texts: Iterable[str]) -> Iterator[_Document]:
        for text in texts:
            self.asked.append(text)
            places = [
                (text.find(word), len(word), kind) for word, kind in (("Zyxquil", "PERSON"), ("Error 5", "PERSON"))
            ]
            yield _Document([_Entity(at, at + size, kind) for at, size, kind in places if at >= 0])


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> _Model:
    model, spacy = _Model(), ModuleType("spacy")
    monkeypatch.setattr(spacy, "load", lambda name, exclude: model, raising=False)
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    return model


def test_only_doubtful_sentences_are_asked_about(model: _Model) -> None:
    redactor = Redactor(RedactionPolicy(ner=True))
    text = "The invoice is wrong. Yesterday Zyxquil was rude. See Error 5 there. all lower case."
    assert redactor.redact({"text": text}).fields["text"].text == text.replace("Zyxquil", "[PERSON_1]")
    assert [asked.strip() for asked in model.asked] == ["Yesterday Zyxquil was rude."]


def test_without_the_policy_no_model_is_loaded(model: _Model) -> None:
    Redactor(RedactionPolicy()).find("Yesterday Zyxquil was rude.")
    assert model.asked == []


def test_a_missing_model_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, exclude: list[str]) -> None:
        raise OSError("E050 long text")

    spacy = ModuleType("spacy")
    monkeypatch.setattr(spacy, "load", load, raising=False)
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    with pytest.raises(UsageError, match="spacy download nothing_sm"):
        Redactor(RedactionPolicy(ner=True), model="nothing_sm")
