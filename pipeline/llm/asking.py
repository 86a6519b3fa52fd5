"""What is known so far about one question: who was asked, what it cost, and how it ends when nobody is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Generic, TypeVar

from pipeline.errors import AnswerError, CallError, Cause, ProvidersOutError, RefusalError, Stage
from pipeline.llm.question import FALLBACK, NOBODY, Attempt, Completion, Outage, Outcome, Question, Tier, Usage
from pipeline.llm.routing import Ladder

T = TypeVar("T")

NOTHING_USED = Usage()


class Asking(Generic[T]):
    """The state of one `Gateway.complete`. `clock` is monotonic, in seconds."""

    def __init__(self, question: Question[T], clock: Callable[[], float]) -> None:
        self.question = question
        self._clock = clock
        self.ladder = Ladder(question.tiers, question.prompt.estimated_tokens)
        self.attempts: list[Attempt] = []
        self.usage = Usage()
        self.cost_usd = Decimal(0)
        self.failures = 0
        """Failures of models that were answering others: only these may be this record's own fault."""
        self.resting: set[int] = set()
        """Places of tiers that just failed this record and are not asked again before the others were."""
        self.kept: tuple[T, Tier, bool] | None = None
        """A valid answer that was not confident enough, its tier, and whether it was simulated."""
        self.data: Mapping[str, object] | None = None
        """The last valid answer as it was written; None when it is not worth keeping."""
        self.has_backup = False
        """True when an old answer may stand in: nobody is waited for then."""
        self.may_stand_in = False
        """True when the safe answer may stand in for a budget that is spent."""
        self.answers = 0
        """Calls that brought something, and were paid. Those lost in an outage are no spiral."""
        self._ends = clock() + question.deadline.total_seconds()

    def left_s(self) -> float | None:
        """How long may still be waited; None when there is no end to it."""
        return None if self.question.outage is Outage.WAIT else max(0.0, self._ends - self._clock())

    def record(self, attempt: Attempt, usage: Usage) -> None:
        """A call ended. A 429 is the pool's affair and no attempt of this record."""
        if attempt.outcome is not Outcome.THROTTLED:
            self.attempts.append(attempt)
            self.answers += usage is not NOTHING_USED
            self.usage += usage
            self.cost_usd += attempt.cost_usd

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
        """Nobody could be asked in time."""
        seconds = self.question.deadline.total_seconds()
        return ProvidersOutError(f"no provider could be asked within {seconds:g} s")

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
        if last is Outcome.REFUSED:
            return RefusalError(f"the model declined, {asked}")
        if last is Outcome.TRUNCATED:
            return AnswerError(f"the answer did not fit max_tokens, {asked}", cause=Cause.ANSWER_TRUNCATED)
        if last is Outcome.INVALID:
            return AnswerError(f"no answer was valid, {asked}")
        return CallError(f"the request was rejected, {asked}")
