"""The whole table. To add a form: one entry in the file of its field, with texts that must and must not match."""

from __future__ import annotations

from typing import Final

from pipeline.redact.patterns import (
    address,
    birth,
    documents,
    email,
    insurance,
    national,
    network,
    payment,
    phone,
    plates,
    secrets,
)
from pipeline.redact.patterns.pattern import Cued, Pattern

PATTERNS: Final[tuple[Pattern, ...]] = (
    *email.PATTERNS,
    *network.PATTERNS,
    *secrets.PATTERNS,
    *payment.PATTERNS,
    *phone.PATTERNS,
    *national.PATTERNS,
    *documents.PATTERNS,
    *plates.PATTERNS,
    *insurance.PATTERNS,
    *birth.PATTERNS,
    *address.PATTERNS,
)
CUED: Final[tuple[Cued, ...]] = (
    *birth.CUED,
    *secrets.CUED,
    *payment.CUED,
    *phone.CUED,
    *national.CUED,
    *documents.CUED,
    *plates.CUED,
    *insurance.CUED,
    *address.CUED,
)
