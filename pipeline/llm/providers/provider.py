"""The only seam between the gateway and a model: one call out, one reply or one classified failure back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pipeline.llm.question import Usage


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire. `user` holds record text, redacted; `system` never does."""

    model: str
    system: str
    user: str
    schema_name: str
    schema: Mapping[str, object]
    max_tokens: int
    temperature: float | None = None
    user_hash: str = ""
    """Who asks, as a keyed hash: providers use it to find abuse, nobody can read it."""
    record: str = ""
    """The record's text alone, redacted: all that a classifier reads."""
    answer: Mapping[str, object] = field(default_factory=dict)
    """What the tier says beside a classifier's label."""


class Stop(StrEnum):
    """Why the model stopped writing."""

    END = "end"
    LENGTH = "length"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Window:
    """One quota as the provider reports it; `reset_s` is when it is full again, in seconds from the response."""

    limit: int
    remaining: int
    reset_s: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The rate-limit headers of a response; what the provider does not report is None."""

    requests: Window | None = None
    tokens: Window | None = None
    input_tokens: Window | None = None
    output_tokens: Window | None = None
    retry_after_s: float | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that a model wrote, whatever it is worth."""

    text: str
    stop: Stop
    usage: Usage
    limits: Limits = NO_LIMITS
    id: str = ""
    """What the provider calls it, also in its own records; empty where it does not say."""


class Failure(StrEnum):
    """Why there is no reply (a closed list); `remedies.py` says what is done about each."""

    THROTTLED = "throttled"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    GARBLED = "garbled"
    REFUSED = "refused"
    REJECTED = "rejected"
    LOCKED_OUT = "locked_out"
    UNUSABLE_MODEL = "unusable_model"
    SPENT = "spent"


class ProviderError(Exception):
    """There is no reply. `maybe_billed`: the request had been sent, so the provider may charge for it."""

    def __init__(
        self,
        failure: Failure,
        *,
        status: int | None = None,
        code: str = "",
        limits: Limits = NO_LIMITS,
        maybe_billed: bool = False,
    ) -> None:
        super().__init__(f"{failure} (status {status}, code {code or 'none'})")
        self.failure = failure
        self.status = status
        self.code = code
        self.limits = limits
        self.maybe_billed = maybe_billed


@dataclass(frozen=True, slots=True)
class Reachability:
    """What `pipeline doctor` shows of a provider."""

    provider: str
    reachable: bool
    detail: str = ""


class Provider(Protocol):
    """One account at one provider. Implementations hold no policy: no retries, no waiting, no memory of calls."""

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        """One call. Raises ProviderError, and nothing else but asyncio.CancelledError; never takes longer."""

    async def ping(self, timeout_s: float) -> None:
        """The cheapest authenticated request that costs no tokens. Raises ProviderError."""

    async def close(self) -> None:
        """Ends its connections."""


@dataclass(frozen=True, slots=True)
class Account:
    """A provider as settings describe it: its numbers beside the way to call it. Quotas are a minute's; 0 is none."""

    provider: Provider
    wire: str = "openai"
    key_digest: str = ""
    """What tells its key from others: workers share a quota only where they share the key."""
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    input_tokens_per_minute: int = 0
    output_tokens_per_minute: int = 0
    charges_max_tokens: bool = False
    """True when the token quota counts the whole of `max_tokens` as soon as a request comes."""
    max_concurrency: int = 1000
    adapts_concurrency: bool = False
    """True for a server of one's own that publishes no quota: latency tells how many calls it takes at once."""
    timeout_s: float = 60.0
    simulated: bool = False
    in_process: bool = False
    """True for classifiers: no network, no bill, no better answer the second time."""
    priced: bool = True
    """False for a server of one's own: its tokens cost nothing."""
