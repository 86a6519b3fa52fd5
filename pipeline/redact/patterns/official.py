"""Checks of official numbers: by their check digits alone, or where a word for such numbers stands before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns.pattern import Check, Context
from pipeline.redact.shadow import expression

REACH: Final = 60
"""Characters between a word for national numbers and the number."""
_SEPARATORS: Final = expression(r"[^0-9A-Za-z]+")


def apart(context: Context, start: int, end: int) -> bool:
    """The number stands alone: no letter, digit or joining sign touches it."""
    before, behind = context.before(start), context.behind(end)
    if before.isalnum() or before in "-/.#_" or behind.isalnum() or behind in "_":
        return False
    return not (behind in "-/." and context.text[end + 1 : end + 2].isalnum())


def bare(value: str) -> str:
    """The number without what separates its groups."""
    return _SEPARATORS.sub("", value)


def compact(is_valid: Callable[[str], bool]) -> Callable[[str], bool]:
    """The rule, asked with the bare number in capitals."""
    return lambda value: bool(is_valid(bare(value).upper()))


def proven(is_valid: Callable[[str], bool]) -> Check:
    """The check digits are evidence enough."""

    def check(context: Context, start: int, end: int) -> tuple[int, int] | None:
        value = context.text[start:end]
        if not apart(context, start, end) or (value.isdigit() and context.named(Cue.OTHER_NUMBER, start)):
            return None
        return (start, end) if _holds(is_valid, value.upper()) else None

    return check


def said(is_valid: Callable[[str], bool]) -> Check:
    """The check digit is weak or the form common: a word for national numbers must stand before it."""

    def check(context: Context, start: int, end: int) -> tuple[int, int] | None:
        announced = (
            context.after(Cue.NATIONAL, start, REACH)
            or context.after(Cue.SSN, start, REACH)
            or context.before_cue(Cue.NATIONAL, end)
        )
        if not announced or not apart(context, start, end):
            return None
        return (start, end) if _holds(is_valid, context.text[start:end]) else None

    return check


def _holds(is_valid: Callable[[str], bool], value: str) -> bool:
    """Whether the rule holds; a number that its library stumbles over (python-stdnum 2.1 over Chinese numbers of some
    districts) has passed what was asked before, and is rather masked than a record lost.
    """
    try:
        return is_valid(value)
    except (LookupError, TypeError, ValueError):
        return True
