"""Invented people and the values their texts name. Nothing here belongs to anybody."""

from __future__ import annotations

import functools
import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict

_CARDS = ("4111 1111 1111 1111", "4012 8888 8888 1881", "5555 5555 5555 4444", "3782 822463 10005")
"""The card networks' published test numbers."""
_SOCIAL_SECURITY = ("078-05-1120", "219-09-9999")
"""Numbers that were printed in advertisements and are void since."""
_MAIL = ("example.com", "example.org", "example.net")


class Country(BaseModel):
    """How people of one country are called and how they write things."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    women: tuple[str, ...]
    men: tuple[str, ...]
    last: tuple[str, ...]
    phone: tuple[str, ...]
    iban: tuple[str, ...]
    street: tuple[str, ...]
    amount: str
    date: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes."""

    country: str
    name: str
    email: str
    phone: str
    address: str
    birth: str
    iban: str
    card: str
    ssn: str


@functools.cache
def countries() -> Mapping[str, Country]:
    """By ISO 3166 code."""
    text = (resources.files("pipeline.demo") / "samples" / "identities.yaml").read_text(encoding="utf-8")
    return {code: Country.model_validate(found) for code, found in yaml.safe_load(text).items()}


def person(country: str, draw: random.Random) -> Person:
    """Somebody from there."""
    own = countries()[country]
    first, last = draw.choice(own.women + own.men), draw.choice(own.last)
    born = date(draw.randint(1948, 2003), draw.randint(1, 12), draw.randint(1, 28))
    return Person(
        country=country,
        name=f"{first} {last}",
        email=f"{_ascii(first)}.{_ascii(last)}@{draw.choice(_MAIL)}",
        phone=_numbered(draw.choice(own.phone), draw),
        address=_numbered(draw.choice(own.street), draw),
        birth=own.date.format(d=born),
        iban=draw.choice(own.iban),
        card=draw.choice(_CARDS),
        ssn=draw.choice(_SOCIAL_SECURITY),
    )


def names(country: str, draw: random.Random) -> tuple[str, str]:
    """Full names of a woman and of a man from there."""
    own = countries()[country]
    return f"{draw.choice(own.women)} {draw.choice(own.last)}", f"{draw.choice(own.men)} {draw.choice(own.last)}"


def amount(country: str, between: Sequence[int], draw: random.Random) -> str:
    """An amount as it is written there, its whole part between two numbers."""
    whole = draw.randint(*between)
    return countries()[country].amount.format(
        whole=whole, dotted=f"{whole:,}".replace(",", "."), cents=draw.randint(0, 99)
    )


def day(country: str, at: date) -> str:
    """A day as it is written there."""
    return countries()[country].date.format(d=at)


def _numbered(pattern: str, draw: random.Random) -> str:
    return pattern.format(n=draw.randint(100, 999), nn=draw.randint(10, 99), mm=draw.randint(10, 99))


def _ascii(name: str) -> str:
    spelled = name.lower().replace("ł", "l").replace("ı", "i").replace("ß", "ss").replace(" ", "")
    return unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
