"""Streets: by the word for their type, before or behind their name, with a house number."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.lexicon import lines, words
from pipeline.redact.patterns.pattern import Context
from pipeline.redact.patterns.postal import FLAT, HOUSE, end_of_address, has_code

_LEFT: Final = 80
"""How far left of a street's type its name may begin."""
LOWER_TYPES: Final = "street|road|avenue|lane|drive|boulevard|st|rd|ave|blvd|ln|dr|close|crescent|court|terrace"
_ENGLISH_STREET: Final = re.compile(
    rf"{HOUSE},?(?: (?:[NSEW]|NE|NW|SE|SW)\.?)?(?: (?:(?:St|Jr|Sr|Dr|Mt|Ft|Sta|Gen|Col)\.(?= [A-Z])"
    rf"|[A-Z][A-Za-z'-]{{0,24}}|\d{{1,3}}(?:st|nd|rd|th|ST|ND|RD"
    rf"|TH)|of|the|la|de|del"
    r"|van|el|los|las)(?![A-Za-z])){1,6}"
)
_ENGLISH_LOWER: Final = re.compile(
    rf"{HOUSE},?(?: [a-z'.-]{{3,20}}){{1,2}} (?:street|road|avenue|lane|drive|boulevard|st|rd|ave|blvd|ln|dr"
    rf"|close|crescent|court|terrace)\b"
)
_FLAT_BEFORE: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:{FLAT}(?:[A-Z][a-z]{{2,14}} )?[A-Z][a-z]{{2,14}}(?: [A-Z][a-z]{{2,14}})?,\n? ?|{FLAT}"
    r"|[A-Z][a-z]{2,14} (?:View|Cottage|House|Lodge|Court|Farm|Villa|Hall|Manor|Mill|Barn|Croft|Towers?|Mansions?"
    r"|Apartments|Heights|Point|Quay|Building|Grange|Rectory|Bungalow|Residency|Enclave|Nagar|Plaza),\n? ?)\Z"
)
_WORD: Final = re.compile(r"[A-Za-z'-]+")
_TYPES: Final = words("street_types")
_WHOLE_STREETS: Final = frozenset(["Broadway", "Strand", "Embankment", "Bowery", "Esplanade", "Promenade", "Parade"])
_IDLE_WORDS: Final = words("not_in_street_names")

_NUMBER_BEHIND: Final = (
    r",? ?(?:(?:n[ruo]?m?\.? ?[o.]? ?)?\d{1,5}(?: ?(?:[A-Za-z]|bis|ter)\b)?(?:[-/] ?\d{1,4}[A-Za-z]?)?|[sS]/[nN]\b)"
)
_CAPITAL: Final = r"[A-Z](?:\.|[A-Za-z0-9'-]{0,30}(?:(?<=\bSt)\.|(?<=\bDr)\.|(?<=\bSta)\.|(?<=\bGral)\.)?)"
_PARTICLE: Final = (
    r"(?:d[aeiou]s?|d[eo] la|de l[oae]s?|del|della|dei|degli|delle|dello|du|d'|l[aeo]s?|l'|el|aux?|et|y|e|sur"
    r"|van|von|der|den)"
)
_ROMANCE_NAME: Final = rf"(?:{_PARTICLE} ?){{0,3}}{_CAPITAL}(?: (?:{_PARTICLE} ?){{0,2}}{_CAPITAL}){{0,4}}?"
_ROMANCE_BEHIND: Final = re.compile(rf"[A-Za-z/]{{1,14}}\.? ?(?:{_ROMANCE_NAME})(?P<house>{_NUMBER_BEHIND})(?![0-9])")
FRENCH_TYPES: Final = (
    "rue|avenue|av|boulevard|blvd|bd|chemin|place|pl|allees?|impasse|route|rte|quai|cours|square|passage|sentier"
    "|residence"
    "|faubourg|fbg|esplanade|lotissement|hameau|voie|villa|cite|clos|montee|promenade|rond-point|ruelle|mail"
    "|traverse|venelle"
    "|domaine|lieu-dit|zone|za|zi|rang|alle|cote|terrasse|croissant|ruisseau|parvis"
)
_FRENCH_NAME: Final = re.compile(rf" (?:{_PARTICLE} ?){{0,3}}{_CAPITAL}(?: (?:{_PARTICLE} ?){{0,2}}{_CAPITAL}){{0,4}}")
_LOWER_NAME: Final = re.compile(r"(?: [a-z'.-]{2,20}){1,4}")

_WORD_REVERSED: Final = re.compile(r"[A-Za-z'.-]{0,40}")
_CAPITALS_REVERSED: Final = re.compile(r"(?: [A-Za-z'.-]{0,24}[A-Z]){1,3}(?![A-Za-z])")
_QUALIFIER_REVERSED: Final = re.compile(
    " (?:" + "|".join(re.escape(line[::-1]) for line in lines("street_qualifiers")) + ")(?![A-Za-z])"
)
_BARE_TYPES: Final = words("compound_street_types")
_COMMON_COMPOUNDS: Final = frozenset(
    ["deswegen", "weg", "unterwegs", "bahnhof", "parkplatz", "arbeitsplatz", "bahnring", "marktplatz"]
)


def english(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """`start` is a number before a word: a street, when the type of one is among the next words."""
    text = context.text
    before = context.before(start)
    if before.isalnum() or before in ".,/#-":
        return None
    street = _ENGLISH_STREET.match(text, start) or _ENGLISH_LOWER.match(text, start)
    if street is None:
        return None
    types = [word for word in _WORD.finditer(street[0]) if word[0].title() in _TYPES]
    if not types or not _IDLE_WORDS.isdisjoint(street[0].split()):
        return None
    end = start + types[-1].end()
    if text[end : end + 1] == "." and len(types[-1][0]) <= 4:
        end += 1
    named = types[-1][0].title() in _WHOLE_STREETS or any(char.isalpha() for char in street[0][: types[-1].start()])
    if not named and not has_code(text, end):
        return None
    flat = _FLAT_BEFORE.search(text, max(0, start - 50), start)
    return (start if flat is None else flat.start()), end_of_address(text, end)


def french(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """House number, then the type of the street, then its name."""
    text = context.text
    if context.before(start) in "-/.,#" and context.before(start) != " ":
        return None
    head = _FRENCH_HEAD.match(text, start)
    if head is None:
        return None
    if name := _FRENCH_NAME.match(text, head.end()):
        return start, end_of_address(text, name.end())
    if (name := _LOWER_NAME.match(text, head.end())) and has_code(text, name.end()):
        return start, end_of_address(text, name.end())
    return None


_FRENCH_HEAD: Final = re.compile(
    rf"\d{{1,5}}(?:[ -]?(?:bis|ter|quater|[a-d])\b)?(?:[-/]\d{{1,4}})?,? (?:(?:{FRENCH_TYPES})\b\.?|r\.)",
    re.IGNORECASE,
)


def romance(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """The type of the street, its name, then the house number."""
    text = context.text
    match = _ROMANCE_BEHIND.match(text, start)
    if match is None or context.before(start).isalnum():
        return None
    if _AMOUNT_BEHIND.match(text, match.end()):
        return None
    house = match.start("house")
    return start, end_of_address(text, house if has_code(text, house) else match.end())


_AMOUNT_BEHIND: Final = re.compile(r"[.,]\d| ?(?:EUR|USD|%|\xa4|kg|km|h\b)")


def compound(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A word that ends in a street's type (`Lindenweg 5`) and a house number. `start` is where the type begins."""
    text = context.text
    word = _WORD_REVERSED.match(text[max(0, start - 40) : start][::-1])
    begin = start - (len(word[0]) if word else 0)
    begin += len(text[begin:start]) - len(text[begin:start].lstrip("'.-"))
    house = _HOUSE_BEHIND.search(text, start, end)
    if house is None:
        return None
    token = text[begin : house.start()].rstrip(" ,").lower()
    left = text[max(0, begin - _LEFT) : begin][::-1]
    if token in _BARE_TYPES:
        more = _CAPITALS_REVERSED.match(left)
        if more is None:
            return None
        begin -= len(more[0])
        begin += len(text[begin:start]) - len(text[begin:start].lstrip())
    elif token in _COMMON_COMPOUNDS:
        return None
    elif more := _QUALIFIER_REVERSED.match(left):
        begin -= len(more[0])
    if not text[begin].isupper() and not text[begin].isdigit() and not has_code(text, end):
        return None
    stop = end_of_address(text, end)
    return None if _AMOUNT_BEHIND.match(text, stop) else (begin, stop)


_HOUSE_BEHIND: Final = re.compile(r"[ ,]*\d")


def prefixed(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A German street without a type (`Am Markt 5`): only with a postcode behind, or a word for addresses before."""
    stop = end_of_address(context.text, end)
    if stop > end or context.after(Cue.ADDRESS, start, reach=24):
        return start, stop
    return None
