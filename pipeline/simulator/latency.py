"""How long an answer takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

_STANDARD = NormalDist()
_Z99 = _STANDARD.inv_cdf(0.99)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Seconds, given by their median and 99th percentile. Requests to hosted models are close to this form."""

    p50_s: float
    p99_s: float

    def at(self, u: float) -> float:
        """The latency of which the share `u` (0 < u < 1) is shorter, in seconds."""
        if self.p50_s <= 0:
            return 0.0
        sigma = math.log(self.p99_s / self.p50_s) / _Z99
        return self.p50_s * math.exp(sigma * _STANDARD.inv_cdf(u))
