"""Everything that the gateway can do is reached from the settings, and keys stay apart without being told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from pipeline.llm import Budget, GatewayPolicy, Hard, HedgePolicy, Period
from pipeline.llm.accounts import open_account
from pipeline.settings import BudgetSettings, GatewaySettings, LimitSettings, ProviderSettings
from pydantic import SecretStr, ValidationError


def test_settings_left_alone_are_the_gateways_own_numbers() -> None:
    assert GatewayPolicy.of(GatewaySettings(), BudgetSettings()) == GatewayPolicy()


def test_tenants_hedging_and_cache_are_set_in_one_place() -> None:
    policy = GatewayPolicy.of(
        GatewaySettings(tenant_weights={"acme": 3.0}, hedge=True, cache_fresh=timedelta(minutes=5)), BudgetSettings()
    )
    assert policy.tenant_weights == {"acme": 3.0}
    assert policy.hedge == HedgePolicy()
    assert policy.cache is not None
    assert policy.cache.fresh_for == timedelta(minutes=5)
    assert GatewayPolicy.of(GatewaySettings(cache=False), BudgetSettings()).cache is None


def test_budgets_are_set_by_tenant_enrichment_and_period() -> None:
    policy = GatewayPolicy.of(
        GatewaySettings(),
        BudgetSettings(
            daily_usd=Decimal(100),
            limits=(LimitSettings(tenant="acme", period="month", usd=Decimal("12.5"), hard="cheaper"),),
            record_calls=5,
            alarm_usd=Decimal(7),
        ),
    )
    assert policy.budgets == (
        Budget("acme", "*", Period.MONTH, Decimal("12.5"), hard=Hard.CHEAPER),
        Budget(usd=Decimal(100)),
    )
    assert policy.max_calls == 5
    assert policy.spend_rate.least_usd == 7


@pytest.mark.parametrize("wrong", [{"tenant_weights": {"acme": 0}}, {"tenant_weights": {"acme": -1}}])
def test_a_share_of_nothing_is_refused(wrong: dict[str, dict[str, float]]) -> None:
    with pytest.raises(ValidationError):
        GatewaySettings.model_validate(wrong)


def test_two_keys_are_two_quotas_and_neither_is_told() -> None:
    def digest(key: str, base_url: str = "") -> str:
        settings = ProviderSettings(wire="openai", api_key=SecretStr(key), base_url=base_url)
        return open_account("openai", settings).key_digest

    assert digest("sk-one") == digest("sk-one")
    assert len({digest("sk-one"), digest("sk-two"), digest("sk-one", "http://127.0.0.1:9")}) == 3
    assert len(digest("sk-one")) == 8
