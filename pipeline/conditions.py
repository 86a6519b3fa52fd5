"""The `when` filter of an enrichment: conditions on event fields, all of which must hold."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline import paths
from pipeline.catalogue.specs import Rule


def meets(when: Mapping[str, Mapping[Rule, object]], record: Mapping[str, object]) -> bool:
    """Whether the record is one to enrich: `{"channel": {"in": ["email", "web"]}}`, each path with its rules."""
    return all(
        _holds(rule, wanted, paths.first(record, path))
        for path, rules in when.items()
        for rule, wanted in rules.items()
    )


def _holds(rule: Rule, wanted: object, value: object) -> bool:
    match rule:
        case "equals":
            return value == wanted
        case "not_equals":
            return value != wanted
        case "in":
            return isinstance(wanted, list) and value in wanted
        case "not_in":
            return isinstance(wanted, list) and value not in wanted
        case "exists":
            return (value not in (None, "")) == wanted
