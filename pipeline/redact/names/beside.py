"""Names by what stands beside them: a word for people, a greeting, a signature, the beginning of a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.names import naming, words
from pipeline.redact.names.introduced import Sureness, introductions
from pipeline.redact.names.kinds import (
    FUNCTION,
    GIVEN,
    NAME,
    NO_NAME,
    ORGANISATION,
    PARTICLE,
    SURNAME,
    TITLE,
)
from pipeline.redact.names.naming import Token
from pipeline.redact.names.search import Search
from pipeline.redact.patterns.pattern import Strength

_ENDS: Final = frozenset(["", ",", ".", ";", "\n", ")", '"'])
_SHORTEST_LOWER: Final = 4
_MOST_SIGNING: Final = 3
_LONGEST_LINE: Final = 60


def behind_honorifics(search: Search) -> None:
    text = search.text
    for end in search.sights.ends(Cue.HONORIFIC):
        match = words.BEHIND_HONORIFIC.match(text, end)
        if match is None or words.HONORIFIC.search(text[max(0, end - 15) : end]) is None:
            continue
        if search.is_brand(end - 1, match.end() + 1):
            continue
        if text[end - 1] == "M" and text[end] == "." and not search.is_french():
            _accept(search, end - 1)
        else:
            _accept(search, match.end(), trusted=True)


def behind_people(search: Search) -> None:
    for end in search.sights.ends(Cue.PERSON):
        match = words.BEHIND_PERSON.match(search.text, end)
        if match is None or match.end() == end:
            continue
        start = match.end()
        if not _last_first(search, start) and not _accept(search, start):
            _accept_lower(search, start)


def introduced(search: Search) -> None:
    for start, end, sureness in introductions(search.text, search.sights):
        tokens = search.tokens(start, end)
        if not tokens or any(token.kind & (ORGANISATION | TITLE) for token in tokens):
            continue
        if sureness is Sureness.LOWER:
            likely = tokens[0].kind & GIVEN or not any(naming.plain(token) for token in tokens)
        elif sureness is Sureness.FIELD:
            likely = not all(naming.plain(token) for token in tokens) or len(tokens) > 1
            likely = likely and not any(token.kind & FUNCTION and token.text.islower() for token in tokens)
        else:
            likely = not naming.plain(tokens[0])
        if likely and not search.is_brand(start, end) and not any(token.kind & FUNCTION for token in tokens[:1]):
            search.add(tokens[0].start, tokens[-1].end, Strength.CUED)


def greeted(search: Search) -> None:
    for end in search.sights.ends(Cue.GREETING):
        match = words.BEHIND_GREETING.match(search.text, end)
        if match is None:
            continue
        if (greeted := words.GREETED.match(search.text, match.end())) is not None:
            _accept_line(search, *greeted.span("name"))
        else:
            _accept(search, match.end())


def signed(search: Search) -> None:
    text = search.text
    ends = search.sights.ends(Cue.CLOSING)
    if any(dashes in text for dashes in words.DASHES):
        ends = [*ends, *(match.end() for match in words.DASHED_LINE.finditer(text))]
    for end in ends:
        if (match := words.SIGNATURE.match(text, end)) is not None:
            _accept_line(search, *match.span("name"))
        elif (match := words.SIGNED.match(text, end)) is not None:
            _accept(search, match.start("name"))
        elif (match := words.SIGNED_LOWER.match(text, end)) is not None:
            _accept_lower(search, match.start("name"))
        elif (match := words.SIGNATURE_GOES_ON.match(text, end)) is not None:
            _accept(search, match.end())


def last_line(search: Search) -> None:
    """A text's last line that is a name: nothing but names, in any case, or a given name alone."""
    if (line := search.text.rstrip().rfind("\n")) < 0 or len(search.text) - line > _LONGEST_LINE:
        return
    if (match := words.LAST_LINE.match(search.text, line)) is None:
        return
    tokens = search.tokens(*match.span("name"))
    signed = (
        match["dash"] is not None and len(tokens) < _MOST_SIGNING and all(naming.is_title(one.text) for one in tokens)
    )
    listed = len(tokens) > 1 and (any(map(naming.certain, tokens)) or all(token.kind & NAME for token in tokens))
    if signed or listed or naming.certain(tokens[0]):
        _accept_line(search, *match.span("name"))


def by_lines(search: Search) -> None:
    """What stands at the beginning of lines: `Rivera, Michael`, and speakers, `Ada: ...`."""
    text, line, spoken = search.text, -1, list[re.Match[str]]()
    for end in search.sights.lines:
        if (start := text.rfind("\n", 0, end - 1) + 1) == line:
            continue
        line = start
        if (match := words.LINE_OF_A_PERSON.match(text, line)) is None:
            continue
        if match["speaker"] is None:
            _last_first(search, match.end(), sure=False)
        else:
            spoken.append(match)
    times = Counter(match["speaker"] for match in spoken)
    for match in spoken:
        tokens = search.tokens(*match.span("speaker"))
        again = times[match["speaker"]] > 1 and not any(token.kind & NO_NAME for token in tokens)
        is_label = match.end("speaker") in search.context.ends(Cue.NATIONAL)
        if again or (naming.certain(tokens[0]) and not is_label):
            search.add(*match.span("speaker"), Strength.CUED)


def _last_first(search: Search, start: int, sure: bool = True) -> bool:
    """`Rivera, Michael` behind a label; not `sure`: where nothing says that it is a person."""
    match = words.LAST_FIRST.match(search.text, start)
    if match is None:
        return False
    last, first = search.tokens(*match.span("last")), search.tokens(*match.span("first"))
    if any(naming.plain(token) and not naming.is_particle(token) for token in (*last, *first)):
        return False
    listed = first[0].kind & GIVEN and (sure or naming.certain(first[0]) or last[-1].kind & SURNAME)
    if not listed and not (sure and search.text[match.end() : match.end() + 1] in ", (;\n" and not first[0].kind):
        return False
    search.add(match.start("last"), match.end("first"), Strength.CUED)
    return True


def _accept(search: Search, start: int, trusted: bool = False) -> bool:
    """The capitals at `start`, up to the first word that is no name. `trusted`: a surname may be any word."""
    match = words.NAME_AT.match(search.text, start)
    if match is None:
        return False
    taken: list[Token] = []
    for token in search.tokens(*match.span()):
        if (
            naming.plain(token)
            and not naming.is_particle(token)
            and not (taken and naming.may_follow(token, taken[-1]))
        ):
            if taken or not trusted:
                if token.kind & ORGANISATION and not trusted:
                    return False
                break
            continue
        taken.append(token)
    while taken and naming.is_particle(taken[-1]) and not _is_short_surname(search, taken):
        taken.pop()
    if not taken and trusted:
        taken = [
            token
            for token in search.tokens(*match.span())[:1]
            if len(token.text) > 2 and token.text not in naming.BEGIN_SENTENCES and not token.kind & TITLE
        ]
    if not taken or not (trusted or _credible(search, taken)):
        return False
    search.add(taken[0].start, taken[-1].end, Strength.CUED)
    return True


def _is_short_surname(search: Search, taken: Sequence[Token]) -> bool:
    """`Jane Le,`: a capital particle that nothing follows."""
    last = taken[-1]
    return last.text[0].isupper() and len(taken) > 1 and search.text[last.end : last.end + 1] in _ENDS


def _credible(search: Search, taken: Sequence[Token]) -> bool:
    """No firm, no product, no heading: words in capitals need a listed name among them."""
    if search.is_brand(taken[0].start, taken[-1].end):
        return False
    if len(taken) == 1 and len(taken[0].text.rstrip(".")) == 1:
        return False
    if len(taken) == 1 and taken[0].kind & FUNCTION and search.text[taken[0].end : taken[0].end + 1] not in _ENDS:
        return False
    listed = any(token.kind & NAME for token in taken)
    if len(taken) == 1 and not listed and search.is_product(taken[0].end):
        return False
    if search.capitals:
        return any(naming.certain(token) for token in taken)
    return listed or not all(token.text.isupper() for token in taken)


def _accept_lower(search: Search, start: int) -> None:
    """A name all in lower case: only with a listed given name."""
    match = words.LOWER_AT.match(search.text, start)
    if match is None:
        return
    tokens = search.tokens(*match.span())
    if not naming.certain(tokens[0]):
        return
    end = tokens[-1].end if not naming.plain(tokens[-1]) else tokens[0].end
    search.add(start, end, Strength.CUED)


def _accept_line(search: Search, start: int, end: int) -> None:
    """A signature's line or a greeted name, in any case, unless one of its words is an everyday word."""
    tokens = search.tokens(start, end)
    if not tokens or not naming.is_line_of_a_name(tokens):
        return
    if any(len(set(token.text)) == 1 for token in tokens) and not any(token.kind & NAME for token in tokens):
        return
    if len(tokens) == 1 and len(tokens[0].text) < _SHORTEST_LOWER and tokens[0].text.islower():
        return
    lower = any(token.text[0].islower() and not token.kind & PARTICLE for token in tokens)
    if lower and not any(token.kind & NAME for token in tokens) and (len(tokens) > 2 or len(tokens[0].text) < 3):
        return
    search.add(tokens[0].start, tokens[-1].end, Strength.CUED)
