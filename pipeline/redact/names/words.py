"""The shapes of names, and of what stands around them."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact import lexicon
from pipeline.redact.shadow import expression

_PARTICLES: Final = (
    "van der|van den|van de|van het|van 't|von der|von dem|von und zu|van|von|vom|de la|de las|de los|de l'|del"
    "|della|delle|degli"
    "|dalla|dal|di|da|dos|das|do|de|du|des|den|der|la|le|el|al|bin|ibn|ben|bint|abu|ter|ten|te|zu|zum|zur|af|av"
    "|st\\.|St\\.|Ste\\.|y|e|d'"
)
_WORD: Final = r"(?:(?:al|el|as|ad|ar|bin|ben)-)?[A-Z][A-Za-z]*(?:['-][A-Za-z]+)*"
_TITLES: Final = (
    "mr|mrs|ms|miss|mx|dr|prof|sir|herrn?|frau|m|mme|mlle|monsieur|madame|mademoiselle|sr|sra|senor|senora|sig"
    "|signora?|dott|don|dona|dhr"
    "|mevr|mevrouw|heer|ing|pan|pani"
)
_INITIALS: Final = rf"(?:(?:[A-Z]\. ?){{1,3}}(?:(?:{_PARTICLES}) ?)?)?"
_FURTHER: Final = rf"(?:(?: [A-Z]\b\.?){{0,2}} (?:(?:{_PARTICLES})[ ]?)?{_WORD}){{0,4}}"
NAME: Final = rf"{_INITIALS}{_WORD}{_FURTHER}"

NAME_AT: Final = expression(rf"(?:(?:{_PARTICLES}) ?){{0,2}}{NAME}")
RUN: Final = expression(
    rf"[A-Z](?<![A-Za-z0-9@_/.'-][A-Z])(?:\. ?(?:[A-Z]\. ?){{0,2}}(?:(?:{_PARTICLES}) ?)?{_WORD}"
    rf"|[A-Za-z]*(?:['-][A-Za-z]+)*){_FURTHER}"
)
"""A name, not inside a word; begins with a capital, since those are found quickly."""
PREFIXED_RUN: Final = expression(rf"(?<![A-Za-z0-9@_/.'-]){NAME}")
"""The same, also for names like `al-Amin`."""
TOKEN: Final = expression(r"[A-Za-z]+(?:['-][A-Za-z]+)*\.?")
LOWER_AT: Final = expression(r"[a-z]{3,20}(?:-[a-z]+)?(?: [a-z]{3,20}){0,1}(?![A-Za-z])")

BEHIND_PERSON: Final = expression(
    r"[\"']?[ \t]{0,2}[:=|,(\"'-]?[ \t]{0,4}(?:\n(?=[A-Z]))?"
    rf"(?:\b(?:is|was|are|named|called|ist|war|heist|lautet|est|etait|es|(?-i:e)|von|de|of|to|der|die|the"
    rf"|{_TITLES})\b\.? ?){{0,3}}[\"']?",
    re.IGNORECASE,
)
BEHIND_HONORIFIC: Final = expression(
    rf"\.? {{1,2}}(?:(?:and|und|et|y|e|en|&|dipl|med|{_TITLES})\b\.? ?){{0,3}}", re.IGNORECASE
)
BEHIND_GREETING: Final = expression(rf"[ ,]{{1,2}}(?:(?:{_TITLES})\b\.? ?){{0,2}}", re.IGNORECASE)
HONORIFIC: Final = expression(
    r"(?<![A-Za-z0-9@_.-])(?:[A-Z][A-Za-z. ]{0,13}|mr|mrs|ms|miss|herrn?|frau|mme|mlle|monsieur|madame|mademoiselle"
    r"|senor(?:a|ita)?|senhora?|signor(?:a|e|ina)?|sig|dott|prof|ing|avv|dr|mevrouw|heer|meneer|do[ck]tor"
    r"|docteur|dottor(?:e|essa)?|pani?"
    r"|sra?)\Z"
)
GREETED: Final = expression(r"(?P<name>[A-Za-z][a-z'-]+(?: [A-Za-z][a-z'-]+)?) ?[,!\n]")
SIGNATURE: Final = expression(
    r"[ \t]{0,2}[,.!;:]{0,2}[ \t]{0,3}\r?\n(?:[ \t>|]{0,4}\r?\n){0,3}[ \t>|-]{0,4}"
    rf"(?:(?:{_TITLES})\b\.? ){{0,2}}"
    r"(?P<name>[A-Za-z][A-Za-z'-]*\.?(?: [A-Za-z][A-Za-z'-]*\.?){0,4})[ \t]*(?=[,|(<\r\n/]|\Z)",
    re.IGNORECASE,
)
SIGNATURE_GOES_ON: Final = expression(
    rf"[ \t]{{0,2}}[,.!;:]{{0,2}}[ \t]{{0,3}}\r?\n[ \t>|-]{{0,4}}(?:(?:{_TITLES})\b\.? ){{0,2}}(?=[A-Z])", re.IGNORECASE
)
SIGNED: Final = expression(rf"[ \t]{{0,2}}[,.:-]?[ \t]{{1,3}}(?P<name>{NAME})[ \t]*\.?(?=\n|\Z)")
SIGNED_LOWER: Final = expression(
    r"[ \t]{0,2}[,:-]?[ \t]{1,3}(?P<name>[a-z]{3,20}(?: [a-z'-]{3,20})?)[ \t]*\.?(?=\n|\Z)"
)
LAST_LINE: Final = expression(
    r"\n[ \t]*(?:(?P<dash>(?<=\n)[-~*]{1,3}) ?"
    r"|x{1,3} )?(?P<name>[A-Za-z][A-Za-z'-]*\.?(?: [A-Za-z][A-Za-z'-]*\.?){0,4})[ \t.]*\s*\Z"
)
LINE_OF_A_PERSON: Final = expression(
    r"(?P<speaker>[A-Z][A-Za-z'-]{2,20}(?: [A-Z][a-z]{2,20})?): |[ \t]*(?:[-*] )?(?P<listed>)(?=[A-Za-z' -]{2,40},)"
)
PARTICLES_BEFORE: Final = lexicon.words("name_particles")
PARTICLE_BEFORE: Final = expression(
    r"(?<![A-Za-z])(?:(?:van|von|ten|ter|zu|zur|bin|ibn|del|della|di|abu|al|el|der|den|de|dos|da)"
    r"(?: (?:der|den|de|dem|la|las|los))?) \Z",
    re.IGNORECASE,
)
DASHES: Final = ("\n--", "\n__", "\n**")
DASHED_LINE: Final = expression(r"\n(?:--|__|\*\*)[ \t]*(?=\n)")
LAST_FIRST: Final = expression(
    rf"(?P<last>(?:(?:{_PARTICLES}) ){{0,2}}{_WORD}(?: {_WORD})?), ?(?P<first>{_WORD}(?: [A-Z]\."
    rf"| {_WORD})?)(?![A-Za-z])"
)

BORN_BEHIND: Final = expression(
    r",? ?\(?(?:born|nee?|geb|geboren|wohnhaft|demeurant|residing|nat[oa]|nacid[oa]|nascid[oa]|residente"
    r"|d\.?o\.?b|aged)\b",
    re.IGNORECASE,
)
VERB_BEHIND: Final = expression(
    r",? (?:said|says|will|would|denies|denied|stated|claims|declined|reports|reported|told|called|wrote|confirmed"
    r"|replied|signed|agreed|admitted|witnessed|drove|spoke|explained"
    r"|promised|refused|came|saw"
    r"|went|found|noticed|arrived|who|has|had|here|does|did|is my|was my|and I"
    r"|hat|sagte|teilte|bestatigte|rief|schrieb|erklarte|fuhr|meinte"
    r"|a (?:dit|confirme|reconnu|appele|signe|trouve|vu|declare|repondu|parle)"
    r"|dijo|confirmo|llamo|ha (?:detto|confermato|chiamato|visto|firmato|dicho|confirmado)|disse|confirmou|zei|heeft)\b"
)
PRODUCT_BEHIND: Final = expression(r" ?(?:\d|[A-Z]?\d|(?:Pro|Plus|Max|Mini|Air|Ultra|Lite|XL|S|X|II|III|IV)\b)")
DETERMINER_BEFORE: Final = expression(
    r"\b(?:the|a|an|our|your|their|this|that|each|every|new|old|der|die|das|den|dem|des|ein|eine|einen|einem"
    r"|einer|im|am|zum|zur|vom|beim"
    r"|ins|le|la|les|l'|un|une|du|des|au|aux|el|los|las|una|il|lo|gli|i|uno|o|os|as|um|uma|het|een)[ ']\Z",
    re.IGNORECASE,
)
PLACE_BEFORE: Final = expression(
    r"\b(?:in|at|from|near|to|of|via|in|aus|nach|bei|a|en|de|vers|desde|hacia|da|em|uit|naar|te|the) \Z", re.IGNORECASE
)
CAPITAL_BEFORE: Final = expression(r"(?:\A|[^A-Za-z])[A-Z][a-z]+ \Z")
INSIDE_SENTENCE: Final = expression(r"[a-z,;)] \Z")

_GERMAN: Final = (" und ", " ist ", " nicht ", " ich ", " der ", " die ", " das ", " mit ")
_FRENCH: Final = (" le ", " la ", " est ", " et ", " je ", " les ", " de ")


def is_german(shadow: str) -> bool:
    """True for texts in which every noun has a capital."""
    return sum(word in shadow for word in _GERMAN) >= 2


def is_french(shadow: str) -> bool:
    """True for texts in which `M.` is a title, not an initial."""
    return sum(word in shadow for word in _FRENCH) >= 3
