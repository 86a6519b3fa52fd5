"""Which placeholder stands for which value: one number for one value in all texts of a record."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable
from typing import Final

from pipeline.errors import RedactionError
from pipeline.redact import placeholders
from pipeline.redact.canonical import canonical, tokens_of_shadow
from pipeline.redact.pii import PiiType
from pipeline.redact.policy import RedactionPolicy
from pipeline.redact.shadow import expression, fold

_DIGEST_HEX: Final = 16
_MOST_WORDS: Final = 12
"""Of a name: what is longer is a list of names that nothing parts, and stands for itself only."""
_MOST_NAMESAKES: Final = 50
"""Full names of a record with one word in common: a part of more tells nobody apart."""
_YEAR: Final = expression(r"(?:19|20)\d\d")
_SHORT_YEAR: Final = expression(r"\b\d\d\Z")
_AREA: Final = expression(
    r"\b(?P<uk>[A-Z]{1,2}\d[A-Z\d]?) ?\d[A-Z]{2}\b|\b(?P<nl>\d{4}) ?[A-Z]{2}\b|\b(?P<three>\d{3})-?\d{2,3}\b(?! [a-z])",
)


class Numbering:
    """Gives placeholders to the values of one record."""

    __slots__ = (
        "_forms",
        "_meant",
        "_next",
        "_numbers",
        "_people",
        "_placed",
        "_policy",
        "_reserved",
        "_tenant_key",
        "originals",
    )

    def __init__(
        self, policy: RedactionPolicy, texts: Iterable[str], people: Iterable[str], tenant_key: bytes | None
    ) -> None:
        """`texts`: the record's, whose look-alikes of placeholders must stay what they are; `people`: all names."""
        if policy.hash and not tenant_key:
            raise RedactionError("the policy hashes values but no tenant key was given")
        self.originals: dict[str, str] = {}
        self._policy = policy
        self._tenant_key = tenant_key
        self._reserved = {
            (match["type"], int(match["number"])) for text in texts for match in placeholders.WRITTEN.finditer(text)
        }
        self._people: dict[str, list[tuple[str, ...]]] = {}
        for full in {tuple(tokens_of_shadow(fold(name))) for name in people}:
            for word in set(full) | {word[0] for word in full} if 1 < len(full) <= _MOST_WORDS else ():
                self._people.setdefault(word, []).append(full)
        self._meant: dict[str, str] = {}
        self._placed: dict[tuple[PiiType, str], str] = {}
        self._numbers: dict[tuple[PiiType, str], int] = {}
        self._next: dict[PiiType, int] = {}
        self._forms: dict[tuple[PiiType, int], dict[str, str]] = {}

    def place(self, kind: PiiType, surface: str) -> str:
        """The placeholder that stands for this written form."""
        if (known := self._placed.get((kind, surface))) is not None:
            return known
        shadow = fold(surface)
        value = canonical(kind, shadow)
        if kind is PiiType.PERSON:
            if value not in self._meant:
                self._meant[value] = self._person(value)
            value = self._meant[value]
        number = self._numbers.get((kind, value))
        if number is None:
            number = self._numbers[(kind, value)] = self._free(kind)
        forms = self._forms.setdefault((kind, number), {})
        if surface not in forms:
            placeholder = placeholders.write(kind, number, len(forms) + 1, self._truth(kind, value, shadow))
            forms[surface] = placeholder
            self.originals[placeholder] = surface
        return self._placed.setdefault((kind, surface), forms[surface])

    @property
    def values(self) -> list[tuple[PiiType, str]]:
        """Type and original of everything placed."""
        return [(kind, surface) for (kind, _), forms in self._forms.items() for surface in forms]

    def count(self) -> dict[str, int]:
        """Different values by type."""
        return {kind.value: number for kind, number in Counter(kind for kind, _ in self._forms).items()}

    def _free(self, kind: PiiType) -> int:
        number = self._next.get(kind, 1)
        while self._reserved and (kind.value, number) in self._reserved:
            number += 1
        self._next[kind] = number + 1
        return number

    def _person(self, value: str) -> str:
        """The full name that a part of it stands for, when only one person of the record fits; order is no matter."""
        words = value.split()
        if len(words) > _MOST_WORDS:
            return " ".join(sorted(words))
        rarest = min((self._people.get(word, []) for word in words), key=len, default=[])
        if len(rarest) > _MOST_NAMESAKES:
            return " ".join(sorted(words))
        fits = [full for full in rarest if _stands_for(words, full)]
        return " ".join(sorted(fits[0])) if len(fits) == 1 else " ".join(sorted(words))

    def _truth(self, kind: PiiType, value: str, shadow: str) -> str:
        if kind in self._policy.hash:
            assert self._tenant_key is not None
            message = f"{kind.value}\0{value}".encode()
            return "#" + hmac.digest(self._tenant_key, message, "sha256").hex()[:_DIGEST_HEX]
        if kind in self._policy.generalise:
            return _year(shadow) if kind is PiiType.DATE_OF_BIRTH else _area(shadow)
        return ""


def _stands_for(words: list[str], full: tuple[str, ...]) -> bool:
    """True when every word is a different word of the full name, or the initial of one."""
    left = list(full)
    for word in words:
        match = next((part for part in left if part == word), None)
        if match is None and len(word) == 1:
            match = next((part for part in left if part[0] == word), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _year(shadow: str) -> str:
    if match := _YEAR.search(shadow):
        return match[0]
    return f"xx{match[0]}" if (match := _SHORT_YEAR.search(shadow)) else ""


def _area(shadow: str) -> str:
    if match := _AREA.search(shadow):
        return match["uk"] or match["nl"] or match["three"]
    return ""
