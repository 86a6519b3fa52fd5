"""The templates, and how values are written in them: every one escaped, times for the reader's zone."""

from __future__ import annotations

import functools
import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.deadletters.remedies import remedy

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"

_ADDRESS: Final = re.compile(r"[^\s@/]+@[^\s@/]+\.[^\s@/]+")


class Pages:
    """Renders templates. A value that a template names and nobody gives is an error, never a blank."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            # Pages and code are of one version, also while another is put in their place.
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "at": at,
            "usd": usd,
            "count": count,
            "words": words,
            "age": age,
            "remedy": mends,
            "share": share,
            "identifier": identifier,
        }
        self._environment.globals["static"] = static

    def render(self, name: str, **values: object) -> str:
        """The text of a template."""
        return self._environment.get_template(name).render(values)


def at(moment: datetime | None) -> Markup:
    """A point in time: in UTC, until the browser says it in its own zone."""
    if moment is None:
        return Markup("–")
    utc = moment.astimezone(UTC)
    text = utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(timespec="milliseconds"), text)


def usd(amount: Decimal | float | None) -> str:
    """US dollars, as many places as it takes to see something."""
    if amount is None:
        return "–"
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def count(number: float | None) -> str:
    """With separators; whole where it is whole."""
    if number is None:
        return "–"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def words(name: object) -> str:
    """A name of the code as people read it."""
    return str(name).replace("_", " ")


def mends(cause: str) -> str:
    """What mends a cause; what commands call `--tier` is called tier on pages."""
    return remedy(cause).replace(" --", " ")


def identifier(text: str) -> str:
    """A name that a publisher chose, a key say. Some take e-mail addresses for it: those are not shown."""
    return _ADDRESS.sub("[EMAIL]", text)


def share(ratio: float | None) -> str:
    """In percent."""
    return "–" if ratio is None else f"{ratio:.0%}"


def age(seconds: float | None) -> str:
    """In the two units that matter."""
    if seconds is None:
        return "–"
    left = max(0, round(seconds))
    for unit, size, below, lower in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if left >= size:
            rest = left % size // lower
            return f"{left // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{left} s"


@functools.cache
def static(name: str) -> str:
    """The address of a static file; another one when its content is another, so that caches may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"
