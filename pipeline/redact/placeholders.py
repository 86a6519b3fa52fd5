"""The words that stand for personal data: `[PERSON_1]`, in other written forms of the same value `[PERSON_1.2]`.

A placeholder may carry a coarser truth or a digest: `[DATE_OF_BIRTH_1:1985]`, `[EMAIL_2:#5f3a09c1d2e4]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pipeline.redact.pii import PiiType

_TYPES: Final = "|".join(sorted(PiiType, key=len, reverse=True))
_LOOSE_TYPES: Final = _TYPES.replace("_", "[ _-]?")

WRITTEN: Final = re.compile(
    rf"\[(?P<type>{_TYPES})_(?P<number>[1-9]\d{{0,8}})(?P<form>\.\d{{1,9}})?(?P<truth>:[^\[\]\s]{{1,40}})?\]"
)
"""A placeholder exactly as the redactor writes it."""

BARE: Final = re.compile(rf"\[(?:{_TYPES})_[1-9]\d{{0,3}}(?:\.\d{{1,2}})?\]")
"""A written placeholder in which nothing of a value can stand."""

_LIKE: Final = re.compile(
    rf"\[[ \t]*(?:{_LOOSE_TYPES})[ \t_#-]{{0,3}}\d{{1,9}}(?:\.\d{{1,9}})?(?::[^\[\]\s]{{1,40}})?[ \t]*\]?"
    rf"|\b(?:{_LOOSE_TYPES})_\d{{1,9}}(?:\.\d{{1,9}})?(?::[^\[\]\s]{{1,40}})?\]?"
    rf"|\b(?:{_LOOSE_TYPES})[ -]?\d{{1,9}}\]"
    r"|\[[A-Z][A-Z_]{1,30}_\d{1,9}(?:\.\d{1,9})?\]",
    re.IGNORECASE | re.ASCII,
)


HINT: Final = (
    rf"\[[ \t]*(?:{_LOOSE_TYPES})[ \t_#-]{{0,3}}[0-9]|(?:{_LOOSE_TYPES})(?:_[0-9]|[ -]?[0-9]{{1,9}}\])"
    r"|\[[A-Z][A-Z_]{1,30}_[0-9]"
)
"""Hyperscan expression, caseless, without which there is nothing that looks like a placeholder."""


def write(kind: PiiType, number: int, form: int = 1, truth: str = "") -> str:
    """The placeholder of the `number`-th value of its type, in its `form`-th written form."""
    return f"[{kind.value}_{number}{'' if form == 1 else f'.{form}'}{f':{truth}' if truth else ''}]"


def lookalikes(text: str) -> Iterator[re.Match[str]]:
    """Everything in a text that is, or was perhaps meant to be, a placeholder: exact, damaged or made up."""
    return _LIKE.finditer(text)


def bare(placeholder: str) -> str:
    """A placeholder without the truth it carries."""
    return placeholder.split(":", 1)[0].rstrip("]") + "]"
