"""What code adds to a claim: the exact amount, and what an adjuster should look at."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

from pipeline import money
from pipeline.catalogue import EnrichmentSpec


def finish(
    answer: Mapping[str, object], record: Mapping[str, object], spec: EnrichmentSpec, received_at: datetime
) -> Mapping[str, object]:
    """`amount` read from the model's literal quote, which must stand in the claim; `anomalies` by fixed rules."""
    quote = answer.get("amount_quote")
    amount = _amount(quote, record) if isinstance(quote, str) else None
    found = [*_dates(answer, record, spec, received_at), *_amounts(quote, amount, spec), *_policy(record, spec)]
    confidence = answer.get("confidence")
    if isinstance(confidence, float) and confidence < float(spec.options["doubt_below"]):
        found.append(_anomaly("LOW_CONFIDENCE", f"the model is {confidence:.2f} sure"))
    value = {"value": amount.value.quantize(Decimal("0.01")), "currency": amount.currency} if amount else None
    return {"amount": value, "anomalies": found}


def _anomaly(code: str, detail: str) -> Mapping[str, str]:
    return {"code": code, "detail": detail}


def _amount(quote: str, record: Mapping[str, object]) -> money.Money | None:
    """The quote's amount, if the quote stands in one of the claim's texts as a whole."""
    documents = record.get("documents")
    texts = [record.get("description")]
    if isinstance(documents, list):
        texts += [item.get("text") for item in documents if isinstance(item, Mapping)]
    return next((found for text in texts if isinstance(text, str) and (found := money.quoted(quote, text))), None)


def _dates(
    answer: Mapping[str, object], record: Mapping[str, object], spec: EnrichmentSpec, received_at: datetime
) -> Iterator[Mapping[str, str]]:
    said, form = answer.get("incident_date"), record.get("incident_date")
    today = received_at.date()
    for day in {day for day in (said, form) if isinstance(day, date)}:
        if day > today:
            yield _anomaly("INCIDENT_IN_FUTURE", f"{day} is after the claim was received")
        elif (today - day).days > int(spec.options["oldest_incident_days"]):
            yield _anomaly("INCIDENT_TOO_OLD", f"{day} is more than {spec.options['oldest_incident_days']} days ago")
    if isinstance(said, date) and isinstance(form, date) and said != form:
        yield _anomaly("INCIDENT_DATE_DIFFERS", f"the text says {said}, the form {form}")


def _amounts(quote: object, amount: money.Money | None, spec: EnrichmentSpec) -> Iterator[Mapping[str, str]]:
    if quote is None:
        yield _anomaly("AMOUNT_MISSING", "the claim names no amount")
    elif amount is None:
        yield _anomaly("AMOUNT_UNREADABLE", "the quoted amount is not one exact amount that stands in the claim")
    elif amount.value > int(spec.options["amount_limit"]):
        yield _anomaly("AMOUNT_OVER_LIMIT", f"more than {spec.options['amount_limit']}")


def _policy(record: Mapping[str, object], spec: EnrichmentSpec) -> Iterator[Mapping[str, str]]:
    number = record.get("policy_number")
    if not isinstance(number, str) or not number.strip():
        yield _anomaly("POLICY_NUMBER_MISSING", "the claim names no policy")
    elif not re.fullmatch(str(spec.options["policy_number_pattern"]), number.strip().upper()):
        yield _anomaly("POLICY_NUMBER_MALFORMED", "the policy number does not have the insurer's form")
