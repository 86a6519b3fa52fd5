"""What stands between a cue and its value: `no. `, `: `, ` is `, ` ........ `, `_no="`, `?` and the other's answer."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.lexicon import words
from pipeline.redact.shadow import expression

_WORDS: Final = "|".join(sorted(words("link_words"), key=len, reverse=True))
_BEGINS_VALUE: Final = r"(?-i:[A-Z]{1,3}-\d|(?!NO|NR|ID|IS)[A-Z]{1,3} ?\d)"
"""`DA-73-ZQ` and `O 48 RW` begin no word."""
_WORD: Final = rf"(?<![A-Za-z0-9])(?:(?!{_BEGINS_VALUE})(?:{_WORDS})|n(?=[.o]))(?![A-Za-z0-9])(?:o\b|\.o\b)?[.:]{{0,2}}"
_SIGN: Final = r"[:#=([{\"'|>*/,~-]|\\[\"t]|_(?=[a-z:= ])"
_LEADER: Final = r"\.{2,80}|_{2,80}|-{2,80}"
_REMARK: Final = r"[(\[][a-z][^()\[\]\n0-9]{1,24}[)\]]"
_ITEM: Final = rf"(?:{_LEADER}|{_WORD}|{_REMARK}|{_SIGN}|-?nr\b\.?|[)\]](?=[ :]))"
LINK: Final = rf"(?:\.(?= ?\d|:))?(?:[ \t]{{0,12}}{_ITEM}){{0,8}}[ \t]{{0,12}}(?:\r?\n[ \t|>]{{0,4}})?[\"'(\[]?"
"""On the cue's line, or at the beginning of the next."""

_STAMP: Final = r"(?:\[?[0-9/. -]{0,12}\d{1,2}:\d\d(?::\d\d)?(?: ?[ap]m)?\]?[ ,-]{0,3})?"
_ANSWERED: Final = "(?:" + "|".join(sorted(words("answer_words"), key=len, reverse=True)) + ")"
_ASKED: Final = expression(r"\?|please|bitte|s'il (?:vous|te) plait|por favor|prego|per favore", re.IGNORECASE)
_ANSWER: Final = expression(
    rf"[ \t>]{{0,4}}(?:\r?\n)?{_STAMP}[a-z][a-z.' -]{{0,30}}(?:\([a-z0-9: ]{{1,20}}\) ?)?[:>][ \t]{{0,3}}"
    rf"(?:\b{_ANSWERED}\b[,:.!]? ?){{0,6}}",
    re.IGNORECASE,
)
_DIGIT: Final = expression(r"\d")
_REST_OF_QUESTION: Final = 70
_REST_WITHOUT_QUESTION: Final = 14
"""Characters between a cue and the end of its line, if nothing there asks."""


def answer(text: str, place: int) -> int:
    """Where the next speaker's answer to a question that ends with the cue's sentence begins; -1: none.

    `place` is the end of the cue. The speaker's name and words like `it's` are no part of the answer.
    """
    end = text.find("\n", place, place + _REST_OF_QUESTION)
    if end < 0 or _DIGIT.search(text, place, end) is not None:
        return -1
    if end - place > _REST_WITHOUT_QUESTION and _ASKED.search(text, place, end) is None:
        return -1
    match = _ANSWER.match(text, end + 1)
    return -1 if match is None else match.end()


def behind(value: str) -> re.Pattern[str]:
    """`value` behind a cue, as the group `value`; letters in any case, but where `value` says otherwise."""
    return expression(rf"{LINK}(?P<value>{value})(?![A-Za-z0-9])", re.IGNORECASE)


NEXT: Final = expression(
    r"(?: ?\([^()\n]{1,24}\))?(?: ?[,;/&+] ?(?:and |und |et |y |e |en |or |oder |ou |o |u )?"
    r"| (?:and|und|et|y|e|en|or|oder|ou|o|u|as well as|sowie) (?:the |my |also |auch )?|\n[ \t]{0,4}[-*] )",
    re.IGNORECASE,
)
"""What stands between two items of a list, behind a remark on the first: `(work) or `."""

_RELATION: Final = "|".join(sorted(words("relation_words"), key=len, reverse=True))
_SAYS: Final = rf"(?:(?:{_RELATION})(?:[ ,:]+|(?=n\b)))"
RELATION: Final = expression(
    rf"[\"')]?(?:(?:,|\.\.\.|:) {_SAYS}{{1,9}}|(?: -)?(?: ?[(\[=/] ?| ){_SAYS}{{0,9}})", re.IGNORECASE
)
"""Between a value and the cue behind it that says what it is: ` is my `, ` with you, it is a `, ` (`."""
