"""Every error that a vendor's client can raise is in the table, and means what it should."""

from __future__ import annotations

import aiohttp
import anthropic
import httpx2
import openai
import pytest
from anthropic import _error_classes as anthropic_classes
from pipeline.llm import Outcome
from pipeline.llm.providers.failures import BY_CLASS, BY_CODE, BY_STATUS, by_status, classify
from pipeline.llm.providers.provider import Failure
from pipeline.llm.retry import REMEDIES, Remedy

REQUEST = httpx2.Request("POST", "https://provider.example/v1")


def descendants(ancestor: type[Exception]) -> list[type[Exception]]:
    found = [ancestor]
    for child in ancestor.__subclasses__():
        found += descendants(child)
    return found


ALL_CLASSES = [
    found
    for vendor in (openai.OpenAIError, anthropic.AnthropicError)
    for found in descendants(vendor)
    if not found.__name__.startswith("_")
]


def response(status: int, body: object = None, headers: dict[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(status, json=body, headers=headers, request=REQUEST)


@pytest.mark.parametrize("found", ALL_CLASSES, ids=lambda found: f"{found.__module__.split('.')[0]}.{found.__name__}")
def test_every_vendor_error_class_is_in_the_table(found: type[Exception]) -> None:
    if issubclass(found, openai.APIStatusError | anthropic.APIStatusError):
        status = getattr(found, "status_code", None)
        assert status is None or status in BY_STATUS or status == 500, (
            f"{found.__name__}: status {status} is in no table"
        )
    elif found.__module__.endswith("._exceptions"):
        assert found in BY_CLASS
    else:
        # Errors of parts that are not used here (webhooks, tools, streams) have at least an ancestor in it.
        assert any(ancestor in BY_CLASS for ancestor in found.__mro__)


@pytest.mark.parametrize(("status", "code"), anthropic_classes.ERROR_CLASSES)
def test_every_code_that_anthropic_documents_is_decided_on(status: int, code: str | None) -> None:
    assert by_status(status, code or "") in REMEDIES


@pytest.mark.parametrize("code", [code for _, code in anthropic_classes.ERROR_CLASSES if code and "spend" in code])
def test_a_spend_limit_is_never_waited_for_like_a_rate_limit(code: str) -> None:
    status = next(status for status, known in anthropic_classes.ERROR_CLASSES if known == code)
    assert REMEDIES[by_status(status, code)] is Remedy.LOCK_OUT


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, {"error": {"message": "too long", "code": "context_length_exceeded"}}, Failure.REJECTED),
        (400, {"error": {"message": "filtered", "code": "content_filter"}}, Failure.REFUSED),
        (400, {"error": {"message": "no", "code": "unsupported_parameter"}}, Failure.UNUSABLE_MODEL),
        (401, {"error": {"message": "bad key", "code": "invalid_api_key"}}, Failure.LOCKED_OUT),
        (403, {"error": {"message": "country"}}, Failure.LOCKED_OUT),
        (404, {"error": {"message": "no", "code": "model_not_found"}}, Failure.UNUSABLE_MODEL),
        (429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, Failure.THROTTLED),
        (429, {"error": {"message": "pay", "type": "insufficient_quota"}}, Failure.SPENT),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, Failure.SPENT),
        (500, None, Failure.SERVER_ERROR),
        (502, None, Failure.SERVER_ERROR),
        (503, None, Failure.OVERLOADED),
        (504, None, Failure.TIMEOUT),
        (520, None, Failure.SERVER_ERROR),
        (418, None, Failure.REJECTED),
    ],
)
def test_openai_by_status_and_code(status: int, body: object, failure: Failure) -> None:
    client = openai.OpenAI(api_key="sk-test", base_url="https://provider.example/v1")
    assert classify(client._make_status_error_from_response(response(status, body))).failure is failure


def an_error(kind: str, message: str = "no", code: str = "") -> dict[str, object]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": message, **details}}


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, an_error("invalid_request_error", "prompt is too long"), Failure.REJECTED),
        (400, an_error("invalid_request_error", "Your credit balance is too low to go on"), Failure.SPENT),
        (401, an_error("authentication_error"), Failure.LOCKED_OUT),
        (402, an_error("billing_error"), Failure.SPENT),
        (403, an_error("permission_error"), Failure.LOCKED_OUT),
        (404, an_error("not_found_error"), Failure.UNUSABLE_MODEL),
        (413, an_error("request_too_large"), Failure.REJECTED),
        (
            400,
            an_error("invalid_request_error", message="Output blocked by content filtering policy"),
            Failure.REFUSED,
        ),
        (429, an_error("rate_limit_error"), Failure.THROTTLED),
        (429, an_error("rate_limit_error", code="ramp_limit_exceeded"), Failure.THROTTLED),
        (429, an_error("rate_limit_error", code="enforced_spend_limit_reached"), Failure.SPENT),
        (500, an_error("api_error"), Failure.SERVER_ERROR),
        (529, an_error("overloaded_error"), Failure.OVERLOADED),
    ],
)
def test_anthropic_by_status_and_code(status: int, body: object, failure: Failure) -> None:
    client = anthropic.Anthropic(api_key="sk-test", base_url="https://provider.example")
    assert classify(client._make_status_error_from_response(response(status, body))).failure is failure


def test_a_programming_error_is_not_taken_for_a_providers_failure() -> None:
    with pytest.raises(KeyError):
        classify(KeyError("oops"))


def test_a_connection_that_dropped_after_the_request_may_have_been_billed() -> None:
    lost = openai.APITimeoutError(request=REQUEST)
    lost.__cause__ = aiohttp.ServerDisconnectedError()
    assert classify(lost).failure is Failure.UNREACHABLE
    assert classify(lost).maybe_billed


def test_each_failure_has_a_remedy_and_an_outcome() -> None:
    assert set(REMEDIES) == set(Failure)
    assert {failure.value for failure in Failure} <= {outcome.value for outcome in Outcome}
    assert set(BY_CODE.values()) | set(BY_STATUS.values()) | set(BY_CLASS.values()) <= set(Failure)
