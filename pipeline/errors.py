"""The tree of errors: each says where it happened, why, and therefore what is done about it.

    PipelineError
    ├── UsageError             the person can mend it: arguments, settings, catalogue          exit code 2
    │   ├── NotAllowedError    who asks has not the role for it
    │   └── NotTakenError      a value that a person wrote is not what its enrichment takes
    ├── UnavailableError       a service cannot be reached; nothing is lost, try again         exit code 1
    └── RecordError            this record cannot be enriched: a dead letter, at once
        ├── DecodeError        bytes that are not what the topic's setting says
        ├── ContractError      decoded, but not what the schema or the enrichment asks for
        ├── RedactionError     redaction did not finish: no call is made
        │   └── LeakError      a personal value stood in the prompt or in the answer
        ├── PromptError        the prompt cannot be made within its limits
        ├── BudgetError        a hard budget is spent and the enrichment says dead letter
        ├── CallError          the model was asked and there is no answer to use
        │   ├── RefusalError       it declined, or a content filter did
        │   ├── AnswerError        it answered, but never validly
        │   └── ProvidersOutError  nobody could be asked and the enrichment says dead letter
        └── EncodeError        the output cannot be written

A record that is merely early (open breaker, spent quota, registry away) raises none of these: it waits.
No message carries text of a record: messages are logged, exported and shown.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol


class Stage(StrEnum):
    """The step of a record's way at which it died (a closed list: dead letters, metrics and filters use it)."""

    DECODE = "decode"
    CONTRACT = "contract"
    REDACT = "redact"
    BUDGET = "budget"
    PROMPT = "prompt"
    CALL = "call"
    VALIDATE = "validate"
    CHECK = "check"
    ENCODE = "encode"
    PRODUCE = "produce"
    PROCESS = "process"


class Cause(StrEnum):
    """Why a record died (a closed list: dead letters, metrics and filters use it)."""

    NULL_VALUE = "null_value"
    EMPTY_VALUE = "empty_value"
    UNDECODABLE = "undecodable"
    SCHEMA_UNKNOWN = "schema_unknown"
    CONTRACT_BROKEN = "contract_broken"
    KEY_INVALID = "key_invalid"
    TOO_LARGE = "too_large"
    REDACTION_FAILED = "redaction_failed"
    LEAK = "leak"
    PROMPT_TOO_LONG = "prompt_too_long"
    BUDGET_SPENT = "budget_spent"
    REFUSED = "refused"
    REQUEST_REJECTED = "request_rejected"
    ANSWER_INVALID = "answer_invalid"
    ANSWER_TRUNCATED = "answer_truncated"
    PROVIDERS_OUT = "providers_out"
    ENCODE_FAILED = "encode_failed"
    OUTPUT_TOO_LARGE = "output_too_large"
    OVERRIDE_UNKNOWN = "override_unknown"
    UNEXPECTED = "unexpected"


HEALED_BY_TIME: Final = frozenset(
    {
        Cause.SCHEMA_UNKNOWN,  # its publisher registers it a moment later
        Cause.BUDGET_SPENT,  # until the next period
        Cause.REFUSED,
        Cause.ANSWER_INVALID,  # a model that has a bad hour
        Cause.ANSWER_TRUNCATED,
    }
)
"""Causes that may be gone when the record is sent again as it is, after a while. An outage is none of them: records
wait for its end. Nor is anything that needs a person to mend it."""


class PipelineError(Exception):
    """Anything this package raises on purpose; `exit_code` is what a command ends with."""

    exit_code = 1


class UsageError(PipelineError):
    """Arguments, settings or the catalogue are wrong; the message is one line that says what to change."""

    exit_code = 2


class NotAllowedError(UsageError):
    """Who asks has not the role for it; the message names the role."""


class NotTakenError(UsageError):
    """A value that a person wrote is not taken. `fields`: what is wrong, by the path of each; no value is quoted."""

    def __init__(self, message: str, fields: Mapping[str, str]) -> None:
        super().__init__(message)
        self.fields = fields


class UnavailableError(PipelineError):
    """A service cannot be reached; the message is one line that names it and what to do."""


class Attempted(Protocol):
    """One call to a model that was made, and perhaps paid, before the record died (`llm.Attempt`)."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def tier(self) -> str: ...
    @property
    def outcome(self) -> StrEnum: ...
    @property
    def status(self) -> int | None: ...
    @property
    def latency_s(self) -> float: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cost_usd(self) -> Decimal: ...


class RecordError(PipelineError):
    """This record cannot be enriched. `message` is free of personal data; `attempts` are the calls made for it."""

    stage = Stage.PROCESS
    cause = Cause.UNEXPECTED
    attempts: Sequence[Attempted] = ()

    def __init__(self, message: str, *, cause: Cause | None = None, stage: Stage | None = None) -> None:
        super().__init__(message)
        self.message = message
        if cause is not None:
            self.cause = cause
        if stage is not None:
            self.stage = stage


class DecodeError(RecordError):
    """The bytes are not what the topic's setting says they are."""

    stage = Stage.DECODE
    cause = Cause.UNDECODABLE


class ContractError(RecordError):
    """Decoded, but not what the schema or the enrichment asks for."""

    stage = Stage.CONTRACT
    cause = Cause.CONTRACT_BROKEN
    fields: Mapping[str, str] = MappingProxyType({})
    """What is wrong by the path of the field, where it is known; without values."""


class RedactionError(RecordError):
    """Redaction did not finish; no call is made."""

    stage = Stage.REDACT
    cause = Cause.REDACTION_FAILED


class LeakError(RedactionError):
    """A personal value stood in the prompt or in the answer."""

    cause = Cause.LEAK


class PromptError(RecordError):
    """The prompt cannot be made within its limits."""

    stage = Stage.PROMPT
    cause = Cause.PROMPT_TOO_LONG


class BudgetError(RecordError):
    """A hard budget is spent and the enrichment says dead letter."""

    stage = Stage.BUDGET
    cause = Cause.BUDGET_SPENT


class CallError(RecordError):
    """The model was asked and there is no answer to use."""

    stage = Stage.CALL
    cause = Cause.REQUEST_REJECTED


class RefusalError(CallError):
    """The model declined, or a content filter did."""

    cause = Cause.REFUSED


class AnswerError(CallError):
    """The model answered, but never validly."""

    stage = Stage.VALIDATE
    cause = Cause.ANSWER_INVALID


class ProvidersOutError(CallError):
    """Nobody could be asked and the enrichment says dead letter."""

    cause = Cause.PROVIDERS_OUT


class EncodeError(RecordError):
    """The output cannot be written."""

    stage = Stage.ENCODE
    cause = Cause.ENCODE_FAILED
