"""Finds people's names in one shadow: behind a word for people, in a signature, beside their data, or by the lists."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.names import naming, words
from pipeline.redact.names.introduced import Sureness, introductions
from pipeline.redact.names.kinds import (
    AMBIGUOUS,
    FUNCTION,
    GIVEN,
    NAME,
    NO_NAME,
    ORGANISATION,
    PARTICLE,
    SURNAME,
    TITLE,
    kind_of,
    kinds,
)
from pipeline.redact.names.naming import Token
from pipeline.redact.names.sights import Lookout, Sights
from pipeline.redact.patterns.pattern import Context, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.scanner import Found

_PERSONAL: Final = frozenset({PiiType.EMAIL, PiiType.PHONE, PiiType.ADDRESS, PiiType.DATE_OF_BIRTH})
_ENDS: Final = frozenset(["", ",", ".", ";", "\n", ")", '"'])
_LONGEST_ACRONYM: Final = 4
_SHORTEST_KNOWN: Final = 3
_SHORTEST_LOWER: Final = 4
_MOST_SIGNING: Final = 3
_LONGEST_LINE: Final = 60
_LONGEST_PARTICLE: Final = 12


class NameFinder:
    """Finds names. Compiles its table of words once: make one and keep it."""

    def __init__(self, cache: Path | None = None) -> None:
        """`cache`: a folder of this user's own in which the compiled table is kept."""
        self._lookout = Lookout(cache)

    def find(self, context: Context, structured: Sequence[Found]) -> list[Found]:
        """Names in the shadow of `context`; `structured` are the finds of the pattern table in it."""
        return _Search(context, self._lookout.look(context.text), structured).run()


class _Search:
    """One search over one shadow."""

    __slots__ = (
        "_capitals",
        "_context",
        "_found",
        "_german",
        "_is_french",
        "_local_parts",
        "_sights",
        "_starts",
        "_structured",
        "_text",
    )

    def __init__(self, context: Context, sights: Sights, structured: Sequence[Found]) -> None:
        self._context = context
        self._sights = sights
        self._text = context.text
        self._structured = structured
        self._starts = {item.start for item in structured if item.type in _PERSONAL}
        self._local_parts = naming.local_parts(context.text, structured)
        self._capitals = context.text.isupper()
        self._german = words.is_german(context.text)
        self._is_french: bool | None = None
        self._found: dict[tuple[int, int], Strength] = {}

    def run(self) -> list[Found]:
        self._behind_honorifics()
        self._behind_people()
        self._introduced()
        self._greeted()
        self._signed()
        self._last_line()
        self._by_lines()
        self._by_lists()
        return [Found(start, end, PiiType.PERSON, strength) for (start, end), strength in self._found.items()]

    # --- by the words before

    def _behind_honorifics(self) -> None:
        text = self._text
        for end in self._sights.ends(Cue.HONORIFIC):
            match = words.BEHIND_HONORIFIC.match(text, end)
            if match is None or words.HONORIFIC.search(text[max(0, end - 15) : end]) is None:
                continue
            if self._is_brand(end - 1, match.end() + 1):
                continue
            if text[end - 1] == "M" and text[end] == "." and not self._french():
                self._accept(end - 1)
            else:
                self._accept(match.end(), trusted=True)

    def _french(self) -> bool:
        if self._is_french is None:
            self._is_french = words.is_french(self._text)
        return self._is_french

    def _behind_people(self) -> None:
        for end in self._sights.ends(Cue.PERSON):
            match = words.BEHIND_PERSON.match(self._text, end)
            if match is None or match.end() == end:
                continue
            start = match.end()
            if not self._last_first(start) and not self._accept(start):
                self._accept_lower(start)

    def _introduced(self) -> None:
        for start, end, sureness in introductions(self._text, self._sights):
            tokens = self._tokens(start, end)
            if not tokens or any(token.kind & (ORGANISATION | TITLE) for token in tokens):
                continue
            if sureness is Sureness.LOWER:
                likely = tokens[0].kind & GIVEN or not any(naming.plain(token) for token in tokens)
            elif sureness is Sureness.FIELD:
                likely = not all(naming.plain(token) for token in tokens) or len(tokens) > 1
                likely = likely and not any(token.kind & FUNCTION and token.text.islower() for token in tokens)
            else:
                likely = not naming.plain(tokens[0])
            if likely and not self._is_brand(start, end) and not any(token.kind & FUNCTION for token in tokens[:1]):
                self._add(tokens[0].start, tokens[-1].end, Strength.CUED)

    def _greeted(self) -> None:
        for end in self._sights.ends(Cue.GREETING):
            match = words.BEHIND_GREETING.match(self._text, end)
            if match is None:
                continue
            if (greeted := words.GREETED.match(self._text, match.end())) is not None:
                self._accept_line(*greeted.span("name"))
            else:
                self._accept(match.end())

    def _signed(self) -> None:
        text = self._text
        ends = self._sights.ends(Cue.CLOSING)
        if any(dashes in text for dashes in words.DASHES):
            ends = [*ends, *(match.end() for match in words.DASHED_LINE.finditer(text))]
        for end in ends:
            if (match := words.SIGNATURE.match(text, end)) is not None:
                self._accept_line(*match.span("name"))
            elif (match := words.SIGNED.match(text, end)) is not None:
                self._accept(match.start("name"))
            elif (match := words.SIGNED_LOWER.match(text, end)) is not None:
                self._accept_lower(match.start("name"))
            elif (match := words.SIGNATURE_GOES_ON.match(text, end)) is not None:
                self._accept(match.end())

    def _last_line(self) -> None:
        """A text's last line that is a name: nothing but names, in any case, or a given name alone."""
        if (line := self._text.rstrip().rfind("\n")) < 0 or len(self._text) - line > _LONGEST_LINE:
            return
        if (match := words.LAST_LINE.match(self._text, line)) is None:
            return
        tokens = self._tokens(*match.span("name"))
        signed = (
            match["dash"] is not None
            and len(tokens) < _MOST_SIGNING
            and all(naming.is_title(one.text) for one in tokens)
        )
        listed = len(tokens) > 1 and (any(map(naming.certain, tokens)) or all(token.kind & NAME for token in tokens))
        if signed or listed or naming.certain(tokens[0]):
            self._accept_line(*match.span("name"))

    def _by_lines(self) -> None:
        """What stands at the beginning of lines: `Rivera, Michael`, and speakers, `Ada: ...`."""
        text, at, spoken = self._text, 0, list[re.Match[str]]()
        while at >= 0:
            if (match := words.LINE_OF_A_PERSON.match(text, at)) is None:
                pass
            elif match["speaker"] is None:
                self._last_first(match.end(), sure=False)
            else:
                spoken.append(match)
            at = text.find("\n", at) + 1 or -1
        times = Counter(match["speaker"] for match in spoken)
        for match in spoken:
            tokens = self._tokens(*match.span("speaker"))
            again = times[match["speaker"]] > 1 and not any(token.kind & NO_NAME for token in tokens)
            is_label = match.end("speaker") in self._context.ends(Cue.NATIONAL)
            if again or (naming.certain(tokens[0]) and not is_label):
                self._add(*match.span("speaker"), Strength.CUED)

    def _last_first(self, start: int, sure: bool = True) -> bool:
        """`Rivera, Michael` behind a label; not `sure`: where nothing says that it is a person."""
        match = words.LAST_FIRST.match(self._text, start)
        if match is None:
            return False
        last, first = self._tokens(*match.span("last")), self._tokens(*match.span("first"))
        if any(naming.plain(token) and not naming.is_particle(token) for token in (*last, *first)):
            return False
        listed = first[0].kind & GIVEN and (sure or naming.certain(first[0]) or last[-1].kind & SURNAME)
        if not listed and not (sure and self._text[match.end() : match.end() + 1] in ", (;\n" and not first[0].kind):
            return False
        self._add(match.start("last"), match.end("first"), Strength.CUED)
        return True

    def _accept(self, start: int, trusted: bool = False) -> bool:
        """The capitals at `start`, up to the first word that is no name. `trusted`: a surname may be any word."""
        match = words.NAME_AT.match(self._text, start)
        if match is None:
            return False
        taken: list[Token] = []
        for token in self._tokens(*match.span()):
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
        while taken and naming.is_particle(taken[-1]) and not self._is_short_surname(taken):
            taken.pop()
        if not taken and trusted:
            taken = [
                token
                for token in self._tokens(*match.span())[:1]
                if len(token.text) > 2 and token.text not in naming.BEGIN_SENTENCES and not token.kind & TITLE
            ]
        if not taken or not (trusted or self._credible(taken)):
            return False
        self._add(taken[0].start, taken[-1].end, Strength.CUED)
        return True

    def _is_short_surname(self, taken: Sequence[Token]) -> bool:
        """`Jane Le,`: a capital particle that nothing follows."""
        last = taken[-1]
        return last.text[0].isupper() and len(taken) > 1 and self._text[last.end : last.end + 1] in _ENDS

    def _credible(self, taken: Sequence[Token]) -> bool:
        """No firm, no product, no heading: words in capitals need a listed name among them."""
        if self._is_brand(taken[0].start, taken[-1].end):
            return False
        if len(taken) == 1 and len(taken[0].text.rstrip(".")) == 1:
            return False
        if len(taken) == 1 and taken[0].kind & FUNCTION and self._text[taken[0].end : taken[0].end + 1] not in _ENDS:
            return False
        listed = any(token.kind & NAME for token in taken)
        if len(taken) == 1 and not listed and words.PRODUCT_BEHIND.match(self._text, taken[0].end):
            return False
        if self._capitals:
            return any(naming.certain(token) for token in taken)
        return listed or not all(token.text.isupper() for token in taken)

    def _accept_lower(self, start: int) -> None:
        """A name all in lower case: only with a listed given name."""
        match = words.LOWER_AT.match(self._text, start)
        if match is None:
            return
        tokens = self._tokens(*match.span())
        if not naming.certain(tokens[0]):
            return
        end = tokens[-1].end if not naming.plain(tokens[-1]) else tokens[0].end
        self._add(start, end, Strength.CUED)

    def _accept_line(self, start: int, end: int) -> None:
        """A signature's line or a greeted name, in any case, unless one of its words is an everyday word."""
        tokens = self._tokens(start, end)
        if not tokens or not naming.is_line_of_a_name(tokens):
            return
        if any(len(set(token.text)) == 1 for token in tokens) and not any(token.kind & NAME for token in tokens):
            return
        if len(tokens) == 1 and len(tokens[0].text) < _SHORTEST_LOWER and tokens[0].text.islower():
            return
        lower = any(token.text[0].islower() and not token.kind & PARTICLE for token in tokens)
        if lower and not any(token.kind & NAME for token in tokens) and (len(tokens) > 2 or len(tokens[0].text) < 3):
            return
        self._add(tokens[0].start, tokens[-1].end, Strength.CUED)

    # --- by the lists, and by what stands beside

    def _by_lists(self) -> None:
        known, local_parts = kinds(), self._local_parts
        for match in words.RUN.finditer(self._text):
            run = match[0]
            if " " in run:
                tokens = self._tokens_of_run(match.start(), run)
                for group in naming.groups(tokens) if tokens else ():
                    if len(group) == 1:
                        self._judge_single(group[0])
                    else:
                        self._judge(group)
                continue
            kind = known.get(run)
            if kind is None or len(run) < 3:
                kind = kind_of(run)
            if kind & NAME or (not kind and local_parts and run.lower() in local_parts):
                self._judge_single(Token(match.start(), match.end(), run, kind))

    def _judge_single(self, token: Token) -> None:
        """One capitalised word: a given name that is nothing else, or any listed name with a person's data behind."""
        start, end, text, kind = token
        if self._local_parts and not naming.plain(token) and len(text) > 3 and text.lower() in self._local_parts:
            self._add(start, end, Strength.CUED)
        if len(text) <= _LONGEST_ACRONYM and text.isupper():
            return
        if not kind & NAME or self._capitals or (start, end) in self._found or self._is_brand(start, end):
            return
        if naming.certain(token):
            if words.PRODUCT_BEHIND.match(self._text, end) is None:
                self._add(start, end, Strength.GUESS)
        elif (len(text) > 2 and not self._text.startswith(":", end) and self._data_behind(end)) or (
            kind & GIVEN and not kind & NO_NAME and self._acts(start, end)
        ):
            self._add(start, end, Strength.GUESS)

    def _judge(self, group: Sequence[Token]) -> None:
        """Several capitalised words in a row, none of them an everyday word only."""
        start, end = group[0].start, group[-1].end
        full = [token for token in group if len(token.text) > 2 and not naming.is_particle(token)]
        if not full or (start, end) in self._found or self._is_brand(start, end):
            return
        certain = any(naming.certain(token) for token in full)
        if self._capitals and not (certain and len(full) > 1):
            return
        if self._local_parts and naming.makes_up(full, self._local_parts):
            self._add(start, end, Strength.CUED)
            return
        data_behind = self._data_behind(end)
        if not data_behind and words.PRODUCT_BEHIND.match(self._text, end):
            return
        first, last = full[0].kind, full[-1].kind
        listed = sum(1 for token in full if token.kind & NAME)
        vague = all(token.kind & AMBIGUOUS or token.kind & NO_NAME for token in full)
        if data_behind:
            self._add(start, end, Strength.CUED)
        elif certain or (listed > 1 and not vague) or (first & GIVEN and not (self._german and vague)):
            self._add(start, end, Strength.SHAPE)
        elif last & SURNAME and not (self._german and last & AMBIGUOUS):
            if words.DETERMINER_BEFORE.search(self._text, max(0, start - 8), start) is None:
                self._add(start, end, Strength.GUESS)
        elif not listed and self._could_be_foreign(group):
            self._add(start, end, Strength.GUESS)

    def _could_be_foreign(self, group: Sequence[Token]) -> bool:
        """Two or three words that no list knows, with capitals inside a sentence, and no article before them."""
        if not 2 <= len(group) <= 3 or any(not naming.is_title(token.text) or token.kind for token in group):
            return False
        start = group[0].start
        before = self._text[max(0, start - 8) : start]
        if words.CAPITAL_BEFORE.search(before) is not None:
            return False
        inside = words.INSIDE_SENTENCE.search(before) is not None or words.VERB_BEHIND.match(self._text, group[-1].end)
        if not inside or words.DETERMINER_BEFORE.search(before):
            return False
        return not self._german or not any(naming.GERMAN_NOUN.search(token.text) for token in group)

    def _data_behind(self, end: int) -> bool:
        """The person's e-mail, telephone number, address or birth stands right behind."""
        gap = self._text[end : end + 3]
        for size in (1, 2, 3):
            if end + size in self._starts and not gap[:size].strip(" ,<(:\n-"):
                return True
        return words.BORN_BEHIND.match(self._text, end) is not None

    def _acts(self, start: int, end: int) -> bool:
        """Does what people do, and is no place."""
        if words.VERB_BEHIND.match(self._text, end) is None:
            return False
        return words.PLACE_BEFORE.search(self._text, max(0, start - 8), start) is None

    def _is_brand(self, start: int, end: int) -> bool:
        return any(start < brand[1] and brand[0] < end for brand in self._sights.brands)

    def _tokens_of_run(self, start: int, run: str) -> list[Token]:
        """`_tokens` of words with blanks between, of which most are no names; none when all are everyday words."""
        if "." in run:
            return self._tokens(start, start + len(run))
        known, tokens, names = kinds(), list[Token](), False
        for word in run.split(" "):
            kind = known.get(word)
            if kind is None or len(word) < _SHORTEST_KNOWN:
                kind = kind_of(word)
            names = names or not kind & NO_NAME or kind & NAME > 0
            tokens.append(Token(start, start + len(word), word, kind))
            start += len(word) + 1
        return tokens if names else []

    def _tokens(self, start: int, end: int) -> list[Token]:
        return [
            Token(match.start(), match.end(), match[0], kind_of(match[0]))
            for match in words.TOKEN.finditer(self._text, start, end)
        ]

    def _add(self, start: int, end: int, strength: Strength) -> None:
        if self._text.endswith("'s", start, end):
            end -= 2
        if self._text[max(0, start - 6) : start - 1].rpartition(" ")[2].lower() in words.PARTICLES_BEFORE:
            start = self._with_particles(start, end)
        if self._found.get((start, end), -1) < strength:
            self._found[(start, end)] = strength

    def _with_particles(self, start: int, end: int) -> int:
        """Where a name begins that is a surname with `van der` before it."""
        match = words.PARTICLE_BEFORE.search(self._text, max(0, start - _LONGEST_PARTICLE), start)
        first = kind_of(self._text[start:end].split(" ")[0])
        if match is None or first & GIVEN or not (first & SURNAME or not first):
            return start
        return match.start()
