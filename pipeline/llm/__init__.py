"""The gateway to language models; knows nothing of Kafka or documents."""

from pipeline.llm.breaker import BreakerPolicy, BreakerState
from pipeline.llm.budget import Budget, Hard, Ledger, Level, LocalLedger, Period, SpendRatePolicy, Spent
from pipeline.llm.cache import CachePolicy
from pipeline.llm.gateway import Gateway
from pipeline.llm.hedging import HedgePolicy
from pipeline.llm.length import LengthPolicy, TooLong
from pipeline.llm.observer import BreakerChange, BudgetChange, CallDetails, Observer, SpendAlarm, Throttle, Unobserved
from pipeline.llm.policy import GatewayPolicy
from pipeline.llm.prompt import PromptTemplate, RenderedPrompt
from pipeline.llm.providers.provider import Account, Provider, ProviderError, Reachability
from pipeline.llm.question import (
    Attempt,
    Completion,
    Invalid,
    InvalidAnswerError,
    Lane,
    Outage,
    Outcome,
    Question,
    Tier,
    Usage,
)
from pipeline.llm.retry import RetryPolicy
from pipeline.llm.similar import SimilarPolicy
from pipeline.llm.status import CacheStatus, GatewayStatus, RouteStatus, Sharing
from pipeline.llm.tokens import estimate_tokens

__all__ = [
    "Account",
    "Attempt",
    "BreakerChange",
    "BreakerPolicy",
    "BreakerState",
    "Budget",
    "BudgetChange",
    "CachePolicy",
    "CacheStatus",
    "CallDetails",
    "Completion",
    "Gateway",
    "GatewayPolicy",
    "GatewayStatus",
    "Hard",
    "HedgePolicy",
    "Invalid",
    "InvalidAnswerError",
    "Lane",
    "Ledger",
    "LengthPolicy",
    "Level",
    "LocalLedger",
    "Observer",
    "Outage",
    "Outcome",
    "Period",
    "PromptTemplate",
    "Provider",
    "ProviderError",
    "Question",
    "Reachability",
    "RenderedPrompt",
    "RetryPolicy",
    "RouteStatus",
    "Sharing",
    "SimilarPolicy",
    "SpendAlarm",
    "SpendRatePolicy",
    "Spent",
    "Throttle",
    "Tier",
    "TooLong",
    "Unobserved",
    "Usage",
    "estimate_tokens",
]
