"""Numbers that states and insurers give to people."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType

_NUMBER: Final = re.compile(
    r"[ \t]{0,3}(?:(?:number|no|nr|nummer|numero|n|is|est|ist|lautet)\b[.:o]{0,2}[ \t]{0,2}|[:#=]\s{0,2}){0,4}"
    r"(?P<value>(?=[A-Z/.-]{0,10}[0-9])[A-Z0-9]{1,17}(?:[ /.-][A-Z0-9]{1,12}){0,5})\b",
    re.IGNORECASE,
)


def _phone(context: Context, start: int, end: int) -> tuple[int, int] | None:
    if context.before(start) in "-./" or context.after(Cue.OTHER_NUMBER, start):
        return None
    return start, end


PATTERNS: Final = (
    Pattern(PiiType.SSN, r"\b\d{3}-\d{2}-\d{4}\b", Strength.SHAPE, yes=("SSN <<115-01-3054>>",)),
    Pattern(
        PiiType.PHONE,
        r"(?:\+\d{1,3}[ .-]?|\b0)(?:\(?\d{1,4}\)?[ ./-]?){2,5}\d{2,4}\b|\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b",
        Strength.SHAPE,
        check=_phone,
        yes=("call <<+49 170 1234567>> now",),
    ),
)
CUED: Final = tuple(
    Cued(kind, cue, _NUMBER)
    for kind, cue in (
        (PiiType.POLICY_NUMBER, Cue.POLICY),
        (PiiType.CLAIM_NUMBER, Cue.CLAIM),
        (PiiType.PASSPORT, Cue.PASSPORT),
        (PiiType.NATIONAL_ID, Cue.NATIONAL),
        (PiiType.DATE_OF_BIRTH, Cue.BIRTH),
        (PiiType.LICENSE_PLATE, Cue.PLATE),
        (PiiType.VIN, Cue.VIN),
    )
)
