"""What a string of an answer is about, as far as its name tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class Topic(StrEnum):
    """Things that a text can name."""

    LANGUAGE = "language"
    MISSING = "missing"
    INJURY = "injury"
    MONEY = "money"
    DATE = "date"
    DATE_TIME = "date_time"
    PLACE = "place"
    IDENTIFIER = "identifier"
    PERSON = "person"
    FREE = "free"


_NAMES: Mapping[str, Topic] = {
    "language": Topic.LANGUAGE,
    "missing": Topic.MISSING,
    "injury": Topic.INJURY,
    "injuries": Topic.INJURY,
    "amount": Topic.MONEY,
    "price": Topic.MONEY,
    "cost": Topic.MONEY,
    "total": Topic.MONEY,
    "date": Topic.DATE,
    "place": Topic.PLACE,
    "location": Topic.PLACE,
    "address": Topic.PLACE,
    "policy": Topic.IDENTIFIER,
    "number": Topic.IDENTIFIER,
    "name": Topic.PERSON,
    "party": Topic.PERSON,
    "parties": Topic.PERSON,
    "person": Topic.PERSON,
    "claimant": Topic.PERSON,
}
_FORMATS: Mapping[str, Topic] = {"date": Topic.DATE, "date-time": Topic.DATE_TIME}


def topic(name: str, form: str = "") -> Topic:
    """The topic of the field `name` whose JSON Schema `format` is `form`."""
    if form in _FORMATS:
        return _FORMATS[form]
    return next((_NAMES[word] for word in words_of(name) if word in _NAMES), Topic.FREE)


def words_of(name: str) -> list[str]:
    """The words in `suggested_action` or `suggestedAction`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")
