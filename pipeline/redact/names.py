"""People's names, by the words around them."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.patterns.pattern import Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found

_NAME: Final = (
    r"(?P<name>(?!(?:Mr|Mrs|Ms|Miss|Dr|Herr|Frau|M|Mme|Sr|Sra|Team|Support|Sir|Madam|all|there)\b)[A-Z][A-Za-z'-]{1,24}"
    r"(?: (?:van|von|de|der|den|di|da|dos|del|la|le|el|bin|al|[A-Z]\.?)){0,3}(?: [A-Z][A-Za-z'-]{1,24}){0,2})"
)
_RULES: Final = (
    re.compile(
        r"\b(?:Mr|Mrs|Ms|Miss|Dr|Herrn?|Frau|Monsieur|Madame|Mme|M|Senora?|Sra?|Dona?|Signora?|Sig|Mevrouw|Dhr)\b\.? "
        + _NAME
    ),
    re.compile(r"\b(?:Dear|Hi|Hello|Hallo|Liebe[r]?|Bonjour|Cher|Chere|Hola|Ciao|Ola|Beste) " + _NAME + r"[,!]"),
    re.compile(
        r"\b(?:regards|sincerely|Cheers|Thanks|Gruse|Grusen|MfG|Cordialement|Saludos|saluti),?\n{1,2}"
        + _NAME
        + r"[ \t]*(?:\n|\Z)"
    ),
    re.compile(r"\b(?:my name is|I am|ich heise|Mein Name ist|je m'appelle|mi nombre es|mi chiamo) " + _NAME),
)


def find(shadow: str) -> list[Found]:
    """Names by honorific, greeting, signature and introduction."""
    return [
        Found(*match.span("name"), PiiType.PERSON, Strength.CUED) for rule in _RULES for match in rule.finditer(shadow)
    ]
