"""The vendors' prompt caches: a long prefix seen a short while ago is cheaper.

OpenAI caches every prefix of 1,024 tokens or more, in steps of 128 (its page on prompt caching). Anthropic caches what
a `cache_control` mark ends, from 1,024 tokens; writing costs extra. Both forget after 5 minutes without use.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from pipeline.simulator.exchange import Ask
from pipeline.simulator.tokens import tokens

_SHORTEST = 1024
_STEP = 128
_KEPT_S = 300.0
_MOST = 1000


@dataclass(slots=True)
class PromptCache:
    """One vendor's cache for all models and keys."""

    always: bool
    """True where prompts are cached unasked and writing is free."""
    _seen: OrderedDict[tuple[str, str, int], float] = field(default_factory=OrderedDict)

    def look_up(self, now: float, key: str, ask: Ask) -> tuple[int, int]:
        """Tokens of the prompt read from the cache, and tokens written to it."""
        length = tokens(ask.prefix)
        if self.always:
            length -= length % _STEP
        if length < _SHORTEST:
            return 0, 0
        entry = (key, ask.model, ask.prefix_key)
        last = self._seen.pop(entry, None)
        self._seen[entry] = now
        if len(self._seen) > _MOST:
            self._seen.popitem(last=False)
        if last is not None and now - last < _KEPT_S:
            return length, 0
        return 0, 0 if self.always else length
