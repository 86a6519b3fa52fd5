"""Every entry of the pattern table finds its examples, and exactly them, and leaves its counter-examples alone."""

from __future__ import annotations

import pytest
from pipeline.redact import Redactor
from pipeline.redact.patterns.pattern import Cued, Pattern
from pipeline.redact.patterns.table import CUED, PATTERNS
from pipeline.redact.shadow import fold

_SCANNER = Redactor()._scanner
_ENTRIES: tuple[Pattern | Cued, ...] = (*PATTERNS, *CUED)
_YES = [(entry, text) for entry in _ENTRIES for text in entry.yes]
_NO = [(entry, text) for entry in _ENTRIES for text in entry.no]


@pytest.mark.parametrize(("entry", "text"), _YES, ids=[f"{e.type}-{t}" for e, t in _YES])
def test_an_example_is_found(entry: Pattern | Cued, text: str) -> None:
    head, _, rest = text.partition("«")
    value, _, tail = rest.rpartition("»")
    found = _SCANNER.scan(fold(head + value + tail)).found
    spans = {(item.start, item.end) for item in found if item.type is entry.type}
    assert (len(head), len(head) + len(value)) in spans


@pytest.mark.parametrize(("entry", "text"), _NO, ids=[f"{e.type}-{t}" for e, t in _NO])
def test_a_counter_example_is_left_alone(entry: Pattern | Cued, text: str) -> None:
    assert [item for item in _SCANNER.scan(fold(text)).found if item.type is entry.type] == []


def test_every_entry_has_an_example() -> None:
    assert [entry for entry in _ENTRIES if not entry.yes] == []
