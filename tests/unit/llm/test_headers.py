"""Rate-limit headers are read as the vendors write them, and never fail a call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.llm.providers.headers import read_limits
from pipeline.llm.providers.provider import NO_LIMITS, Window


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def test_openais_headers() -> None:
    limits = read_limits(
        raw(
            {
                "X-RateLimit-Limit-Requests": "5000",
                "x-ratelimit-remaining-requests": "4999",
                "x-ratelimit-reset-requests": "12ms",
                "x-ratelimit-limit-tokens": "160000",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6m0.5s",
                "retry-after": "2",
                "retry-after-ms": "1500",
            }
        ),
        resets=True,
    )
    assert limits.requests == Window(5000, 4999, 0.012)
    assert limits.tokens == Window(160000, 0, 360.5)
    assert limits.retry_after_s == 1.5


def test_anthropics_headers() -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    limits = read_limits(
        raw(
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": soon,
                "anthropic-ratelimit-input-tokens-limit": "50000",
                "anthropic-ratelimit-input-tokens-remaining": "40000",
                "anthropic-ratelimit-output-tokens-limit": "10000",
                "anthropic-ratelimit-output-tokens-remaining": "9000",
            }
        ),
        resets=True,
    )
    assert limits.requests is not None
    assert limits.requests.reset_s == pytest.approx(30, abs=2)
    assert limits.input_tokens == Window(50000, 40000, None)
    assert limits.output_tokens == Window(10000, 9000, None)


def test_retry_after_may_be_a_date() -> None:
    later = (datetime.now(UTC) + timedelta(seconds=20)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    seconds = read_limits(raw({"retry-after": later})).retry_after_s
    assert seconds == pytest.approx(20, abs=2)


def test_a_response_without_quotas_says_nothing() -> None:
    assert read_limits(raw({"content-type": "application/json"})) is NO_LIMITS


NAMES = st.sampled_from(
    ["retry-after", "retry-after-ms", "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens",
     "x-ratelimit-reset-tokens", "x-ratelimit-", "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-reset"]
)  # fmt: skip


@given(st.lists(st.tuples(NAMES, st.binary(max_size=30)), max_size=8))
def test_no_header_whatever_stands_in_it_fails_a_call(headers: list[tuple[str, bytes]]) -> None:
    limits = read_limits([(name.encode(), value) for name, value in headers], resets=True)
    assert limits.retry_after_s is None or limits.retry_after_s >= 0
