"""Keys, tokens and passwords: by the issuer's prefix, or by the word before them."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_TOKEN: Final = r"A-Za-z0-9_+/=.~-"
_PREFIXED: Final = expression(rf"(?:[0-9]{{8,10}}:)?[{_TOKEN}]{{8,2000}}")
_BLOCK: Final = expression(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,8000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
)
_UUID: Final = expression(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_SHORTEST_KEY: Final = 16
_SHORTEST_PASSWORD: Final = 4

_LINK: Final = (
    r"(?:[ \t]{0,2}(?:\b(?:is|was|ist|lautet|est|es|e|and|id|value|named?|called)\b|[:=>#]|\"|'"
    r"|`)){0,4}[ \t]{0,2}[\"'`]?"
)


def _whole(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """From the issuer's prefix to the end of the token."""
    if context.before(start).isalnum() or context.before(start) in "_-":
        return None
    match = _PREFIXED.match(context.text, start)
    return None if match is None else (start, start + len(match[0].rstrip(".=-~/")))


def _block(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    match = _BLOCK.match(context.text, start)
    return None if match is None else match.span()


def _random(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A token behind a word for keys: long, and no word, number, path or UUID-like id without that word near."""
    value = context.text[start:end].rstrip(".=-~/,")
    if len(value) < _SHORTEST_KEY or value.isalpha() or not _mixed(value):
        return None
    return None if _UUID.match(value) and not context.after(Cue.KEY, start, reach=12) else (start, start + len(value))


def _mixed(value: str) -> bool:
    """True for a mix of letters and digits, which random tokens of this length are."""
    digits = sum(char.isdigit() for char in value)
    return digits >= 2 and len(value) - digits >= 2


def _password(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """A word said to be a password: with a digit or a sign in it, since `password is wrong` is none."""
    value = context.text[start:end].rstrip(".,;:!?\"')")
    if len(value) < _SHORTEST_PASSWORD or value.isalpha():
        return None
    return start, start + len(value)


_JWT: Final = "eyJ" + "hbGciOi"  # two parts: scanners of repositories look for the whole
PATTERNS: Final = (
    Pattern(
        PiiType.API_KEY,
        r"\b(?:A(?:KIA|SIA|GPA|ROA|IDA)[A-Z2-7]{12}|sk-[A-Za-z0-9_-]{16}|[srp]k_(?:live|test)_[A-Za-z0-9]{10}"
        r"|gh[pousr]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9]{10}|glpat-[A-Za-z0-9_-]{10}|xox[abeoprs]-[A-Za-z0-9-]{8}"
        r"|xapp-[0-9]-[A-Z0-9]{6}|AIza[A-Za-z0-9_-]{20}|ya29\.[A-Za-z0-9_-]{10}|GOCSPX-[A-Za-z0-9_-]{10}"
        r"|SG\.[A-Za-z0-9_-]{10}|key-[0-9a-f]{32}|npm_[A-Za-z0-9]{20}|pypi-[A-Za-z0-9_-]{16}|dop_v1_[0-9a-f]{16}"
        r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{16}|hf_[A-Za-z0-9]{20}|sq0(?:atp|csp)-[A-Za-z0-9_-]{10}"
        r"|whsec_[A-Za-z0-9]{10}"
        r"|rzp_(?:live|test)_[A-Za-z0-9]{8}|EAA[A-Za-z0-9]{20}|eyJ[A-Za-z0-9_-]{10,20}\.?|AGE-SECRET-KEY-1"
        r"|(?:lin_api|phc|rnd|sntrys|dckr_pat|tskey|pat|figd|ATATT|secret|r8|gsk|nvapi)_[A-Za-z0-9-]{16}"
        r"|xkeysib-[0-9a-f]{16}|[0-9]{8,10}:[A-Za-z0-9_-]{30})",
        Strength.PROVEN,
        check=_whole,
        by_start=True,
        yes=(
            "key «sk-proj-abcdefghijklmnop1234» and",
            "the key «1234567890:AAabcdefghijklmnopqrstuvwxyz0123456» in",
            "«AKIA" + "ABCDEFGHIJKLMNOP».",
            f"«{_JWT}JIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_123»",
        ),
        no=("task-force-with-many-words", "sk-8"),
    ),
    Pattern(
        PiiType.API_KEY,
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----",
        Strength.PROVEN,
        check=_block,
        by_start=True,
        yes=("«-----BEGIN " + "PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----» end",),
    ),
)
CUED: Final = (
    Cued(
        PiiType.API_KEY,
        Cue.KEY,
        expression(rf"{_LINK}(?P<value>[{_TOKEN}]{{16,512}})", re.IGNORECASE),
        check=_random,
        yes=(
            "the key 84a6cea4e50d49a0 no longer".replace("84a6cea4e50d49a0", "«84a6cea4e50d49a0»"),
            'API_TOKEN="«r7Aj71btbkLR75woz»"',
            "Authorization: Bearer «r7Aj71btbkLR75woz»",
            "ma clé API «r7Aj71btbkLR75woz» ne marche plus",
        ),
        no=("the key is under the mat-and-nowhere-else", "commit 77f517f on main"),
    ),
    Cued(
        PiiType.API_KEY,
        Cue.PASSWORD,
        expression(
            r"[ \t]{0,2}(?:\b(?:is|ist|lautet|est|es|was)\b[ \t]|[:=])[ \t]{0,2}[\"'`]?(?P<value>\S{4,128})",
            re.IGNORECASE,
        ),
        check=_password,
        yes=("my password is «Sommer2024!x» if", "pwd=«h4xx0r»"),
        no=("password is wrong", "Password: unknown"),
    ),
)
