"""E-mail addresses."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.patterns.pattern import Context, Pattern, Strength
from pipeline.redact.pii import PiiType

_LONGEST_LOCAL: Final = 64
"""RFC 5321, 4.5.3.1.1."""
_LOCAL_REVERSED: Final = re.compile(r"[A-Za-z0-9._%+'!#$&*/=?^{|}~-]{1,64}")
_DOMAIN: Final = re.compile(r"@(?:[A-Za-z0-9_-]{1,63}\.){1,6}[A-Za-z][A-Za-z0-9-]{1,23}")


def _email(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """`start` is the last character before the sign."""
    text, sign = context.text, start + 1
    local = _LOCAL_REVERSED.match(text[max(0, sign - _LONGEST_LOCAL) : sign][::-1])
    domain = _DOMAIN.match(text, sign)
    if local is None or domain is None:
        return None
    return sign - len(local[0].rstrip("'=/{")), domain.end()


PATTERNS: Final = (
    Pattern(
        PiiType.EMAIL,
        r"[A-Za-z0-9._%+-]@[A-Za-z0-9]",
        Strength.PROVEN,
        check=_email,
        yes=("write to <<jane.roe+news@example.co.uk>>.",),
        no=("5 @ 3.50",),
    ),
)
