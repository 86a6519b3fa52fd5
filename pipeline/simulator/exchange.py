"""What is asked and what is sent back, in words that both wires share; and the contract of a wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipeline.simulator.faults import Fault
from pipeline.simulator.profile import WireName
from pipeline.simulator.quota import Reading, Refused

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """A valid request. `characters` count as tokens.py says; a prompt cache may hold the first `prefix` of them."""

    model: str
    system: str
    messages: tuple[str, ...]
    """The user's messages."""
    characters: int
    prefix: int
    prefix_key: int
    """Stands for the text of the prefix."""
    max_tokens: int
    schema: bytes
    """The JSON schema asked for, as JSON."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as billed. `input` holds those read from and written to the prompt cache, `output` the reasoning."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


class Stop(StrEnum):
    """Why the model stopped."""

    END = "end"
    LENGTH = "length"
    REFUSAL = "refusal"
    FILTER = "filter"


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says."""

    text: str
    stop: Stop
    usage: Usage


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response."""

    status: int
    body: bytes
    headers: Headers
    content_type: str = "application/json"
    id: str = ""
    """What an answer is called, in its body and on the bill."""


class Silence(StrEnum):
    """What comes instead of a response."""

    HANG = "hang"
    RESET = "reset"
    CUT = "cut"
    """Half of the response, then a reset."""


class RejectedError(Exception):
    """The request is answered with an error that is its own fault. `name` is what counters call it."""

    def __init__(self, name: str, status: int, error: Mapping[str, object]) -> None:
        super().__init__(name)
        self.name = name
        self.status = status
        self.error = error


class Wire(Protocol):
    """One vendor's way to say things. `number` makes ids."""

    name: WireName
    caches_always: bool
    """Whether prompts are cached unasked."""

    def key(self, headers: Headers) -> str:
        """The key sent. Raises RejectedError when none is, or the headers lack something."""

    def read(self, body: bytes) -> Ask:
        """The request. Raises RejectedError."""

    def unauthorized(self, key: str) -> RejectedError: ...

    def forbidden(self, model: str) -> RejectedError: ...

    def unknown_model(self, model: str) -> RejectedError: ...

    def rejected(self, error: RejectedError, number: int) -> Reply: ...

    def quota_headers(self, readings: Iterable[Reading], wall: float) -> dict[str, str]: ...

    def refused(self, refused: Refused, model: str, headers: Headers, number: int) -> Reply: ...

    def failed(self, fault: Fault, model: str, retry_after_s: float, headers: Headers, number: int) -> Reply:
        """The response to one of 429, 500, 503, 529 and `spend_limit`."""

    def said(self, ask: Ask, said: Said, headers: Headers, number: int, wall: float) -> Reply: ...

    def models(self, names: Iterable[str], number: int) -> Reply: ...
