"""What a browser's form says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from pipeline.errors import UsageError

_MOST_BYTES: Final = 4 << 20
"""More than the largest record that is taken."""
_MOST_FIELDS: Final = 2000
_LONGEST: Final = 500
"""Characters of what is written into a line of a form; a record's fields have no such limit."""


@dataclass(frozen=True, slots=True)
class Form:
    """Names and values, in their order; of a name that stands twice `text` is the first."""

    pairs: Sequence[tuple[str, str]] = ()

    def text(self, name: str) -> str:
        """What was written there, without blanks around it; empty when nothing was. Raises UsageError beyond a line."""
        written = next((value for found, value in self.pairs if found == name), "").strip()
        if len(written) > _LONGEST:
            raise UsageError(f"what stands in {name} is longer than {_LONGEST} characters")
        return written

    def why(self) -> str:
        """The reason, which is kept for good. Raises UsageError when there is none."""
        if not (written := self.text("why")):
            raise UsageError("say why: it is kept with what you do")
        return written

    def whole(self, name: str) -> str:
        """As it was written, blanks and all, with line ends as texts have them: a form sends others."""
        return next((value for found, value in self.pairs if found == name), "").replace("\r\n", "\n")

    def checked(self, name: str) -> bool:
        """Whether a box of that name was."""
        return any(found == name for found, _ in self.pairs)

    def number(self, name: str, what: str, least: float = 0) -> float | None:
        """None where nothing was written. Raises UsageError that names `what` when it is no number, or too small."""
        written = self.text(name)
        if not written:
            return None
        try:
            found = float(written)
        except ValueError:
            raise UsageError(f"{what} is a number") from None
        if not least <= found < 1e9:
            raise UsageError(f"{what} is a number from {least:g} on")
        return found


def of_query(request: Request) -> Form:
    """The form that an address holds."""
    return Form(tuple(request.query_params.multi_items()))


async def of_body(request: Request) -> Form:
    """The form that was posted. Raises UsageError when it is too large or none."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise UsageError("this is more than a form of the console may hold")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise UsageError("the form cannot be read") from None
    return Form(tuple(pairs))
