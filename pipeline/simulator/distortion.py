"""Answers that went wrong: what each answer fault makes of a good one."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from pipeline.simulator.answers import Label, Number, Record, Text
from pipeline.simulator.faults import Fault

_LEAKS = (
    "Jane Roe, jane.roe@example.com, +1 202-555-0147",
    "card 4111 1111 1111 1111 of John Q. Sample",
    "SSN 078-05-1120, DE89 3704 0044 0532 0130 00",
)
"""Famous specimen values: none belongs to anybody."""


def distorted(fault: Fault, answer: Mapping[str, object], made_by: Record, u: float) -> str:
    """The text that stands in place of `answer`; `u` (0 < u < 1) chooses among variants. Other faults leave it."""
    text = orjson.dumps(answer).decode()
    match fault:
        case Fault.INVALID_JSON:
            variants = (text[:-1] + ",}", text[: int(len(text) * 0.8)], text.replace('"', "'"), text[:-1])
            return variants[int(u * len(variants))]
        case Fault.FENCED_JSON:
            return f"```json\n{text}\n```"
        case Fault.CHATTY_JSON:
            return f"Sure! Here is the JSON you asked for:\n\n{text}\n\nLet me know if you need anything else."
        case Fault.SCHEMA_VIOLATION:
            return orjson.dumps(_violating(answer, made_by, u)).decode()
        case Fault.LEAK:
            return orjson.dumps(_with_words(answer, made_by, _LEAKS[int(u * len(_LEAKS))])).decode()
        case Fault.WRONG_PLACEHOLDER:
            return orjson.dumps(_with_words(answer, made_by, "[PERSON_97]")).decode()
        case Fault.EMPTY:
            return ""
    return text


def _violating(answer: Mapping[str, object], made_by: Record, u: float) -> dict[str, object]:
    broken = dict(answer)
    labels = [name for name, node in made_by.fields if isinstance(node, Label)]
    numbers = [name for name, node in made_by.fields if isinstance(node, Number)]
    match int(u * 4):
        case 0 if labels:
            broken[labels[0]] = "NO_SUCH_LABEL"
        case 1 if numbers:
            broken[numbers[0]] = "very"
        case 2 if broken:
            broken.pop(next(reversed(broken)))
        case _:
            broken["remark"] = "not in the schema"
    return broken


def _with_words(answer: Mapping[str, object], made_by: Record, words: str) -> dict[str, object]:
    """The answer with `words` at the start of its first free text, inside its length."""
    for name, node in made_by.fields:
        said = answer.get(name)
        if isinstance(node, Text) and node.free and isinstance(said, str):
            return {**answer, name: f"{words}: {said}"[: node.longest]}
    return dict(answer)
