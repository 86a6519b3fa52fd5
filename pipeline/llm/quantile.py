"""A quantile of a stream of numbers, followed without keeping them."""

from __future__ import annotations


class Quantile:
    """Rises by a step for each number above it and falls by a small one for each below, so that it settles where
    `share` of them lie below (stochastic approximation); steps are relative, so it follows changes of scale.
    """

    __slots__ = ("_share", "value")

    def __init__(self, share: float) -> None:
        self._share = share
        self.value: float | None = None
        """None before the first number."""

    def add(self, number: float) -> None:
        if self.value is None:
            self.value = FIRST_GUESS * number
            return
        step = STEP * self.value
        self.value += step * self._share if number > self.value else -step * (1 - self._share)


STEP = 0.04
FIRST_GUESS = 2.0
"""How many times the first number a high quantile is taken to be, until more is known."""
