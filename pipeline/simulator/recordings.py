"""Recorded answers, replayed in place of made-up ones.

A JSONL file with one object a line:

    {"match": "the text's sha256 or a part of the text", "model": "gpt-4o-mini", "answer": {...}, "latency_s": 1.4}

`match`: 64 hex digits are the SHA-256 of the text between the prompt's delimiters (white space at its ends removed);
anything else must stand in it. `model`: none, any. `answer`: an object's fields replace those of the made-up answer, so
a recorded label is enough; a string is the whole answer, letter by letter. `latency_s`: none, as the profile says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UsageError
from pipeline.simulator.profile import first_problem

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Recording(BaseModel):
    """One recorded answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: str = Field(min_length=1)
    model: str | None = None
    answer: dict[str, object] | str
    latency_s: float | None = Field(default=None, ge=0)


@dataclass(frozen=True, slots=True)
class Recordings:
    """All of them, found by model and text. A digest goes before a part, a named model before any."""

    by_digest: dict[tuple[str | None, str], Recording] = field(default_factory=dict)
    by_part: dict[str | None, list[Recording]] = field(default_factory=dict)

    def find(self, model: str, text: str) -> Recording | None:
        if not self.by_digest and not self.by_part:
            return None
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        for name in (model, None):
            if (found := self.by_digest.get((name, digest))) is not None:
                return found
        for name in (model, None):
            for recording in self.by_part.get(name, ()):
                if recording.match in text:
                    return recording
        return None


def recordings(found: Iterable[Recording]) -> Recordings:
    """An index of recordings; the first of two for the same text and model is taken."""
    index = Recordings()
    for recording in found:
        if _SHA256.fullmatch(recording.match):
            index.by_digest.setdefault((recording.model, recording.match), recording)
        else:
            index.by_part.setdefault(recording.model, []).append(recording)
    return index


def load(path: Path) -> Recordings:
    """The recordings in a file. Raises UsageError that names the line."""
    found: list[Recording] = []
    number = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    found.append(Recording.model_validate_json(line))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"recorded answers {path} cannot be read ({reason})") from None
    except ValidationError as error:
        raise UsageError(f"recorded answers {path}, line {number}: {first_problem(error)}") from None
    return recordings(found)
