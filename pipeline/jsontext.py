"""JSON as topics and commands have it: times in ISO 8601, exact amounts as strings, bytes as base64."""

from __future__ import annotations

import base64
from decimal import Decimal

import orjson


def to_json(value: object) -> bytes:
    """One line. Raises TypeError for what has no such form."""
    return orjson.dumps(value, default=_as_text, option=orjson.OPT_UTC_Z)


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError
