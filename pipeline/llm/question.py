"""What is asked of the gateway, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from pipeline.llm.prompt import RenderedPrompt

T = TypeVar("T")


class Lane(StrEnum):
    """Who waits for whom: a waiting interactive call is let in before any of the backlog."""

    INTERACTIVE = "interactive"
    BACKLOG = "backlog"


class Outage(StrEnum):
    """What is done when nobody can be asked: every tier's provider is away, or out of money.

    A quota in use is no outage: calls stand in line for it, and their turn comes.
    """

    WAIT = "wait"
    FALLBACK = "fallback"
    DEAD_LETTER = "dead_letter"


class Invalid(StrEnum):
    """What is done with a record to which no tier gave a valid answer."""

    DEAD_LETTER = "dead_letter"
    FALLBACK = "fallback"


NOBODY = "none"
"""The provider of a safe answer."""
FALLBACK = "fallback"
"""The tier of a safe answer."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of an enrichment's ladder; neighbours of the same `name` are one rung at different providers.

    `provider` names one of the settings' providers; `max_tokens` is the room for an answer; `temperature` is sent
    where the wire takes one. A valid answer whose confidence is below `escalate_below` is asked again one rung up.
    """

    name: str
    provider: str
    model: str
    max_tokens: int
    temperature: float | None = None
    escalate_below: float | None = None
    max_input_tokens: int = 0
    """Prompts estimated to be longer skip this tier; 0: any length."""
    decline_below: float | None = None
    """An answer less confident counts as none: others are asked, and waited for."""
    answer: Mapping[str, object] = field(default_factory=dict, hash=False)
    """The rest of a classifier's answer: what it says beside its label and confidence."""


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """One question about one record.

    `read` makes the answer of the decoded JSON and raises InvalidAnswerError when it is not valid. `fallback` makes
    the safe answer, where `outage`, `invalid` or a spent budget asks for it. `confidence` reads the answer's own, from
    0 to 1.

    `deadline` is how long a record may take to be answered, once it is its turn: time in line for a quota or a place is
    not in it. Where `outage` is WAIT, neither is the time of an outage: not that of failed calls, nor that until a
    provider is back. A call on its way is cut short at the deadline, except where `outage` is WAIT; none is begun after
    it. What is valid though unsure by then is the answer.
    """

    enrichment: str
    tenant: str
    prompt: RenderedPrompt
    schema_name: str
    schema: Mapping[str, object]
    tiers: tuple[Tier, ...]
    read: Callable[[Mapping[str, object]], T]
    outage: Outage = Outage.WAIT
    invalid: Invalid = Invalid.DEAD_LETTER
    fallback: Callable[[], T] | None = None
    lane: Lane = Lane.BACKLOG
    confidence: Callable[[T], float] | None = None
    deadline: timedelta = timedelta(minutes=5)
    schema_tokens: int = 0
    """About what providers count the answer's schema at; reserved with the prompt."""
    patient: bool = True
    """False: when nobody can be asked that is the end, at once. For people who try something out."""

    @property
    def estimated_tokens(self) -> int:
        """What a call's input will probably be counted at."""
        return self.prompt.estimated_tokens + self.schema_tokens


class InvalidAnswerError(Exception):
    """Raised by `Question.read`. The problems are told to the model and logged: they quote no data."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as billed. `input_tokens` holds those read from and written to the provider's prompt cache, and
    `output_tokens` those spent on reasoning."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


class Outcome(StrEnum):
    """How one call ended (a closed list: provenance, metrics and dead letters use it)."""

    ANSWERED = "answered"
    UNSURE = "unsure"
    INVALID = "invalid"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    GARBLED = "garbled"
    LOCKED_OUT = "locked_out"
    UNUSABLE_MODEL = "unusable_model"
    SPENT = "spent"
    CANCELLED = "cancelled"
    UNUSED = "unused"
    """A reply that came when another had been taken: paid for all the same."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that was made. `status` is HTTP's, None when no response came.

    `maybe_billed`: no answer came, but the request had been sent, so the provider may charge for it. Nobody tells what:
    that is not in `cost_usd`, and `unsettled_usd` is what it may be, its estimated prompt and all of its `max_tokens`.
    """

    provider: str
    model: str
    tier: str
    outcome: Outcome
    status: int | None
    latency_s: float
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    maybe_billed: bool = False
    unsettled_usd: Decimal = Decimal(0)
    unsettled_tokens: int = 0
    reply_id: str = ""
    """What the provider calls its reply: by this the call is found on its bill."""


@dataclass(frozen=True, slots=True)
class Completion(Generic[T]):
    """A validated answer and where it is from. `usage` and `cost_usd` are those of all attempts together.

    `provider`, `model` and `tier` are `none`, empty and `fallback` for the safe answer.
    """

    answer: T
    provider: str
    model: str
    tier: str
    simulated: bool = False
    cached: bool = False
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal = Decimal(0)

    @property
    def safe(self) -> bool:
        """True when no model gave this answer: its author wrote it."""
        return self.tier == FALLBACK
