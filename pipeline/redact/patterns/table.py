"""The whole table. To add a form: one entry in the file of its field, with texts that must and must not match."""

from __future__ import annotations

from typing import Final

from pipeline.redact.patterns import identity, network, payment
from pipeline.redact.patterns.pattern import Cued, Pattern

PATTERNS: Final[tuple[Pattern, ...]] = network.PATTERNS + payment.PATTERNS + identity.PATTERNS
CUED: Final[tuple[Cued, ...]] = identity.CUED
