"""Answers that were given before: the key that makes questions equal, and the memory of one worker."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol, TypeVar

import orjson

from pipeline.llm.question import Question
from pipeline.llm.similar import SimilarPolicy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long answers are used again, and how many are kept."""

    fresh_for: timedelta = timedelta(hours=1)
    stale_for: timedelta = timedelta(hours=24)
    """For so long after that an answer is still given while no provider can be asked."""
    max_entries: int = 20_000
    max_bytes: int = 16 * 1024 * 1024
    max_answer_bytes: int = 64 * 1024
    similar: SimilarPolicy | None = None
    """Answers of nearly equal questions, too: a risk, so None unless it is asked for (similar.py)."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A validated answer as JSON, where it is from, what it cost, and when it was given (Unix seconds)."""

    data: bytes
    provider: str
    model: str
    tier: str
    simulated: bool
    cost_usd: Decimal
    given_at: float

    def dump(self) -> bytes:
        return orjson.dumps({**asdict(self), "data": self.data.decode(), "cost_usd": str(self.cost_usd)})

    @classmethod
    def load(cls, raw: bytes) -> StoredAnswer:
        """Raises ValueError when `raw` is not what `dump` wrote."""
        try:
            fields = orjson.loads(raw)
            return cls(
                str(fields["data"]).encode(),
                str(fields["provider"]),
                str(fields["model"]),
                str(fields["tier"]),
                bool(fields["simulated"]),
                Decimal(str(fields["cost_usd"])),
                float(fields["given_at"]),
            )
        except (KeyError, TypeError, ArithmeticError) as error:
            raise ValueError(f"not a stored answer: {type(error).__name__}") from None


class AnswerStore(Protocol):
    """Answers that several workers share. Losing it costs money, never correctness: it raises nothing."""

    async def get(self, key: str) -> StoredAnswer | None: ...

    async def put(self, key: str, answer: StoredAnswer, keep_for: timedelta) -> None: ...

    async def close(self) -> None: ...


class AnswerKeys:
    """Makes equal questions have equal keys.

    A key covers the tenant, the enrichment, the prompt's version, texts and context, the whole ladder of tiers and the
    answer's schema. Placeholders are canonical, so two customers with one complaint have one key; two tenants never.
    """

    def __init__(self) -> None:
        self._digests: dict[int, tuple[object, bytes]] = {}

    def key(self, question: Question[T]) -> str:
        """Empty when the prompt has no fingerprint."""
        fingerprint = question.prompt.fingerprint
        if not fingerprint:
            return ""
        digest = hashlib.blake2b(digest_size=16)
        for part in (
            question.tenant.encode("utf-8", "surrogatepass"),
            question.enrichment.encode(),
            fingerprint.encode(),
            self._digest(question.tiers),
            self._digest(question.schema),
        ):
            digest.update(len(part).to_bytes(4) + part)
        return digest.hexdigest()

    def scope(self, question: Question[T]) -> bytes:
        """Equal for two questions that may share an answer if their records are alike."""
        digest = hashlib.blake2b(digest_size=16)
        prompt = question.prompt
        for text in (question.tenant, question.enrichment, prompt.version, prompt.system):
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(self._digest(question.tiers) + self._digest(question.schema))
        return digest.digest()

    def _digest(self, thing: object) -> bytes:
        # The thing itself is kept beside its digest: its id stays its own.
        known = self._digests.get(id(thing))
        if known is None:
            if len(self._digests) > 1000:
                self._digests.clear()
            raw = orjson.dumps(thing, option=orjson.OPT_SORT_KEYS)
            known = self._digests[id(thing)] = (thing, hashlib.blake2b(raw, digest_size=16).digest())
        return known[1]


class MemoryCache:
    """The answers that were used last, bounded in number and bytes. `now` is Unix time, in seconds."""

    def __init__(self, policy: CachePolicy) -> None:
        self._policy = policy
        self._answers: OrderedDict[str, StoredAnswer] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str, now: float) -> StoredAnswer | None:
        """The answer, fresh or stale; None when there is none, or it is too old for anything."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        keep_s = (self._policy.fresh_for + self._policy.stale_for).total_seconds()
        if now - answer.given_at > keep_s:
            self.drop(key)
            return None
        self._answers.move_to_end(key)
        return answer

    def put(self, key: str, answer: StoredAnswer) -> None:
        """Keeps an answer; those not used for longest make room."""
        self.drop(key)
        self._answers[key] = answer
        self.bytes += _size(answer)
        while len(self._answers) > self._policy.max_entries or self.bytes > self._policy.max_bytes:
            _, oldest = self._answers.popitem(last=False)
            self.bytes -= _size(oldest)

    def drop(self, key: str) -> None:
        """Forgets an answer, if it is there."""
        answer = self._answers.pop(key, None)
        if answer is not None:
            self.bytes -= _size(answer)

    def is_fresh(self, answer: StoredAnswer, now: float) -> bool:
        return now - answer.given_at <= self._policy.fresh_for.total_seconds()


OVERHEAD_BYTES = 400
"""What an entry takes beside its answer (measured: key, object, places in the table)."""


def _size(answer: StoredAnswer) -> int:
    return len(answer.data) + OVERHEAD_BYTES
