"""What goes wrong: for a share of requests by chance, for all of them while an outage lasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Everything that can go wrong with one request."""

    RATE_LIMIT = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    OVERLOADED = "529"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    UNKNOWN_MODEL = "404"
    SPEND_LIMIT = "spend_limit"
    """429 that no waiting cures: the account has no money left."""
    TIMEOUT = "timeout"
    """Nothing comes back until the client gives up."""
    RESET = "reset"
    """The connection is reset before a byte of the answer."""
    CUT = "cut"
    """The connection is reset in the middle of the answer."""
    TRUNCATION = "truncation"
    """The answer stops half-way and says so (`length`, `max_tokens`)."""
    INVALID_JSON = "invalid_json"
    FENCED_JSON = "fenced_json"
    CHATTY_JSON = "chatty_json"
    SCHEMA_VIOLATION = "schema_violation"
    EMPTY = "empty"
    REFUSAL = "refusal"
    CONTENT_FILTER = "content_filter"
    HTML = "html"
    """A proxy's page with status 200."""
    LEAK = "leak"
    """Something that looks like personal data stands in the answer."""
    WRONG_PLACEHOLDER = "wrong_placeholder"
    """The answer holds a placeholder that is not in the text."""


def choose(shares: Mapping[Fault, float], u: float) -> Fault | None:
    """The fault that the draw `u` falls on; `shares` are probabilities that add up to at most 1."""
    for fault, share in shares.items():
        if u < share:
            return fault
        u -= share
    return None


class OutageKind(StrEnum):
    """How an outage looks from outside."""

    UNAVAILABLE = "503"
    SERVER_ERROR = "500"
    OVERLOADED = "529"
    HANG = "hang"
    RESET = "reset"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Outage:
    """A span in which no request is answered; times in seconds on the simulator's clock."""

    begins: float
    ends: float
    kind: OutageKind


def outage_at(outages: Iterable[Outage], now: float) -> Outage | None:
    """The outage in which `now` lies; the first named when there are several."""
    return next((outage for outage in outages if outage.begins <= now < outage.ends), None)
