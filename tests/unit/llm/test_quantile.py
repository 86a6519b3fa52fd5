"""The usual is known without keeping what was seen."""

from __future__ import annotations

import random

import pytest
from pipeline.llm.quantile import Quantile


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_it_settles_near_the_true_quantile_and_follows_when_that_changes(share: float) -> None:
    draw, quantile = random.Random(1), Quantile(share)
    for scale in (1.0, 5.0, 0.5):
        for _ in range(20_000):
            quantile.add(scale * draw.lognormvariate(0, 0.6))
        recent = []
        for _ in range(5000):
            quantile.add(scale * draw.lognormvariate(0, 0.6))
            recent.append(quantile.value or 0.0)
        true = sorted(scale * draw.lognormvariate(0, 0.6) for _ in range(50_000))[int(share * 50_000)]
        assert sum(recent) / len(recent) == pytest.approx(true, rel=0.15)


def test_nothing_is_usual_before_anything_was_seen() -> None:
    assert Quantile(0.9).value is None
