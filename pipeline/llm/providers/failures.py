"""Both vendors' errors in one table: an exception of an SDK becomes a `ProviderError`, by class, status and code.

Sources: platform.openai.com/docs/guides/error-codes, docs.anthropic.com/en/api/errors, and the SDKs' own classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import aiohttp
import anthropic
import httpx2
import openai
from anthropic import _exceptions as anthropic_errors
from openai import _exceptions as openai_errors

from pipeline.llm.providers.headers import read_limits
from pipeline.llm.providers.provider import Failure, ProviderError

BY_STATUS: Mapping[int, Failure] = {
    400: Failure.REJECTED,
    401: Failure.LOCKED_OUT,
    402: Failure.SPENT,
    403: Failure.LOCKED_OUT,
    404: Failure.UNUSABLE_MODEL,
    405: Failure.UNUSABLE_MODEL,
    408: Failure.TIMEOUT,
    409: Failure.SERVER_ERROR,
    412: Failure.REJECTED,
    413: Failure.REJECTED,
    415: Failure.UNUSABLE_MODEL,
    422: Failure.REJECTED,
    425: Failure.SERVER_ERROR,
    429: Failure.THROTTLED,
    431: Failure.REJECTED,
    499: Failure.UNREACHABLE,
    501: Failure.UNUSABLE_MODEL,
    503: Failure.OVERLOADED,
    504: Failure.TIMEOUT,
    529: Failure.OVERLOADED,
}
"""Any other 4xx is REJECTED, any other 5xx SERVER_ERROR, anything else GARBLED."""

BY_CODE: Mapping[tuple[int, str], Failure] = {
    # OpenAI and those that speak its wire: `error.code`, or `error.type` where there is no code
    (400, "billing_hard_limit_reached"): Failure.SPENT,
    (400, "content_filter"): Failure.REFUSED,
    (400, "content_policy_violation"): Failure.REFUSED,
    (400, "invalid_api_key"): Failure.LOCKED_OUT,
    (400, "invalid_json_schema"): Failure.UNUSABLE_MODEL,
    (400, "invalid_prompt"): Failure.REFUSED,
    (400, "model_not_found"): Failure.UNUSABLE_MODEL,
    (400, "unknown_parameter"): Failure.UNUSABLE_MODEL,
    (400, "unsupported_parameter"): Failure.UNUSABLE_MODEL,
    (400, "unsupported_value"): Failure.UNUSABLE_MODEL,
    (403, "model_not_found"): Failure.UNUSABLE_MODEL,
    (429, "billing_hard_limit_reached"): Failure.SPENT,
    (429, "billing_not_active"): Failure.SPENT,
    (429, "insufficient_quota"): Failure.SPENT,
    # Anthropic: `error.details.error_code`, or `error.type`
    (400, "billing_error"): Failure.SPENT,
    (400, "cmek_key_disabled"): Failure.LOCKED_OUT,
    (400, "cmek_key_network_blocked"): Failure.LOCKED_OUT,
    (400, "organization_not_enrolled_in_beta"): Failure.UNUSABLE_MODEL,
    (400, "organization_on_hold"): Failure.LOCKED_OUT,
    (400, "request_body_timeout"): Failure.TIMEOUT,
    (400, "workspace_policy_violation"): Failure.LOCKED_OUT,
    (403, "billing_error"): Failure.SPENT,
    (429, "contract_spend_limit_reached"): Failure.SPENT,
    (429, "enforced_spend_limit_reached"): Failure.SPENT,
    (503, "cmek_key_unreachable"): Failure.LOCKED_OUT,
}

CREDIT_MESSAGE = "credit balance is too low"
FILTER_MESSAGE = "content filtering policy"
"""Anthropic says that an account is empty, or that its filter blocked a text, with a plain invalid_request_error; only
the message tells."""

BY_CLASS: Mapping[type[Exception], Failure] = {
    openai.APITimeoutError: Failure.TIMEOUT,
    openai.APIConnectionError: Failure.UNREACHABLE,
    openai.APIResponseValidationError: Failure.GARBLED,
    openai.APIError: Failure.SERVER_ERROR,
    openai.LengthFinishReasonError: Failure.GARBLED,
    openai.ContentFilterFinishReasonError: Failure.REFUSED,
    openai_errors.SubjectTokenProviderError: Failure.LOCKED_OUT,
    openai_errors.WebSocketConnectionClosedError: Failure.UNREACHABLE,
    openai_errors.WebSocketQueueFullError: Failure.OVERLOADED,
    openai.OpenAIError: Failure.UNUSABLE_MODEL,
    anthropic.APITimeoutError: Failure.TIMEOUT,
    anthropic.APIConnectionError: Failure.UNREACHABLE,
    anthropic.APIResponseValidationError: Failure.GARBLED,
    anthropic_errors.APIWebhookValidationError: Failure.GARBLED,
    anthropic.APIError: Failure.SERVER_ERROR,
    anthropic_errors.RetryableError: Failure.SERVER_ERROR,
    anthropic_errors.IdentityTokenFileError: Failure.LOCKED_OUT,
    anthropic.WorkloadIdentityError: Failure.LOCKED_OUT,
    anthropic_errors.CredentialsError: Failure.LOCKED_OUT,
    anthropic.AnthropicError: Failure.UNUSABLE_MODEL,
    # What the transport lets through under the SDKs.
    httpx2.TimeoutException: Failure.TIMEOUT,
    httpx2.HTTPError: Failure.UNREACHABLE,
    httpx2.InvalidURL: Failure.UNUSABLE_MODEL,
    aiohttp.ServerTimeoutError: Failure.TIMEOUT,
    aiohttp.ClientError: Failure.UNREACHABLE,
    TimeoutError: Failure.TIMEOUT,
    OSError: Failure.UNREACHABLE,
    ValueError: Failure.GARBLED,
}
"""Errors without a status. The nearest class in the exception's line of descent counts."""


def by_status(status: int, code: str = "") -> Failure:
    """What a response of this status and code means."""
    found = BY_CODE.get((status, code)) or BY_STATUS.get(status)
    if found is not None:
        return found
    if 400 <= status < 500:
        return Failure.REJECTED
    return Failure.SERVER_ERROR if status >= 500 else Failure.GARBLED


def classify(error: Exception) -> ProviderError:
    """The classified failure for anything that a vendor's client raised; its message is dropped (it may quote data)."""
    if isinstance(error, openai.APIStatusError | anthropic.APIStatusError):
        return _of_status(error)
    causes = list(_causes(error))
    if any(isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) for cause in causes):
        return ProviderError(Failure.UNREACHABLE)
    if any(isinstance(cause, aiohttp.ServerDisconnectedError | ConnectionError) for cause in causes):
        return ProviderError(Failure.UNREACHABLE, maybe_billed=True)
    failure = next((BY_CLASS[ancestor] for ancestor in type(error).__mro__ if ancestor in BY_CLASS), None)
    if failure is None:
        raise error
    return ProviderError(failure, maybe_billed=failure in (Failure.TIMEOUT, Failure.UNREACHABLE, Failure.GARBLED))


def _of_status(error: openai.APIStatusError | anthropic.APIStatusError) -> ProviderError:
    status, code = error.status_code, _code(error)
    failure = by_status(status, code)
    if status == 400 and failure is Failure.REJECTED:
        if CREDIT_MESSAGE in error.message:
            failure = Failure.SPENT
        elif FILTER_MESSAGE in error.message:
            failure = Failure.REFUSED
    return ProviderError(
        failure,
        status=status,
        code=code,
        limits=read_limits(error.response.headers.raw, resets=True),
        maybe_billed=failure is Failure.TIMEOUT,
    )


def _code(error: openai.APIStatusError | anthropic.APIStatusError) -> str:
    if isinstance(error, anthropic.APIStatusError):
        return error.error_code or error.type or ""
    return error.code or error.type or ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exceptions under an SDK's: its transport reports a connection that was closed as a connect timeout."""
    while error is not None:
        yield error
        error = error.__cause__
