"""What a record looks like after the redactor, what comes back, and what makes it refuse."""

from __future__ import annotations

import base64
import functools

import pytest
from pipeline.errors import LeakError, RedactionError, UsageError
from pipeline.redact import PiiType, Redaction, RedactionPolicy, Redactor
from pipeline.vault import Keyring, associated_data

_EXAMPLES = {
    PiiType.PERSON: ("My name is Joanna Doe.", "Joanna Doe"),
    PiiType.EMAIL: ("Write to jo.doe@example.com please", "jo.doe@example.com"),
    PiiType.PHONE: ("Call +44 20 7946 0958 now", "+44 20 7946 0958"),
    PiiType.ADDRESS: ("I live at 12 Main Street, Springfield, IL 62704.", "12 Main Street, Springfield, IL 62704"),
    PiiType.DATE_OF_BIRTH: ("I was born on 4 October 1956.", "4 October 1956"),
    PiiType.CREDIT_CARD: ("Card 4111 1111 1111 1111 was charged", "4111 1111 1111 1111"),
    PiiType.IBAN: ("Pay to DE89 3704 0044 0532 0130 00, thanks", "DE89 3704 0044 0532 0130 00"),
    PiiType.SSN: ("SSN 115-01-3054 is mine", "115-01-3054"),
    PiiType.NATIONAL_ID: ("Mein PESEL: 44051401359", "44051401359"),
    PiiType.PASSPORT: ("passport number 876184294 was lost", "876184294"),
    PiiType.POLICY_NUMBER: ("policy number HV-2025-44967 ends", "HV-2025-44967"),
    PiiType.CLAIM_NUMBER: ("claim C12345678 is open", "C12345678"),
    PiiType.VIN: ("VIN 1HGCM82633A004352 is the car", "1HGCM82633A004352"),
    PiiType.LICENSE_PLATE: ("number plate 680-GBX was seen", "680-GBX"),
    PiiType.IP_ADDRESS: ("login from 203.0.113.7 at noon", "203.0.113.7"),
    PiiType.API_KEY: ("the key sk-proj-abcdefghijklmnop1234 leaked", "sk-proj-abcdefghijklmnop1234"),
    PiiType.URL_CREDENTIALS: ("see https://jo:pw123@example.org/x now", "https://jo:pw123@example.org/x"),
}


@functools.cache
def _redactor() -> Redactor:
    return Redactor()


def _redact(text: str) -> Redaction:
    return _redactor().redact({"text": text})


def _text(redaction: Redaction) -> str:
    return redaction.fields["text"].text


def test_there_is_an_example_of_every_type() -> None:
    assert set(_EXAMPLES) == set(PiiType)


@pytest.mark.parametrize("kind", PiiType)
def test_every_type_is_taken_out_and_brought_back(kind: PiiType) -> None:
    text, value = _EXAMPLES[kind]
    redaction = _redact(text)
    assert _text(redaction) == text.replace(value, f"[{kind}_1]")
    assert redaction.restore(_text(redaction)) == text
    assert redaction.counts == {kind.value: 1}


def test_one_person_has_one_number_in_all_fields() -> None:
    redaction = _redactor().redact(
        {"subject": "Joanna Doe and Peter Jones", "body": "Dear team, this is Joanna Doe. JOANNA DOE again. Ms Doe"}
    )
    subject, body = redaction.fields["subject"].text, redaction.fields["body"].text
    assert subject == "[PERSON_1] and [PERSON_2]"
    assert "this is [PERSON_1]." in body
    assert "[PERSON_1.2] again" in body
    assert "Ms [PERSON_1.3]" in body
    assert redaction.restore(body).endswith("JOANNA DOE again. Ms Doe")


def test_text_that_looks_like_a_placeholder_stays_what_it_is() -> None:
    text = "It says [PERSON_1] there. My name is Joanna Doe."
    redaction = _redact(text)
    assert _text(redaction) == "It says [PERSON_1] there. My name is [PERSON_2]."
    assert redaction.restore(_text(redaction)) == text


@pytest.mark.parametrize("damaged", ["[PERSON_2]", "[PERSON_1", "PERSON_1]", "[person_1]", "[PERSON_1.2]", "[EMAIL_1]"])
def test_a_damaged_or_unknown_placeholder_is_refused(damaged: str) -> None:
    redaction = _redact("My name is Joanna Doe.")
    with pytest.raises(RedactionError):
        redaction.restore(f"Dear {damaged}")
    assert redaction.placeholders_unknown(f"Dear {damaged}")


@pytest.mark.parametrize(
    "form",
    [
        "jo.doe@example.com",
        "JO.DOE@EXAMPLE.COM",
        "ｊｏ.doe@example.com",
        "jo.doe%40example.com",
        "jo&#46;doe@example.com",
    ],
)
def test_an_original_in_any_form_is_a_leak_in_the_prompt(form: str) -> None:
    redaction = _redact("Write to jo.doe@example.com")
    with pytest.raises(LeakError) as caught:
        redaction.check_prompt(f"The customer ({form}) asks")
    assert "doe" not in str(caught.value)
    redaction.check_prompt("The customer ([EMAIL_1]) asks")


def test_new_personal_data_in_an_answer_is_a_leak_unless_its_type_is_allowed() -> None:
    redaction = _redact("Write to jo.doe@example.com")
    redaction.check_answer({"summary": "Wants mail at [EMAIL_1]."})
    with pytest.raises(LeakError) as caught:
        redaction.check_answer({"summary": "Call +44 20 7946 0958."})
    assert "7946" not in str(caught.value)
    redaction.check_answer({"summary": "Call +44 20 7946 0958."}, allowed=frozenset({PiiType.PHONE}))


def test_a_leak_check_finds_base64_of_an_original() -> None:
    redaction = _redact("Write to jo.doe@example.com")
    with pytest.raises(LeakError):
        redaction.check_answer({"summary": base64.b64encode(b"jo.doe@example.com").decode()})


def test_kept_types_stay() -> None:
    redactor = Redactor(RedactionPolicy(keep=frozenset({PiiType.EMAIL})))
    assert redactor.redact({"text": "jo.doe@example.com"}).fields["text"].text == "jo.doe@example.com"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("born on 4 October 1956.", "born on [DATE_OF_BIRTH_1:1956]."),
        ("at 10 The Cedars, Telford TF6 5BB.", "at [ADDRESS_1:TF6]."),
    ],
)
def test_generalised_types_say_year_and_postcode_area(text: str, redacted: str) -> None:
    redactor = Redactor(RedactionPolicy(generalise=frozenset({PiiType.DATE_OF_BIRTH, PiiType.ADDRESS})))
    redaction = redactor.redact({"text": text})
    assert _text(redaction) == redacted
    assert redaction.restore(redacted) == text


def test_hashed_types_agree_within_a_tenant_and_not_between_two() -> None:
    redactor = Redactor(RedactionPolicy(hash=frozenset({PiiType.EMAIL})))

    def hashed(text: str, key: bytes) -> str:
        return _text(redactor.redact({"text": text}, tenant_key=key))

    assert hashed("jo@example.com", b"a") == hashed("JO@example.com", b"a")
    assert hashed("jo@example.com", b"a") != hashed("jo@example.com", b"b")
    with pytest.raises(RedactionError, match="tenant key"):
        redactor.redact({"text": "jo@example.com"})


@pytest.mark.parametrize(
    "table",
    [{"keep": ["NOTHING"]}, {"generalise": ["EMAIL"]}, {"keep": ["EMAIL"], "hash": ["EMAIL"]}, {"name": True}],
)
def test_a_policy_that_cannot_be_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="redaction"):
        RedactionPolicy.from_mapping(table)


def test_known_values_are_taken_out_wherever_they_stand() -> None:
    redaction = _redactor().redact({"text": "ref zx81 and Brook wrote"}, {PiiType.PERSON: ["Rae Brook"]})
    assert _text(redaction) == "ref zx81 and [PERSON_1] wrote"


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 +1 415 555 0134",
        "jo.doe%40example.com+1 415 555 0134",
        "paid with 4111 1111 1111 1111 415-\n555-0134",
        "Joanna Doe 203.0.113.7",
        "Joanna Doe DE89 3704 0044 0532 0130 00",
    ],
)
def test_values_that_touch_are_all_taken_at_once(text: str) -> None:
    once = _redactor().redact({"text": text}).fields["text"].text
    assert not any(char.isdigit() for char in once.replace("_1", ""))
    assert _redactor().redact({"text": once}).fields["text"].text == once


def test_any_exception_is_a_refusal_without_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()

    def broken(shadow: str) -> None:
        raise ValueError(shadow)

    monkeypatch.setattr(redactor, "_scanner", type("Broken", (), {"scan": staticmethod(broken)})())
    with pytest.raises(RedactionError) as caught:
        redactor.redact({"text": "Joanna Doe"})
    assert "Joanna" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_text_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.redact.redactor._LONGEST", 10)
    with pytest.raises(RedactionError, match="longer"):
        _redact("Joanna Doe and others")


def test_a_traceback_is_masked_before_it_is_kept() -> None:
    redaction = _redact("My name is Joanna Doe.")
    assert redaction.mask("ValueError: Joanna Doe at 203.0.113.7") == "ValueError: [PERSON] at [IP_ADDRESS]"
    assert "Joanna" not in repr(redaction) + repr(redaction.fields) + repr(redaction.originals)


def test_keys_rotate_and_sealed_bytes_open_only_where_they_belong() -> None:
    old, new = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    place = associated_data("claims", 3, 42, "e-1")
    sealed = Keyring.parse(f"a:{old}").seal(b"Joanna Doe", place)
    assert Keyring.parse(f"b:{new},a:{old}").open(sealed, place) == b"Joanna Doe"
    for ring, where in ((f"b:{new}", place), (f"a:{old}", associated_data("claims", 3, 43, "e-1"))):
        with pytest.raises(RedactionError):
            Keyring.parse(ring).open(sealed, where)
    with pytest.raises(RedactionError):
        Keyring.parse(f"a:{old}").open(sealed[:-1] + bytes([sealed[-1] ^ 1]), place)


def test_words_are_a_name_where_somebody_says_so() -> None:
    assert "Page" not in _redact("Hello, my name is Sky Page.").fields["text"].text


@pytest.mark.parametrize("phrase", ["Regards, Joanna Doe", "Joanna Doe", "my son Callum Ashworth is"])
def test_a_whole_name_is_taken(phrase: str) -> None:
    assert not {"Doe", "Callum", "Ashworth"} & set(_text(_redact(f"It broke.\n\n{phrase}")).split())


@pytest.mark.parametrize(
    "text",
    [
        "My policy started on 4 October 2019.",
        "start date 04/10/2019",
        "I was born in Leeds. The policy began 4.10.2019.",
    ],
)
def test_a_date_of_another_thing_is_no_date_of_birth(text: str) -> None:
    assert _text(_redact(text)) == text
