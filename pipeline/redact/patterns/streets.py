"""Streets: by the word for their type, before or behind their name, with a house number."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.lexicon import lines, words
from pipeline.redact.patterns.pattern import Context
from pipeline.redact.patterns.postal import FLAT, HOUSE, end_of_address, has_code
from pipeline.redact.shadow import expression

_LEFT: Final = 80
"""How far left of a street's type its name may begin."""
LOWER_TYPES: Final = "street|road|avenue|lane|drive|boulevard|st|rd|ave|blvd|ln|dr|close|crescent|court|terrace"
_ENGLISH_STREET: Final = expression(
    rf"{HOUSE},?(?: (?:[NSEW]|NE|NW|SE|SW)\.?)?(?: (?:(?:St|Jr|Sr|Dr|Mt|Ft|Sta|Gen|Col)\.(?= [A-Z])"
    rf"|[A-Z][A-Za-z'-]{{0,24}}|\d{{1,3}}(?:st|nd|rd|th|ST|ND|RD"
    rf"|TH)|of|the|la|de|del"
    r"|van|el|los|las)(?![A-Za-z])){1,6}"
)
_ENGLISH_LOWER: Final = expression(
    rf"{HOUSE},?(?: [a-z'.-]{{3,20}}){{1,2}} (?:street|road|avenue|lane|drive|boulevard|st|rd|ave|blvd|ln|dr"
    rf"|close|crescent|court|terrace)\b"
)
_FLAT_BEFORE: Final = expression(
    rf"(?<![A-Za-z0-9])(?:{FLAT}(?:[A-Z][a-z]{{2,14}} )?[A-Z][a-z]{{2,14}}(?: [A-Z][a-z]{{2,14}})?,\n? ?|{FLAT}"
    r"|[A-Z][a-z]{2,14} (?:View|Cottage|House|Lodge|Court|Farm|Villa|Hall|Manor|Mill|Barn|Croft|Towers?|Mansions?"
    r"|Apartments|Heights|Point|Quay|Building|Grange|Rectory|Bungalow|Residency|Enclave|Nagar|Plaza),\n? ?)\Z"
)
_WORD: Final = expression(r"[A-Za-z'-]+")
_TYPES: Final = words("street_types")
_WHOLE_STREETS: Final = words("whole_streets")
WHOLE_STREETS: Final = "|".join(sorted(_WHOLE_STREETS))
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
_ROMANCE_BEHIND: Final = expression(rf"[A-Za-z/]{{1,14}}\.? ?(?:{_ROMANCE_NAME})(?P<house>{_NUMBER_BEHIND})(?![0-9])")
FRENCH_TYPES: Final = (
    "rue|avenue|av|boulevard|blvd|bd|chemin|place|pl|allees?|impasse|route|rte|quai|cours|square|passage|sentier"
    "|residence"
    "|faubourg|fbg|esplanade|lotissement|hameau|voie|villa|cite|clos|montee|promenade|rond-point|ruelle|mail"
    "|traverse|venelle"
    "|domaine|lieu-dit|zone|za|zi|rang|alle|cote|terrasse|croissant|ruisseau|parvis"
)
_FRENCH_NAME: Final = expression(rf" (?:{_PARTICLE} ?){{0,3}}{_CAPITAL}(?: (?:{_PARTICLE} ?){{0,2}}{_CAPITAL}){{0,4}}")
_FRENCH_DAY: Final = expression(
    r" (?:d[ue] )?\d{1,2}(?:er)?[ -](?:janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre"
    r"|decembre)(?:[ -](?:1[789]|20)\d\d)?(?![A-Za-z0-9])",
    re.IGNORECASE,
)
"""Streets are named after days."""
_LOWER_NAME: Final = expression(r"(?: [a-z'.-]{2,20}){1,4}")

_WORD_REVERSED: Final = expression(r"[A-Za-z'.-]{0,40}")
_CAPITALS_REVERSED: Final = expression(r"(?: [A-Za-z'.-]{0,24}[A-Z]){1,3}(?![A-Za-z])")
_QUALIFIER_REVERSED: Final = expression(
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
    types = [word for word in _WORD.finditer(street[0]) if word[0].title() in _TYPES or word[0] in _WHOLE_STREETS]
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
    if context.before(start) in "-/.,#":
        return None
    number, start = start, _with_building(text, start)
    head = _FRENCH_HEAD.match(text, number)
    if head is None:
        return None
    if name := _FRENCH_DAY.match(text, head.end()) or _FRENCH_NAME.match(text, head.end()):
        return start, end_of_address(text, name.end())
    if (name := _LOWER_NAME.match(text, head.end())) and has_code(text, name.end()):
        return start, end_of_address(text, name.end())
    return None


def _with_building(text: str, start: int) -> int:
    """Where the address begins whose house number stands at `start`: at a building or a flat before it."""
    match = _BUILDING_BEFORE.search(text, max(0, start - 50), start)
    return start if match is None else match.start()


_BUILDING_BEFORE: Final = expression(
    r"(?<![A-Za-z])(?:(?:Bat|Batiment|Res|Residence|Appt|Apt|App|Appartement|Esc|Escalier|Porte|Etage|Lot|Tour"
    r"|Hall|Chez)"
    r"\b\.? ?[A-Za-z0-9][A-Za-z0-9' -]{0,20},[ \n] ?){1,3}\Z"
)
_FRENCH_HEAD: Final = expression(
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


_AMOUNT_BEHIND: Final = expression(r"[.,]\d| ?(?:EUR|USD|%|\xa4|kg|km|h\b)")


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


_HOUSE_BEHIND: Final = expression(r"[ ,]*\d")


def prefixed(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A German street without a type (`Am Markt 5`): only with a postcode behind, or a word for addresses before."""
    while context.text[end - 1] == " ":
        end -= 1
    stop = end_of_address(context.text, end)
    if stop > end or context.after(Cue.ADDRESS, start, reach=24) or _is_cell(context, start, stop):
        return None if _NO_STREET.search(context.text, start, end) else (start, stop)
    return None


def _is_cell(context: Context, start: int, end: int) -> bool:
    """A line, or a part of one between commas, of its own."""
    before, behind = context.text[max(0, start - 2) : start], context.text[end : end + 2]
    return (not before or before in (", ", "| ") or before[-1] in "\n;") and (
        not behind or behind in (", ", " |") or behind[0] in "\n;"
    )


_NO_STREET: Final = expression(
    r" (?:Jan|Feb|Mar|Apr|Mai|Juni|Juli|Aug|Sep|Okt|Nov|Dez|Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag"
    r"|Sonntag|Jahr|Tag|Monat|Alter|Kapitel|Punkt|Fall|Schnitt|Wert|Raum|Bereich|Quartal|Zeitraum|Paragraph|Stand)"
)


def house_name(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A house with a name instead of a number, and a comma: a street's type, or a postcode, in what follows."""
    text, end = context.text, end - 1
    street = _STREET_WITHOUT_NUMBER.match(text, end)
    if street is not None and any(
        word.title() in _TYPES or word in _WHOLE_STREETS for word in _WORD.findall(street["name"])
    ):
        return start, end_of_address(text, street.end())
    return (start, end_of_address(text, end)) if has_code(text, end) else None


_STREET_WITHOUT_NUMBER: Final = expression(
    r",[ \n] ?(?P<name>[A-Z][A-Za-z'.-]+(?: (?:of |the )?[A-Z][A-Za-z'.-]+){0,3})"
)


def plot(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """`H.No. 3-4`, `Plot 12`: up to a postal code of six digits, or a large city."""
    text = context.text
    if context.before(start).isalnum():
        return None
    if match := _TO_PIN.match(text, end):
        return start, match.end()
    stop = end_of_address(text, end)
    return (start, stop) if stop > end else None


_TO_PIN: Final = expression(
    r"(?:,(?: |\n) ?[A-Za-z0-9](?:[A-Za-z0-9 '/&()-]|\.(?! )){1,40}){0,5}?,(?: |\n) ?[A-Z][A-Za-z]+(?: ?[-,] ?"
    r"| )[1-9]\d\d ?\d{3}"
    r"(?![0-9A-Za-z])"
)


def boxed(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """`BP 12`, `CS 12345`: letters that mean much else, so a postcode must follow."""
    return (start, end_of_address(context.text, end)) if has_code(context.text, end) else None


def town_first(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Postcode and town, then the street with its house number."""
    text = context.text
    before = context.before(start)
    if before.isalnum() or before in "-/#_.," or context.behind(end).isalnum() or _NO_STREET.search(text, start, end):
        return None
    if _YEAR.match(text, start) and _LIKE_A_STREET.search(text, start, end) is None:
        return None
    return None if context.named(Cue.OTHER_NUMBER, start) else (start, end_of_address(text, end))


_YEAR: Final = expression(r"(?:19|20)\d\d ")
_LIKE_A_STREET: Final = expression(
    r"(?:str\.?|strasse|weg|gasse|platz|allee|ring|damm|ufer|hof|straat|laan|kade|plein|gatan|vej|gade|rue|avenue|via"
    r"|calle|rua),? [^,]{0,40}\d|, (?:Am|An|Im|In|Auf|Zum|Zur|Unter|Hinter|Vor|Bei|Beim) ",
    re.IGNORECASE,
)
