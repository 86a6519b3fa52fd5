"""Names by the lists of names and words, and by a person's data behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.redact.names import naming, words
from pipeline.redact.names.kinds import (
    AMBIGUOUS,
    GIVEN,
    NAME,
    NO_NAME,
    SURNAME,
    kind_of,
    kinds,
)
from pipeline.redact.names.naming import Token
from pipeline.redact.names.search import Search
from pipeline.redact.patterns.pattern import Strength

_LONGEST_ACRONYM: Final = 4
_SHORTEST_KNOWN: Final = 3


def by_lists(search: Search) -> None:
    known, local_parts = kinds(), search.local_parts
    for match in (words.PREFIXED_RUN if search.sights.prefixed else words.RUN).finditer(search.text):
        run = match[0]
        if " " in run:
            tokens = _tokens_of_run(search, match.start(), run)
            for group in naming.groups(tokens) if tokens else ():
                if len(group) > 1 and search.begins_data(group[-1].start):
                    group.pop()
                if len(group) == 1:
                    _judge_single(search, group[0])
                else:
                    _judge(search, group)
            continue
        kind = known.get(run)
        if kind is None or len(run) < 3:
            kind = kind_of(run)
        if kind & NAME or (not kind and local_parts and run.lower() in local_parts):
            _judge_single(search, Token(match.start(), match.end(), run, kind))


def _judge_single(search: Search, token: Token) -> None:
    """One capitalised word: a given name that is nothing else, or any listed name with a person's data behind."""
    start, end, text, kind = token
    if search.local_parts and not naming.plain(token) and len(text) > 3 and text.lower() in search.local_parts:
        search.add(start, end, Strength.CUED)
    if len(text) <= _LONGEST_ACRONYM and text.isupper():
        return
    if not kind & NAME or search.capitals or (start, end) in search.found or search.is_brand(start, end):
        return
    if naming.certain(token):
        if not search.is_product(end):
            search.add(start, end, Strength.GUESS)
    elif (len(text) > 2 and not search.text.startswith(":", end) and _data_behind(search, end)) or (
        kind & GIVEN and not kind & NO_NAME and _acts(search, start, end)
    ):
        search.add(start, end, Strength.GUESS)


def _judge(search: Search, group: Sequence[Token]) -> None:
    """Several capitalised words in a row, none of them an everyday word only."""
    start, end = group[0].start, group[-1].end
    full = [token for token in group if len(token.text) > 2 and not naming.is_particle(token)]
    if not full or (start, end) in search.found or search.is_brand(start, end):
        return
    certain = any(naming.certain(token) for token in full)
    if search.capitals and not (certain and len(full) > 1):
        return
    if search.local_parts and naming.makes_up(full, search.local_parts):
        search.add(start, end, Strength.CUED)
        return
    data_behind = _data_behind(search, end)
    if not data_behind and search.is_product(end):
        return
    first, last = full[0].kind, full[-1].kind
    listed = sum(1 for token in full if token.kind & NAME)
    vague = all(token.kind & AMBIGUOUS or token.kind & NO_NAME for token in full)
    if data_behind:
        search.add(start, end, Strength.CUED)
    elif certain or (listed > 1 and not vague) or (first & GIVEN and not (search.is_german() and vague)):
        search.add(start, end, Strength.SHAPE)
    elif last & SURNAME and not (search.is_german() and last & AMBIGUOUS):
        if words.DETERMINER_BEFORE.search(search.text, max(0, start - 8), start) is None:
            search.add(start, end, Strength.GUESS)
    elif not listed and _could_be_foreign(search, group):
        search.add(start, end, Strength.GUESS)


def _could_be_foreign(search: Search, group: Sequence[Token]) -> bool:
    """Two or three words that no list knows, with capitals inside a sentence, and no article before them."""
    if not 2 <= len(group) <= 3 or any(not naming.is_title(token.text) or token.kind for token in group):
        return False
    start = group[0].start
    before = search.text[max(0, start - 8) : start]
    if words.CAPITAL_BEFORE.search(before) is not None:
        return False
    inside = words.INSIDE_SENTENCE.search(before) is not None or words.VERB_BEHIND.match(search.text, group[-1].end)
    if not inside or words.DETERMINER_BEFORE.search(before):
        return False
    return not search.is_german() or not any(naming.GERMAN_NOUN.search(token.text) for token in group)


def _data_behind(search: Search, end: int) -> bool:
    """The person's e-mail, telephone number, address or birth stands right behind."""
    gap = search.text[end : end + 3]
    for size in (1, 2, 3):
        if end + size in search.starts and not gap[:size].strip(" ,<(:\n-"):
            return True
    return words.BORN_BEHIND.match(search.text, end) is not None


def _acts(search: Search, start: int, end: int) -> bool:
    """Does what people do, and is no place."""
    if words.VERB_BEHIND.match(search.text, end) is None:
        return False
    return words.PLACE_BEFORE.search(search.text, max(0, start - 8), start) is None


def _tokens_of_run(search: Search, start: int, run: str) -> list[Token]:
    """`_tokens` of words with blanks between, of which most are no names; none when all are everyday words."""
    if "." in run:
        return search.tokens(start, start + len(run))
    known, tokens, names = kinds(), list[Token](), False
    for word in run.split(" "):
        kind = known.get(word)
        if kind is None or len(word) < _SHORTEST_KNOWN:
            kind = kind_of(word)
        names = names or not kind & NO_NAME or kind & NAME > 0
        tokens.append(Token(start, start + len(word), word, kind))
        start += len(word) + 1
    return tokens if names else []
