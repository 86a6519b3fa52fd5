"""What a model need not read: white space, quoted mail, signatures, legal footers, characters nobody sees.

Only ever takes whole pieces away, always the same ones, and leaves a piece in when in doubt: a removed question costs
more than a few tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.redact.redacted import Redacted

Span = tuple[int, int]
Steps = tuple[tuple["Removed", Callable[[str], list[Span]]], ...]


class Removed(StrEnum):
    """Why a piece was taken out."""

    INVISIBLE = "invisible"
    QUOTED_MAIL = "quoted_mail"
    LEGAL_FOOTER = "legal_footer"
    SIGNATURE = "signature"
    WHITE_SPACE = "white_space"


@dataclass(frozen=True, slots=True)
class Compressed:
    """What is left, and how many characters were taken out for which reason."""

    text: Redacted
    removed: Mapping[Removed, int]


def compress(text: Redacted) -> Compressed:
    """Deterministic; compressing twice changes nothing more."""
    removed: dict[Removed, int] = {}
    text = _without(text, _CHARACTERS, removed)
    for _ in range(MAX_LAYERS):
        # A signature may stand under a quoted mail, and the other way round.
        before = len(text)
        text = _without(text, _MAIL, removed)
        if len(text) == before:
            break
    return Compressed(_without(text, _EDGES, removed), removed)


MAX_LAYERS = 10
"""Mails in mails; a text made of nothing else must not take long."""


def _without(text: Redacted, steps: Steps, removed: dict[Removed, int]) -> Redacted:
    for reason, find in steps:
        if spans := find(text.text):
            removed[reason] = removed.get(reason, 0) + sum(end - start for start, end in spans)
            text = text.kept(_around(spans, len(text)))
    return text


def _around(spans: list[Span], length: int) -> list[Span]:
    edges = [0, *(edge for span in spans for edge in span), length]
    return list(zip(edges[::2], edges[1::2], strict=True))


# ---- characters nobody sees

_INVISIBLE = re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e"
                        "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]+")  # fmt: skip
"""Controls, soft hyphens, zero-width and direction marks, and the tag block in which instructions can be hidden. The
joiners of Persian, Indic scripts and emoji (U+200C, U+200D) stay."""


_INVISIBLE_ASCII = re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]+")


def _invisible(text: str) -> list[Span]:
    if text.isascii():
        return [match.span() for match in _INVISIBLE_ASCII.finditer(text)]
    return [match.span() for match in _INVISIBLE.finditer(text)]


# ---- quoted mail

_MAIL_BEGINS = re.compile(
    r"^[ \t]*(?:"
    r"-{2,} ?(?:Original Message|Original-Nachricht|Urspr\u00fcngliche Nachricht|Message d'origine|Mensaje original"
    r"|Messaggio originale|Oorspronkelijk bericht|Mensagem original|Forwarded message) ?-{2,}"
    r"|(?:On|Am|Le|El|Il giorno|Op|Em)\b[^\n]{4,160}(?:wrote|schrieb[^\n]{0,60}|a \u00e9crit|escribi\u00f3|ha scritto"
    r"|schreef[^\n]{0,60}|escreveu)\s*:"
    r"|(?:From|Von|De|Da|Van)[ \t]*:[^\n]{1,200}\n[ \t]*"
    r"(?:Sent|Gesendet|Envoy\u00e9|Enviado|Inviato|Verzonden|Date|Datum|Fecha|Data)[ \t]*:"
    r")",
    re.MULTILINE | re.IGNORECASE,
)
MIN_NEW_TEXT = 60
"""Characters that must stand above a quoted mail for it to go: `see below` says nothing without what is below."""


def _quoted_mail(text: str) -> list[Span]:
    if "\n" not in text:
        return []
    end = len(text)
    begins = _MAIL_BEGINS.search(text)
    if begins is not None and _says_enough(text[: begins.start()]):
        return [(begins.start(), end)]
    tail = _quoted_tail(text)
    return [(tail, end)] if ">" in text[tail:] and _says_enough(text[:tail]) else []


def _quoted_tail(text: str) -> int:
    """Where the quoted lines begin that nothing of the writer's own follows."""
    at = len(text)
    for line in reversed(text.splitlines(keepends=True)):
        if line.strip() and not line.lstrip().startswith(">"):
            break
        at -= len(line)
    return at


def _says_enough(text: str) -> bool:
    unquoted = [line for line in text.splitlines() if not line.lstrip().startswith(">")]
    return len("".join("".join(unquoted).split())) >= MIN_NEW_TEXT


# ---- legal footers

_LEGAL_CUE = re.compile(
    r"confidential|privileged|intended (?:solely|only) for|intended recipient|received this (?:e-?mail|message) in"
    r"|disclosure, copying|delete (?:this|the) (?:e-?mail|message)|does not accept (?:any )?liability|virus"
    r"|vertraulich|nicht der richtige Adressat|irrt\u00fcmlich erhalten|vernichten Sie diese"
    r"|confidentiel|destinataire|re\u00e7u ce message par erreur"
    r"|confidencial|destinatario|ha recibido este (?:mensaje|correo)|riservat|ha ricevuto questo messaggio"
    r"|vertrouwelijk|niet de beoogde ontvanger",
    re.IGNORECASE,
)
_PARAGRAPH = re.compile(r"[^\n]+(?:\n[^\n]+)*")
MIN_LEGAL_CUES = 3
"""One of its words stands in many complaints; three different ones in one paragraph make a footer."""


def _legal_footer(text: str) -> list[Span]:
    paragraphs = [match.span() for match in _PARAGRAPH.finditer(text)]
    found: list[Span] = []
    for start, end in reversed(paragraphs[1:]):
        cues = {cue.lower() for cue in _LEGAL_CUE.findall(text[start:end])}
        if len(cues) < MIN_LEGAL_CUES or "?" in text[start:end]:
            break
        found.append((start, end))
    return found[::-1]


# ---- signatures

_SIGNATURE_BEGINS = re.compile(
    r"^(?:-- ?|_{5,}"
    r"|(?:best|kind|warm|many thanks and)? ?regards|sincerely(?: yours)?|yours (?:sincerely|truly|faithfully)|cheers"
    r"|mit freundlichen gr\u00fc\u00dfen|freundliche gr\u00fc\u00dfe|viele gr\u00fc\u00dfe|mfg"
    r"|cordialement|bien \u00e0 vous|(?:un )?(?:cordial )?saludos?|atentamente|cordiali saluti"
    r"|met vriendelijke groet(?:en)?|atenciosamente),?[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_SENT_FROM = re.compile(
    r"^(?:Sent from my [^\n]{2,40}|Get Outlook for [^\n]{2,20}|Von meinem [^\n]{2,40} gesendet"
    r"|Envoy\u00e9 de mon [^\n]{2,40}|Enviado desde mi [^\n]{2,40}|Inviato da[l ][^\n]{2,40}"
    r"|Verzonden vanaf mijn [^\n]{2,40})[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
MAX_SIGNATURE_LINES = 8
MAX_SIGNATURE_WORDS = 7
MAX_SIGNATURE_CHARACTERS = 800


def _signature(text: str) -> list[Span]:
    if "\n" not in text:
        return []
    end = len(text)
    since = max(0, end - 2 * MAX_SIGNATURE_CHARACTERS)
    found = [match.span() for match in _SENT_FROM.finditer(text, since)]
    for match in _SIGNATURE_BEGINS.finditer(text, since):
        if text[: match.start()].strip() and _is_signature(text[match.end() :]):
            return [span for span in found if span[1] <= match.start()] + [(match.start(), end)]
    return found


def _is_signature(block: str) -> bool:
    """Names, titles, numbers; never a sentence, a question or a postscript."""
    if len(block) > MAX_SIGNATURE_CHARACTERS:
        return False
    lines = [line for line in block.splitlines() if line.strip()]
    return len(lines) <= MAX_SIGNATURE_LINES and not any(
        "?" in line
        or len(line.split()) > MAX_SIGNATURE_WORDS
        or re.match(r"\s*p\.? ?s\b", line, re.IGNORECASE)
        or re.search(r"[.!;]\s*$", line)
        for line in lines
        if not _SENT_FROM.match(line)
    )


# ---- white space

_SPACES = re.compile(r"[ \t\r\u00a0]+(?=\n)|(?<=[ \t\u00a0])[ \t\u00a0]+")
_ANY_SPACES = ("  ", " \n", "\t", "\r", "\u00a0")
_EMPTY_LINES = re.compile(r"(?<=\n\n)\n+")


def _spaces(text: str) -> list[Span]:
    if not any(sign in text for sign in _ANY_SPACES):
        return []
    return [match.span() for match in _SPACES.finditer(text)]


def _lines(text: str) -> list[Span]:
    """One empty line is left: it parts paragraphs."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if start >= end:
        return [(0, len(text))] if text else []
    inner = [match.span() for match in _EMPTY_LINES.finditer(text, start, end)] if "\n\n\n" in text else []
    return [span for span in ((0, start), *inner, (end, len(text))) if span[0] < span[1]]


_CHARACTERS: Steps = ((Removed.INVISIBLE, _invisible), (Removed.WHITE_SPACE, _spaces))
_MAIL: Steps = (
    (Removed.QUOTED_MAIL, _quoted_mail),
    (Removed.LEGAL_FOOTER, _legal_footer),
    (Removed.SIGNATURE, _signature),
    (Removed.WHITE_SPACE, _lines),
)
_EDGES: Steps = ((Removed.WHITE_SPACE, _lines),)
