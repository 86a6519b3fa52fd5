"""What kinds of personal data are found, and where one stands."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class PiiType(StrEnum):
    """A kind of personal data or secret (a closed list: placeholders, policies, counts and schemas use it)."""

    PERSON = "PERSON"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    ADDRESS = "ADDRESS"
    DATE_OF_BIRTH = "DATE_OF_BIRTH"
    CREDIT_CARD = "CREDIT_CARD"
    IBAN = "IBAN"
    SSN = "SSN"
    NATIONAL_ID = "NATIONAL_ID"
    PASSPORT = "PASSPORT"
    POLICY_NUMBER = "POLICY_NUMBER"
    CLAIM_NUMBER = "CLAIM_NUMBER"
    VIN = "VIN"
    LICENSE_PLATE = "LICENSE_PLATE"
    IP_ADDRESS = "IP_ADDRESS"
    API_KEY = "API_KEY"
    URL_CREDENTIALS = "URL_CREDENTIALS"


class Span(NamedTuple):
    """Personal data in a text: `text[start:end]`, in characters of the original."""

    start: int
    end: int
    type: PiiType


class PlacedSpan(NamedTuple):
    """A span and the placeholder that stands for it in the redacted text."""

    start: int
    end: int
    type: PiiType
    placeholder: str
