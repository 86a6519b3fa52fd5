"""What is known so far about one question: who was asked, what it cost, and how it ends when nobody is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Generic, TypeVar

from pipeline.errors import AnswerError, CallError, Cause, ProvidersOutError, RefusalError, Stage
from pipeline.llm.budget import Spent
from pipeline.llm.question import FALLBACK, NOBODY, Attempt, Completion, Outage, Outcome, Question, Tier, Usage
from pipeline.llm.routing import Ladder

T = TypeVar("T")

NOTHING_USED = Usage()


class Asking(Generic[T]):
    """The state of one `Gateway.complete`. `clock` is monotonic, in seconds."""

    def __init__(self, question: Question[T], clock: Callable[[], float], made: list[Attempt] | None = None) -> None:
        """`made` is where the calls are written down as they end; a list of its own when not given."""
        self.question = question
        self._clock = clock
        self.ladder = Ladder(question.tiers, question.prompt.estimated_tokens)
        self.attempts: list[Attempt] = [] if made is None else made
        self.usage = Usage()
        self.cost_usd = Decimal(0)
        self.unsettled_usd = Decimal(0)
        self.unsettled_tokens = 0
        self.failures = 0
        """Failures of models that were answering others: only these may be this record's own fault."""
        self.resting: set[int] = set()
        """Places of tiers that just failed this record and are not asked again before the others were."""
        self.kept: tuple[T, Tier, bool] | None = None
        """A valid answer that was not sure enough, its tier, and whether it was simulated."""
        self.provisional = False
        """True when the answer was not sure enough and only money or time kept it from being asked again."""
        self.data: Mapping[str, object] | None = None
        """The last valid answer as it was written; None when it is not worth keeping."""
        self.has_backup = False
        """True when an old answer may stand in: nobody is waited for then."""
        self.may_stand_in = False
        """True when the safe answer may stand in for a budget that is spent."""
        self.answers = 0
        """Calls that brought something, and were paid. Those lost in an outage are no spiral."""
        self._began = clock()
        self._queued_s = self._answering_s = 0.0
        self._in_line_since: float | None = None

    def left_s(self) -> float | None:
        """What is left of the deadline, in seconds; None while an outage has no end."""
        if self.question.outage is Outage.WAIT:
            return None
        return max(0.0, self.question.deadline.total_seconds() - self.worked_s())

    def worked_s(self) -> float:
        """How long this has taken, without the time in line for a quota or a place."""
        now = self._clock()
        waits_s = 0.0 if self._in_line_since is None else now - self._in_line_since
        return now - self._began - self._queued_s - waits_s

    @property
    def overdue(self) -> bool:
        """True when no further call may be begun. Where outages are waited for, only answers use the deadline up."""
        left_s = self.left_s()
        return self._answering_s >= self.question.deadline.total_seconds() if left_s is None else left_s <= 0

    @property
    def tokens(self) -> int:
        """In and out, of all calls together."""
        return self.usage.input_tokens + self.usage.output_tokens

    @property
    def spent(self) -> Spent:
        """What the budgets are told."""
        return Spent(self.cost_usd, self.tokens, self.unsettled_usd, self.unsettled_tokens)

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """Its turn will come: the deadline stands still."""
        self._in_line_since = self._clock()
        try:
            yield
        finally:
            self.was_in_line(self._clock() - self._in_line_since)
            self._in_line_since = None

    def was_in_line(self, seconds: float) -> None:
        """So much of the time since it began does not count."""
        self._queued_s += seconds

    def record(self, attempt: Attempt, usage: Usage) -> None:
        """A call ended. A 429 is the pool's affair and no attempt of this record."""
        if attempt.outcome is not Outcome.THROTTLED:
            self.attempts.append(attempt)
            if usage is not NOTHING_USED:
                self.answers += 1
                self._answering_s += attempt.latency_s
            self.usage += usage
            self.cost_usd += attempt.cost_usd
            if attempt.maybe_billed:
                self.unsettled_usd += attempt.unsettled_usd
                self.unsettled_tokens += attempt.unsettled_tokens

    def completion(self, answer: T, tier: Tier, *, simulated: bool) -> Completion[T]:
        """The answer with its provenance."""
        return Completion(
            answer,
            tier.provider,
            tier.model,
            tier.name,
            simulated=simulated,
            attempts=tuple(self.attempts),
            usage=self.usage,
            cost_usd=self.cost_usd,
        )

    def safe(self) -> Completion[T] | None:
        """The enrichment's safe answer, when it has one."""
        if self.question.fallback is None:
            return None
        return Completion(
            self.question.fallback(),
            NOBODY,
            "",
            FALLBACK,
            attempts=tuple(self.attempts),
            usage=self.usage,
            cost_usd=self.cost_usd,
        )

    def outage(self) -> ProvidersOutError:
        """Nobody could be asked, or answered, in time."""
        seconds = self.question.deadline.total_seconds()
        return ProvidersOutError(f"no provider answered within {seconds:g} s")

    def nobody(self) -> ProvidersOutError:
        """Nobody can be asked now, and this is not waited for."""
        return ProvidersOutError(f"no provider can be asked now, after {len(self.attempts)} calls")

    def late(self) -> CallError:
        """The deadline is over and none of the answers is one to use."""
        if self.question.outage is not Outage.WAIT:
            return self.outage()
        seconds = self.question.deadline.total_seconds()
        return AnswerError(f"no answer was valid within {seconds:g} s, after {self.answers} answers")

    def end(self) -> CallError:
        """Every tier has been asked and none gave an answer to use."""
        if not self.attempts:
            return CallError(
                f"no tier takes a prompt of about {self.question.prompt.estimated_tokens} tokens",
                stage=Stage.PROMPT,
                cause=Cause.PROMPT_TOO_LONG,
            )
        outcomes = [attempt.outcome for attempt in self.attempts]
        asked = f"after {len(outcomes)} calls to {len({(a.provider, a.model) for a in self.attempts})} models"
        last = next((outcome for outcome in reversed(outcomes) if outcome is not Outcome.UNSURE), Outcome.UNSURE)
        if last is Outcome.UNSURE:
            return AnswerError(f"no model was sure enough, {asked}")
        if Outcome.REFUSED in outcomes:
            # Whatever others made of it: what a model declines to read is for a person to look at.
            return RefusalError(f"the model declined, {asked}")
        if last is Outcome.TRUNCATED:
            return AnswerError(f"the answer did not fit max_tokens, {asked}", cause=Cause.ANSWER_TRUNCATED)
        if last is Outcome.INVALID:
            return AnswerError(f"no answer was valid, {asked}")
        return CallError(f"the request was rejected, {asked}")
