"""How a stretch stands in its text: alone, or as a part of something longer."""

from __future__ import annotations

from pipeline.redact.patterns.pattern import Context


def digits(value: str) -> int:
    """How many digits there are."""
    return sum(char.isdigit() for char in value)


def touching(context: Context, start: int, end: int) -> bool:
    """Part of a longer number or word."""
    before, behind = context.before(start), context.behind(end)
    if before.isalnum() or (before in "-/._#" and not _is_leader(context.text, start)):
        return True
    if behind.isalnum() or behind in "_/":
        return True
    return behind in "-." and context.text[end + 1 : end + 2].isalnum()


def _is_leader(text: str, start: int) -> bool:
    """Dots, lines or a lone sign behind a label, that lead to the value."""
    return start > 1 and (text[start - 2] == text[start - 1] or text[start - 2] in " \n:=")
