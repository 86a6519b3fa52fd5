"""What is taken out of an enrichment's records, and in which form. Default: everything, nothing left of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.errors import UsageError
from pipeline.redact.pii import PiiType

GENERALISABLE: Final = frozenset({PiiType.DATE_OF_BIRTH, PiiType.ADDRESS})
"""Types of which a coarser truth can be told: the year of birth, the postcode area."""


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """One enrichment's choice. A type is in at most one of `keep`, `generalise` and `hash`; all others are removed."""

    names: bool = True
    """Find people's names by context, lists and propagation. False: structured types only."""
    ner: bool = False
    """Ask a language model of the extra `[ner]` about sentences that look doubtful."""
    keep: frozenset[PiiType] = frozenset()
    """Stays in the text."""
    generalise: frozenset[PiiType] = frozenset()
    """The placeholder carries the year of birth or the postcode area: `[DATE_OF_BIRTH_1:1985]`."""
    hash: frozenset[PiiType] = frozenset()
    """The placeholder carries a digest under the tenant's key, equal in all its records: `[EMAIL_1:#5f3a...]`."""

    def __post_init__(self) -> None:
        if impossible := self.generalise - GENERALISABLE:
            raise UsageError(f"redaction.generalise: {_words(impossible)} cannot be generalised")
        twice = (self.keep & self.generalise) | (self.keep & self.hash) | (self.generalise & self.hash)
        if twice:
            raise UsageError(f"redaction: {_words(twice)} must stand in one of keep, generalise and hash only")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> RedactionPolicy:
        """The policy of an `enrichment.yaml` (its `redaction` table). Raises UsageError on a word it does not know."""
        if unknown := set(mapping) - {"names", "ner", "keep", "generalise", "hash"}:
            raise UsageError(f"redaction: unknown word {', '.join(sorted(map(str, unknown)))}")
        return cls(
            names=_flag(mapping, "names", True),
            ner=_flag(mapping, "ner", False),
            keep=_types(mapping, "keep"),
            generalise=_types(mapping, "generalise"),
            hash=_types(mapping, "hash"),
        )


def _flag(mapping: Mapping[str, object], name: str, default: bool) -> bool:
    value = mapping.get(name, default)
    if not isinstance(value, bool):
        raise UsageError(f"redaction.{name}: must be true or false")
    return value


def _types(mapping: Mapping[str, object], name: str) -> frozenset[PiiType]:
    value = mapping.get(name, [])
    if not isinstance(value, list):
        raise UsageError(f"redaction.{name}: must be a list of types")
    if unknown := [str(word) for word in value if word not in set(PiiType)]:
        raise UsageError(f"redaction.{name}: unknown type {', '.join(unknown)}")
    return frozenset(PiiType(word) for word in value)


def _words(types: frozenset[PiiType]) -> str:
    return ", ".join(sorted(types))
