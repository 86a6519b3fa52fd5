"""The end of a postal address: flat, town, postcode, region, country."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.lexicon import words
from pipeline.redact.names.kinds import kind_of
from pipeline.redact.patterns.dates import MONTHS
from pipeline.redact.shadow import expression

_US_STATES: Final = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK"
    "|OR|PA|RI"
    "|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC|AS|GU|MP|PR|VI|FM|MH|PW|AA|AE|AP"
)
_US_STATE_NAMES: Final = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho"
    "|Illinois|Indiana"
    "|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri"
    "|Montana|Nebraska"
    "|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon"
    "|Pennsylvania"
    "|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia"
    "|Wisconsin"
    "|Wyoming"
)
_OTHER_REGIONS: Final = "AB|BC|MB|NB|NL|NS|NT|NU|ON|PE|QC|SK|YT|NSW|VIC|QLD|SA|WA|TAS|ACT|NT"
_COUNTRIES: Final = (
    "USA|U\\.S\\.A\\.|United States(?: of America)?|UK|U\\.K\\.|United Kingdom|Great Britain|England|Scotland|Wales"
    "|Northern Ireland|Ireland|Canada|Australia|New Zealand|Deutschland|Germany|Osterreich|Austria|Schweiz"
    "|Suisse|Switzerland"
    "|France|Belgique|Belgium|Belgie|Luxembourg|Nederland|Netherlands|The Netherlands|Espana|Spain|Italia|Italy"
    "|Portugal"
    "|Brasil|Brazil|Mexico|Argentina|Chile|Colombia|Polska|Poland|Sverige|Sweden|Norge|Norway|Danmark|Denmark"
    "|Suomi|Finland"
    "|India|Singapore|Turkiye|Turkey"
)
US_CODE: Final = rf"(?:{_US_STATES}|{_US_STATE_NAMES}),? {{1,2}}\d{{5}}(?:-\d{{4}})?"
UK_CODE: Final = r"(?:GIR ?0AA|[A-Z]{1,2}\d[A-Z\d]{0,2} ?\d[A-Z]{2})"
CANADA_CODE: Final = r"[A-CEGHJ-NPR-TVXY]\d[A-CEGHJ-NPR-TV-Z][ -]?\d[A-CEGHJ-NPR-TV-Z]\d"
_IRISH_CODE: Final = r"[ACDEFHKNPRTVWXY]\d[0-9W] ?[A-Z0-9]{4}"
_BEHIND_TOWN: Final = (
    rf"(?:{US_CODE}|{UK_CODE}|(?:(?:{_OTHER_REGIONS}),? {{1,2}})?{CANADA_CODE}|(?:{_OTHER_REGIONS}),? \d{{4}}"
    r"|(?:- ?)?[1-9]\d{2} ?\d{3}|[A-Z]{2,5},? \d{5}(?:-?\d{3,4})?|\d{5}|\d{4}(?![./-]?\d)"
    rf"|(?:Co\.? [A-Z][a-z]+,? )?{_IRISH_CODE})"
)
_DIGITS_BEFORE_TOWN: Final = r"(?:\d{5}-?\d{3}|\d{4}-\d{3}|\d{2}-\d{3}|\d{3} \d{2}|\d{5}|\d{4}(?: ?[A-Z]{2}\b,?\n?)?)"
_BEFORE_TOWN: Final = rf"(?:[A-Z]{{1,3}}-|CEP:? |C\.?P\.? )?{_DIGITS_BEFORE_TOWN}"

_CAPITAL: Final = r"[A-Z][A-Za-z'-]{0,30}(?:(?<=\bSt)\.|(?<=\bSte)\.|(?<=\bMt)\.|(?<=\bFt)\.)?"
_LINKING: Final = (
    "sur|sous|les|le|la|de|du|des|en|aux?|et|d'|l'|am|an der|an dem|an|der|im|in|ob|bei|vor|auf|unter|the|upon"
    "|on|under|of"
    r"|v\. ?d\.|[aiou]\. ?d\.|[aibouv]\."
    "|del|della|di|do|da|dos|das|los|las|el|y|e|aan|den|op|van|het|nad|pod|pri|i|los altos|cedex"
)
_TOWN: Final = (
    rf"(?:(?:da|das|do|dos|de|del|la|los|las|le|les|l') )?{_CAPITAL}"
    rf"(?: (?:(?:{_LINKING}) ){{0,2}}\(?{_CAPITAL}\)?){{0,3}}(?: [ai]\.[A-Z][a-z]{{0,12}}\.?)?(?: (?:CEDEX"
    rf"|Cedex)(?: \d\d)?)?"
)
_GAP: Final = r"(?: ?[,;] ?\n?[ >]{0,2}|\n[ >]{0,2}| - | in (?=[A-Z0-9-]{0,3}\d)| )"
_UNIT_WORDS: Final = (
    "apartment|appartement|apartamento|appartamento|appt|apto|apt|ap|suite|ste|unit|flat|floor|fl|room|rm"
    "|building|bldg"
    "|lot|box|bte|boite|bat|batiment|wohnung|whg|top|stiege|etage|og|eg|piso|puerta|escalera|esc|planta|portal"
    "|bajo|atico"
    "|local|interior|interno|int|scala|sc|piano|andar|bloco|bl|edif|edificio|casa|sala|dto|esq|fte|frente|bus"
    "|huis|lgh|leil"
    "|app|wg|tur|door|byt|mieszk|m|no|nr|n|et|pmb|unidad|dpto|depto"
)
_UNIT_BEGINS: Final = expression(r" ?,? ?\n?[ >]{0,2}(?:([A-Za-z]+)(?![0-9_])|# ?[A-Za-z0-9]|\d)")
_UNITS: Final = frozenset(_UNIT_WORDS.split("|"))
_UNIT: Final = expression(
    rf"(?: ?,? ?\n?[ >]{{0,2}}(?:(?:{_UNIT_WORDS})\b\.? ?#?[A-Za-z0-9/-]{{0,6}}\b|# ?[A-Za-z0-9-]{{1,6}}\b"
    r"|\d{1,2}\. ?(?:OG|EG|DG|UG|Stock|Etage|Obergeschoss|Stiege|NP)\b"
    r"|\d{1,2}\.?(?:o|a|st|nd|rd|th|er|e|eme)\b\.?(?: ?(?:floor|piso|andar|etage|dto|esq|izq|dcha|[A-D])\b\.?)?"
    r")){1,5}",
    re.IGNORECASE,
)
_INNER_NUMBER: Final = expression(r" \d{1,4}(?=[,\n])")
_HOUSE_GOES_ON: Final = expression(
    r"(?:[-/ ] ?(?:[IVX]{1,4}|[A-Za-z]|hs|huis|bis|ter|quater|links|rechts|\d{1,4}[A-Za-z]?)){1,3}(?= ?(?:[,\n]"
    r"|\Z| in \d))"
    r"|(?:[-/](?:[IVX]{1,4}|[A-Za-z]|\d{1,4}[A-Za-z]?)){1,3}(?![A-Za-z0-9])"
)
"""A flat or a floor behind the house number: `85-II`, `12/A`, `170 A`, `216 hs`."""
_GOES_ON_WITH: Final = frozenset(" -/")
_DIRECTION: Final = expression(r" (?:NE|NW|SE|SW|N|S|E|W)\b\.?(?! ?[a-z])")
_TOWN_THEN_CODE: Final = expression(rf"{_GAP}(?:{_TOWN}(?: \d{{1,2}}\b)?{_GAP}? ?){{1,3}}{_BEHIND_TOWN}(?![A-Za-z0-9])")
_TOWN_IN_STATE: Final = expression(
    rf"{_GAP}{_TOWN}(?:,? (?:{_US_STATES}|{_US_STATE_NAMES}"
    rf"|{_OTHER_REGIONS})(?![A-Za-z0-9])(?: {{1,2}}[A-Z]\d[A-Z] ?\d[A-Z]\d)?"
    rf"| ?/ ?[A-Z]{{2}}\b(?:,? (?:CEP:? )?\d{{5}}-?\d{{3}})?)"
)
_DISTRICT: Final = expression(rf" ?[-,] {_TOWN}(?=, {_TOWN} ?[/,-] ?[A-Z]{{2}}\b)")
_TOWN_GOES_ON: Final = expression(
    r" (?:am|an der|a\.|im|in der|ob der|bei|sur|upon|del|de la) [A-Z][a-z]{2,20}| \([A-Z][a-z]{2,20}\)"
    r"| \d{1,2}\b(?![.,/:-]?\d)"
)
_CODE_THEN_TOWN: Final = expression(
    rf"(?:{_GAP}{_TOWN}){{0,2}}{_GAP}{_BEFORE_TOWN},? ?{_TOWN}(?:,? ?\([A-Z][A-Za-z ]{{1,24}}\)"
    rf"|,? ?/? ?[A-Z]{{2}}\b)?"
)
_CODE_AND_TOWN: Final = expression(rf"{_DIGITS_BEFORE_TOWN},? ?{_TOWN}")
_CODE_ONLY: Final = expression(
    rf"{_GAP}(?:{UK_CODE}|{CANADA_CODE}|{US_CODE}|\d{{5}}-\d{{3}}|\d{{4}} ?[A-Z]{{2}}"
    rf"|{_IRISH_CODE})(?![A-Za-z0-9])(?: {_TOWN})?"
)
_TOWN_ONLY: Final = expression(rf"(?:,|\n| - |, ?\n| in| a| en) ?({_CAPITAL}(?:[ -]{_CAPITAL}){{0,2}})")
_BEFORE_COUNTRY: Final = frozenset(" ,;\n")
_COUNTRY: Final = expression(rf"{_GAP}\(?(?:{_COUNTRIES})\b\)?")
_DIGIT: Final = expression(r"\d")
_FARTHEST_CODE: Final = 800
"""Longer than the parts of an address, at most, between its house number and its postcode."""
_CITIES: Final = frozenset(city.replace("_", " ") for city in words("cities"))

_REACH: Final = 160
"""How far left of a postcode its house number may stand."""
_MOST_SEGMENTS: Final = 4
HOUSE: Final = r"\d{1,6}[A-Za-z]?(?:[-/](?:\d{1,5}[A-Za-z]?|[A-Za-z]\b|[IVX]{1,4}\b)){0,3}(?: 1/2)?"
FLAT: Final = (
    r"(?:(?:Flat|FLAT|flat|Apartment|APARTMENT|Apt\.?|APT|Unit|UNIT|Suite|SUITE|Room|Studio|No\.?|H\.? ?No\.?)"
    r" #?[A-Za-z0-9]{1,6},? ?\n?)"
)
_SEGMENT_WORD: Final = rf"(?:[A-Z0-9#(][A-Za-z0-9'.#/()-]*|{_LINKING}|and|&)"
_INNER: Final = (
    "de|du|des|la|le|les|del|della|di|do|da|dos|das|van|van de|van der|het|den|der|d'|l'|of|the|utca|ut|utja|ter"
    "|tere|korut|koz|sor|setany"
    "|nam|namesti|ulice|trida|katu|tie|bis|ter"
)
_SEPARATOR: Final = expression(r" ?[,\n] ?(?:[ >]{0,2})| - ")
_NUMBER_FIRST: Final = expression(
    rf"(?<![A-Za-z0-9.,/#-])(?P<whole>{FLAT}?(?:H\.? ?No\.? ?|#)?{HOUSE}(?: {_SEGMENT_WORD}){{0,8}} ?)\Z"
)
_NUMBER_LAST: Final = expression(
    rf"(?:^|[ :])(?P<whole>[A-Z][A-Za-z'.-]{{1,30}}(?: (?:{_INNER}|[A-Z0-9][A-Za-z0-9'.-]{{0,30}})){{0,6}},?"
    rf" (?:[Nn][ro]?\.? ?)?{HOUSE}\.?(?: {{1,2}}[A-Z][A-Za-z]{{0,6}}\.? {{1,2}}\d{{1,4}}[A-Za-z]?\.?){{0,5}} ?)\Z"
)
_MIDDLE: Final = expression(rf"(?:{_SEGMENT_WORD}(?: |\Z)){{1,8}}|\d{{1,5}}[A-Za-z]? ?|")
_BARE_NUMBER: Final = expression(r"\d{1,5}[A-Za-z]? ?|[sS]/[nN] ?")
_NO_ADDRESS_CROSSES: Final = expression(r"\n[ >]{0,2}\n|[A-Za-z0-9]{5,}\.[ \n]")
_TOWN_AT_END: Final = expression(rf"(?:^|[ \n:])(?P<whole>{_TOWN},? ?\n?)\Z")
_MONTH: Final = expression(rf"\b(?:{MONTHS}|uhr|eur|usd)\b", re.IGNORECASE)


def end_of_address(text: str, end: int) -> int:
    """Where an address ends whose street and house number ended at `end`; `end` itself when nothing follows."""
    if text[end : end + 1] in _GOES_ON_WITH:
        for rule in (_HOUSE_GOES_ON, _DIRECTION, _INNER_NUMBER):
            if match := rule.match(text, end):
                end = match.end()
    if match := _unit(text, end):
        end = match.end()
    if match := _DISTRICT.match(text, end):
        end = match.end()
    for rule in (*_rules(text, end), _TOWN_IN_STATE, _CODE_ONLY):
        if match := rule.match(text, end):
            end = match.end()
            break
    else:
        if (match := _TOWN_ONLY.match(text, end)) and (size := _town(match[1], text[match.end() : match.end() + 3])):
            end = match.start(1) + size
            if match := _TOWN_GOES_ON.match(text, end):
                end = match.end()
    if text[end : end + 1] in _BEFORE_COUNTRY and (match := _COUNTRY.match(text, end)):
        end = match.end()
    while text[end - 1] in " ,.;\n":
        end -= 1
    return end


def has_code(text: str, end: int) -> bool:
    """True when a postcode, with or without a town, follows; a flat may stand between."""
    if match := _HOUSE_GOES_ON.match(text, end):
        end = match.end()
    if match := _unit(text, end):
        end = match.end()
    return any(rule.match(text, end) for rule in (*_rules(text, end), _CODE_ONLY))


def _unit(text: str, end: int) -> re.Match[str] | None:
    """A flat, a floor, a room: tried where the first word behind is one for them."""
    begins = _UNIT_BEGINS.match(text, end)
    if begins is None or (begins[1] is not None and begins[1].lower() not in _UNITS):
        return None
    return _UNIT.match(text, end)


def _rules(text: str, end: int) -> tuple[re.Pattern[str], ...]:
    """Those that can hold, of the rules for postcode and town: the next digit must begin a postcode."""
    if (digit := _DIGIT.search(text, end, end + _FARTHEST_CODE)) is None:
        return ()
    at = digit.start()
    if _CODE_AND_TOWN.match(text, at) is None and not text[end:at].lower().endswith("cedex "):
        return (_TOWN_THEN_CODE,)
    return _CODE_THEN_TOWN, _TOWN_THEN_CODE


def start_of_address(text: str, start: int, floor: int) -> int | None:
    """Where an address begins whose postcode, or town and postcode, stands at `start`.

    Goes left over parts between commas and line ends, each made of capitals and numbers only, to the one with the
    house number. None when there is no such part, or it stands before `floor`.
    """
    begin = max(0, start - _REACH, min(floor, start))
    for stop in _NO_ADDRESS_CROSSES.finditer(text, begin, start):
        begin = stop.end()
    window = text[begin:start]
    base = begin
    ends = [(match.start(), match.end()) for match in _SEPARATOR.finditer(window)]
    right = len(window)
    for cut, resume in [*ends[::-1], (0, 0)][: _MOST_SEGMENTS + 1]:
        segment = window[resume:right]
        if segment.strip():
            if _BARE_NUMBER.fullmatch(segment) and (match := _TOWN_AT_END.search(window[:cut])):
                return base + match.start("whole")
            for rule in (_NUMBER_FIRST, _NUMBER_LAST):
                if (match := rule.search(segment)) and any(
                    char.isalpha() for char in window[resume + match.start("whole") :]
                ):
                    return None if _MONTH.search(match["whole"]) else base + resume + match.start("whole")
            if _MIDDLE.fullmatch(segment) is None:
                return None
        right = cut
    return None


def start_of_town(text: str, start: int, floor: int) -> int | None:
    """Where the town before a postcode at `start` begins; `ID 12345` is Idaho's only behind a comma."""
    match = _TOWN_AT_END.search(text, max(0, start - 60, min(floor, start)), start)
    if match is not None and text.startswith("ID ", start) and "," not in match["whole"]:
        return None
    return None if match is None else match.start("whole")


def _town(words_: str, behind: str) -> int:
    """How many characters of the words are a town's name: a large city's, or one that is built like a town's."""
    if size := _city(words_):
        return size
    if match := _BUILT_LIKE_A_TOWN.match(words_):
        return match.end()
    first = kind_of(words_.split(" ")[0])
    return len(words_) if not first and (not behind.strip() or behind[0] in ".,;)\n" or _GOES_ON.match(behind)) else 0


_GOES_ON: Final = expression(r" [a-z(]|\?")
_BUILT_LIKE_A_TOWN: Final = expression(
    r"(?:[A-Z]'?[A-Za-z]+-)+(?:upon|on|in|by|under|le|la|les|en|sur|sous|de|du|des|aux|am|an|bei|the|of|St|Sainte?)"
    r"-[A-Za-z-]+|(?:Bad|Saint|Sankt|St\.|San|Santa|Sao|Los|Las|El|La|Le|Fort|Mount|Port|Lake|New|Villa|Castel|Monte)"
    r" [A-Z][a-z]{2,20}"
)


def _city(words_: str) -> int:
    """How many characters of the words are a large city's name; 0 when none are."""
    parts = words_.split(" ")
    for count in range(len(parts), 0, -1):
        name = " ".join(parts[:count])
        if name in _CITIES or name.title() in _CITIES:
            return len(name)
    return 0
