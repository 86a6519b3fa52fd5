"""Words of a text as parts of names: which may be one, which belong together, which an e-mail address confirms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from pipeline.redact import lexicon
from pipeline.redact.names.kinds import (
    AMBIGUOUS,
    FUNCTION,
    GIVEN,
    NAME,
    NO_NAME,
    ORGANISATION,
    PARTICLE,
    TITLE,
)
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found
from pipeline.redact.shadow import expression

_LOCAL_PARTS: Final = expression(r"[a-z]{3,}")


class Token(NamedTuple):
    start: int
    end: int
    text: str
    kind: int


BEGIN_SENTENCES: Final = lexicon.words("sentence_openers")
"""Words that begin the next sentence where a full stop was forgotten."""
_CAPITAL_PARTICLES: Final = frozenset(word.capitalize() for word in lexicon.words("capital_particles"))
GERMAN_NOUN: Final = expression(
    r"(?:ung|heit|keit|schaft|tion|tat|ment|mus|nis|tum|ling|chen|nummer|karte|stelle|haus|zeit|wert|amt|werk"
    r"|zeug|platz|gerat|teil"
    r"|buch|blatt|schein|stand|gang|fall|zug|dienst|preis|geld|kosten|daten|bank|konto|paket|kraft|raum|grund"
    r"|recht|schutz"
    r"|satz|weise|ungen|tionen|eren|iert|lich|isch|bar|sam)\Z"
)


def plain(token: Token) -> bool:
    """An everyday word and no name."""
    return bool(token.kind & NO_NAME) and not token.kind & NAME


def certain(token: Token) -> bool:
    """A given name that is nothing else."""
    return token.kind & (GIVEN | AMBIGUOUS | NO_NAME) == GIVEN


def may_follow(token: Token, before: Token) -> bool:
    """An everyday word that is a surname here: behind a particle, or behind a given name that is nothing else."""
    if is_particle(before):
        return not token.kind & TITLE
    if not certain(before) or token.kind & (ORGANISATION | TITLE) or not is_title(token.text):
        return False
    return not token.kind & FUNCTION or token.text not in BEGIN_SENTENCES


def is_line_of_a_name(tokens: Sequence[Token]) -> bool:
    """No everyday words, or a certain given name first and none that holds a sentence together."""
    strange = [token for token in tokens if plain(token) and not token.kind & PARTICLE]
    if not strange:
        return True
    if any(token.kind & (FUNCTION | ORGANISATION) for token in strange):
        return False
    if certain(tokens[0]) or (tokens[0].kind & GIVEN and all(is_title(token.text) for token in tokens[1:])):
        return True
    return certain(tokens[-1]) and all(token.text.isupper() for token in strange)


def is_particle(token: Token) -> bool:
    return bool(token.kind & PARTICLE) and (token.text[0].islower() or token.text in _CAPITAL_PARTICLES)


def is_title(text: str) -> bool:
    """One capital and then small letters (of each part): `Kowalska`, `Jean-Luc`, and no `TrailMaster`."""
    return len(text) > 2 and all(part[:1].isupper() and part[1:].islower() for part in text.split("-"))


def groups(tokens: Sequence[Token]) -> list[list[Token]]:
    """Runs of tokens that may be names, apart at everyday words; a firm's word takes its neighbours with it."""
    found: list[list[Token]] = [[]]
    for token in tokens:
        if plain(token) and not (found[-1] and may_follow(token, found[-1][-1])):
            if token.kind & PARTICLE and token.text[0].islower() and found[-1]:
                found[-1].append(token)
                continue
            if token.kind & ORGANISATION and (
                not any(certain(one) for one in found[-1]) or _is_firm(token, tokens) or len(found[-1]) == 1
            ):
                found[-1] = []
            found.append([])
        else:
            found[-1].append(token)
    for group in found:
        while group and is_particle(group[-1]):
            group.pop()
    return [group for group in found if group]


def _is_firm(token: Token, tokens: Sequence[Token]) -> bool:
    """True when another word of firms follows: `Logistics Inc.`."""
    return any(one.start - token.end in (1, 2) and one.kind & ORGANISATION for one in tokens)


def local_parts(text: str, structured: Sequence[Found]) -> frozenset[str]:
    """Words of the local parts of the e-mail addresses in the text."""
    return frozenset(
        part
        for item in structured
        if item.type is PiiType.EMAIL
        for part in _LOCAL_PARTS.findall(text[item.start : item.end].partition("@")[0].lower())
    )


def makes_up(full: Sequence[Token], local_parts: frozenset[str]) -> bool:
    """True when the name makes up a local part: `jane.roe`, `jroe`, `janeroe`."""
    names = [token.text.lower().replace("-", "").replace("'", "") for token in full]
    first, last = names[0], names[-1]
    if len(names) == 1:
        return first in local_parts and len(first) > 3
    made = (first + last, last + first, first[0] + last, last + first[0], first + last[0])
    return any(local in local_parts for local in made) or (first in local_parts and last in local_parts)
