"""The redactor: finds personal data in the texts of a record and puts placeholders in their place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import RecordError, RedactionError
from pipeline.redact import decoding, placeholders, tables
from pipeline.redact.crowded import crowded, with_placeholders
from pipeline.redact.decoding import Sign
from pipeline.redact.joining import joined
from pipeline.redact.names import model as name_model
from pipeline.redact.names.finder import NameFinder
from pipeline.redact.numbering import Numbering
from pipeline.redact.originals import Originals
from pipeline.redact.patterns.table import CUED, PATTERNS
from pipeline.redact.pii import PiiType, PlacedSpan, Span
from pipeline.redact.policy import RedactionPolicy
from pipeline.redact.propagation import Propagation
from pipeline.redact.redacted import vouch
from pipeline.redact.redaction import Redaction
from pipeline.redact.scanner import Found, Scan, Scanner
from pipeline.redact.shadow import fold
from pipeline.redact.views import View

_LONGEST: Final = 8_000_000
"""Characters of one record; more is refused. At 1 MB/s it bounds how long a record can hold a worker."""

_MOST_LOOKS_AGAIN: Final = 3
_LONGEST_LOOKED_AGAIN: Final = 20_000
"""Characters of a text in which is looked again beside finds that touch other matter."""

KnownValues = Mapping[PiiType, Sequence[str]]


class Redactor:
    """Finds and masks. Compiles its patterns once: make one for a policy and keep it."""

    def __init__(
        self,
        policy: RedactionPolicy = RedactionPolicy(),  # noqa: B008  # frozen
        cache: Path | None = None,
        model: str = "en_core_web_sm",
    ) -> None:
        """`cache`: a folder of this user's own that keeps the compiled table from one start to the next.

        `model`: the spaCy pipeline that a policy with `ner` asks. Raises UsageError when it asks and there is none.
        """
        self.policy = policy
        self._tagger = name_model.load(model) if policy.ner else None
        self._scanner = _scanner(cache)
        self._names = _name_finder(cache) if policy.names else None

    def find(self, text: str) -> list[Span]:
        """Personal data in one text, in order, without overlaps. Raises RedactionError: treat the text as unsafe."""
        found = self._found({"": text}, {})[0][0][1]
        return [Span(item.start, item.end, item.type) for item in found]

    def redact(
        self, fields: Mapping[str, str], known: KnownValues | None = None, tenant_key: bytes | None = None
    ) -> Redaction:
        """The record's texts with placeholders in place of personal data, numbered across all fields.

        `known`: values of the record's direct identifiers, masked wherever they stand; a name's parts too.
        `tenant_key`: needed when the policy hashes a type. Raises RedactionError: make no call with this record.
        """
        try:
            return self._redact(fields, known or {}, tenant_key)
        except RecordError:
            raise
        except Exception as error:  # noqa: BLE001  # fails closed, and no traceback that holds the text goes on
            raise RedactionError(f"redaction did not finish ({type(error).__name__})") from None

    def _redact(self, fields: Mapping[str, str], known: KnownValues, tenant_key: bytes | None) -> Redaction:
        found, lookalike = self._found(fields, known)
        people = [text[item.start : item.end] for text, items in found for item in items if item.type is PiiType.PERSON]
        people += known.get(PiiType.PERSON, ())
        numbering = Numbering(self.policy, fields.values() if lookalike else (), people, tenant_key)
        placed = {field: _place(text, items, numbering) for field, (text, items) in zip(fields, found, strict=True)}
        texts = {field: _rewrite(fields[field], placed[field]) for field in fields}
        originals = numbering.originals
        literal = (
            [match[0] for text in (*fields.values(), *texts.values()) for match in placeholders.lookalikes(text)]
            if lookalike
            else []
        )
        values = numbering.values + [
            (kind, value) for kind, those in known.items() if kind not in self.policy.keep for value in those if value
        ]
        return Redaction(
            fields={field: vouch(text) for field, text in texts.items()},
            spans=placed,
            counts=numbering.count(),
            originals=Originals(originals, (word for word in literal if word not in originals)),
            known=values,
            finder=self,
        )

    def structured(self, text: str) -> list[Span]:
        """Structured personal data only (no names), of all types, whatever the policy keeps."""
        shadow = fold(text)
        return [Span(item.start, item.end, item.type) for item in _merged(self._look(shadow, names=False).found)]

    def known_in(self, text: str, known: Sequence[tuple[PiiType, str]]) -> list[Span]:
        """Structured personal data, and the given values wherever they stand."""
        propagation = Propagation()
        for kind, value in known:
            propagation.add(kind, fold(value), times=0)
        seen = self._look(fold(text), names=False)
        found = seen.found + _propagated([seen], propagation)[0]
        return [Span(item.start, item.end, item.type) for item in _merged(found)]

    def _found(self, fields: Mapping[str, str], known: KnownValues) -> tuple[list[tuple[str, list[Found]]], bool]:
        """Each field's text and finds, in order; and whether something in them looks like a placeholder."""
        if sum(map(len, fields.values())) > _LONGEST:
            raise RedactionError(f"the texts are longer than {_LONGEST} characters")
        seen = [self._look(fold(text), self.policy.names) for text in fields.values()]
        for text, one in zip(fields.values(), seen, strict=True):
            if one.placeholders:
                one.found[:] = _outside_placeholders(text, one.found)
        merged = _everywhere(seen, known)
        for _ in range(_MOST_LOOKS_AGAIN):
            more = [self._crowded(one, items) for one, items in zip(seen, merged, strict=True)]
            if not any(more):
                break
            for one, items in zip(seen, more, strict=True):
                one.found.extend(items)
            merged = _everywhere(seen, known)
        keep = self.policy.keep
        if keep:
            merged = [[item for item in items if item.type not in keep] for items in merged]
        return list(zip(fields.values(), merged, strict=True)), any(one.placeholders for one in seen)

    def _crowded(self, seen: _Seen, found: Sequence[Found]) -> list[Found]:
        """What shows beside finds that touch other matter only when placeholders have taken their place."""
        if not found or len(seen.shadow) > _LONGEST_LOOKED_AGAIN:
            return []
        fresh: list[Found] = []
        for begin, end in crowded(seen.shadow, found):
            view = with_placeholders(seen.shadow, found, begin, end)
            more = _outside_placeholders(view.text, self._look(view.text, self.policy.names).found)
            fresh += [
                item
                for item in _brought_back(more, view)
                if not any(taken.start < item.end and item.start < taken.end for taken in found)
            ]
        return fresh

    def _look(self, shadow: str, names: bool) -> _Seen:
        """All finds in a shadow and its views."""
        scan = first = self._scanner.scan(shadow)
        found = self._all_in(scan, names)
        if not scan.signs:
            return _Seen(shadow, found, (), scan.placeholders)
        views, view = list[View](), View.of(shadow)
        for _ in range(decoding.ROUNDS):
            if not scan.signs or (more := decoding.decode(view, scan.signs)) is None:
                break
            view, scan = more, self._scanner.scan(more.text)
            found += _brought_back(self._all_in(scan, names), view)
            views.append(view)
        if scan.signs & Sign.FORM:
            views.append(decoding.unformed(view))
            found += _brought_back(self._all_in(self._scanner.scan(views[-1].text), names), views[-1])
        return _Seen(shadow, found, views, first.placeholders)

    def _all_in(self, scan: Scan, names: bool) -> list[Found]:
        """Patterns' finds, names, and what stands over line breaks."""
        found = scan.found
        if scan.headings:
            found += tables.find(scan.context.text, scan.headings, names)
        for window in joined(scan.context.text):
            found += self._through(window)
        if names and self._names is not None:
            found += self._names.find(scan.context, found)
            if self._tagger is not None:
                found += name_model.find(self._tagger, scan.context.text, found)
        return found

    def _through(self, window: View) -> list[Found]:
        """What only a joined view shows, brought back."""
        found = [item for item in self._scanner.scan(window.text).found if window.is_new(item.start, item.end)]
        return _brought_back(found, window)


def _everywhere(seen: Sequence[_Seen], known: KnownValues) -> list[list[Found]]:
    """For each shadow its finds, and where their values and the known ones stand besides, as stretches apart."""
    propagation = Propagation()
    for kind, values in known.items():
        for value in values:
            propagation.add(kind, fold(value), times=0)
    for one in seen:
        for item in one.found:
            propagation.add(item.type, one.shadow[item.start : item.end])
    return [_merged(one.found + more) for one, more in zip(seen, _propagated(seen, propagation), strict=True)]


class _Seen(NamedTuple):
    """A shadow, the finds in it, and its decoded views."""

    shadow: str
    found: list[Found]
    views: Sequence[View]
    placeholders: bool


def _propagated(seen: Sequence[_Seen], propagation: Propagation) -> list[list[Found]]:
    """Where values of the record stand, in the shadows or their decoded views."""
    found = propagation.find([one.shadow for one in seen])
    for one, places in zip(seen, found, strict=True):
        for view in one.views:
            places += _brought_back(propagation.find([view.text])[0], view)
    return found


def _brought_back(found: Sequence[Found], view: View) -> list[Found]:
    return [Found(*view.origin(item.start, item.end), item.type, item.strength) for item in found]


def _outside_placeholders(text: str, found: Sequence[Found]) -> list[Found]:
    """Finds but for those that are nothing but a placeholder: `password: [API_KEY_1]` has been taken out already."""
    places = [match.span() for match in placeholders.BARE.finditer(text)]
    starts = [start for start, _ in places]
    return [item for item in found if (at := bisect_right(starts, item.start) - 1) < 0 or item.end > places[at][1]]


def _merged(found: list[Found]) -> list[Found]:
    """Overlapping finds become one, of the surest (then longest) one's type."""
    merged: list[Found] = []
    last_start = last_end = 0
    for item in sorted(found):
        start, end, kind, strength = item
        if start < last_end:
            last = merged[-1]
            if (strength, end - start) <= (last.strength, last_end - last_start):
                if end <= last_end:
                    continue
                kind, strength = last.type, last.strength
            last_end = max(last_end, end)
            merged[-1] = Found(last_start, last_end, kind, strength)
        else:
            merged.append(item)
            last_start, last_end = start, end
    return merged


def _place(text: str, found: Sequence[Found], numbering: Numbering) -> list[PlacedSpan]:
    return [
        PlacedSpan(item.start, item.end, item.type, numbering.place(item.type, text[item.start : item.end]))
        for item in found
    ]


def _rewrite(text: str, placed: Sequence[PlacedSpan]) -> str:
    parts, at = list[str](), 0
    for span in placed:
        parts += (text[at : span.start], span.placeholder)
        at = span.end
    parts.append(text[at:])
    return "".join(parts)


_scanners: list[Scanner] = []
_name_finders: list[NameFinder] = []


def _scanner(cache: Path | None) -> Scanner:
    """The one compiled table of this process."""
    if not _scanners:
        _scanners.append(Scanner(PATTERNS, CUED, cache))
    return _scanners[0]


def _name_finder(cache: Path | None) -> NameFinder:
    """This process's only one, made when names are first wanted."""
    if not _name_finders:
        _name_finders.append(NameFinder(cache))
    return _name_finders[0]
