"""Numbers that states give to people. Check digits by python-stdnum, which names the national rule of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from stdnum.at import vnr
from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.hr import oib
from stdnum.ie import pps
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.ro import cnp
from stdnum.se import personnummer
from stdnum.tr import tckimlik
from stdnum.za import idnr as za_id

from pipeline.redact import checksums
from pipeline.redact.cues import Cue
from pipeline.redact.patterns.link import behind
from pipeline.redact.patterns.official import REACH, apart, bare, compact, proven, said
from pipeline.redact.patterns.pattern import Check, Context, Cued, Pattern, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_SAYING: Final = frozenset({Cue.NATIONAL, Cue.SSN})
_VALUE: Final = r"[A-Z0-9]{1,18}(?:(?:[ ./-]{1,2}| - )(?=[A-Z]{0,3}\d|[A-Z]{1,2}\b)(?-i:[A-Z0-9]{1,11})){0,7}"
_FORM: Final = expression(
    r"(?<![A-Za-z0-9])(?:[A-Z]{1,3}[ -])?(?=[A-Z]{0,6}\d)[A-Z0-9]{1,18}"
    r"(?:(?:[ ./-]{1,2}| - )(?=[A-Z]{0,3}\d|[A-Z]{1,2}\b)[A-Z0-9]{1,11}){0,7}(?![A-Za-z0-9])"
)
_SSN: Final = r"\d{3}[ ./_-]{0,3}\d{2}[ ./_-]{0,3}\d{4}"
_SSN_FORM: Final = expression(rf"(?<![A-Za-z0-9]){_SSN}(?![A-Za-z0-9])")


def _french(value: str) -> bool:
    number = bare(value)
    return checksums.french(number) and bool(nir.is_valid(number))


def _nino(context: Context, start: int, end: int) -> tuple[int, int] | None:
    prefix = context.text[start : start + 2].upper()
    if prefix in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ") or not apart(context, start, end):
        return None
    return start, end


def _ssn(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """United States: area, group and serial are never all zeros; 666 was never given out."""
    text = context.text
    digits = bare(text[start:end])
    if digits[:3] in ("000", "666") or digits[3:5] == "00" or digits[5:] == "0000" or not apart(context, start, end):
        return None
    if _DASHED_SSN.fullmatch(text, start, end):
        return None if context.named(Cue.OTHER_NUMBER, start) else (start, end)
    return (start, end) if context.after(Cue.SSN, start, REACH) else None


_DASHED_SSN: Final = expression(r"\d{3}(-| - )\d\d\1\d{4}")


def _announced(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Whatever stands behind a word for national numbers, if it has the digits of one."""
    value = context.text[start:end]
    digits = sum(char.isdigit() for char in value)
    if not 5 <= digits <= 18 or not apart(context, start, end) or _DATE.fullmatch(value):
        return None
    return start, end


_DATE: Final = expression(r"\d{1,2}([./-])\d{1,2}\1\d{2,4}|\d{4}-\d\d-\d\d")
_always: Final[Callable[[str], bool]] = lambda value: True  # noqa: E731


def _verhoeff(value: str) -> bool:
    from stdnum import verhoeff

    number = bare(value)
    return number[0] in "23456789" and bool(verhoeff.is_valid(number))


def _national(
    shape: str, check: Check, *, yes: tuple[str, ...], no: tuple[str, ...] = (), caseless: bool = False
) -> Pattern:
    return Pattern(PiiType.NATIONAL_ID, shape, Strength.PROVEN, check, caseless, yes=yes, no=no)


def _national_near(
    shape: str, is_valid: Callable[[str], bool], *, yes: tuple[str, ...], no: tuple[str, ...] = ()
) -> Pattern:
    return Pattern(PiiType.NATIONAL_ID, shape, Strength.PROVEN, said(is_valid), near=_SAYING, yes=yes, no=no)


PATTERNS: Final = (
    Pattern(
        PiiType.SSN,
        r"\b\d{3}(?:[- .]?| - )\d{2}(?:[- .]?| - )\d{4}\b",
        Strength.PROVEN,
        check=_ssn,
        yes=(
            "it is «115-01-3054».",
            "here it is: «430 - 25 - 7033»",
            "SSN should read 749 61 9591 (not «749.61.9592»)",
            "SSN «749 61 9591»",
            "social security number: «399710677»",
        ),
        no=("666-12-3456", "399710677", "115-01-3054-2", "order 115-01-3054"),
    ),
    _national(
        r"\b[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b",
        _nino,
        caseless=True,
        yes=("NI number «QQ 12 34 56 C»".replace("QQ", "JN"), "«AB123456C»"),
        no=("GB123456A", "AB1234567"),
    ),
    _national(
        r"\b[1-478][ .-]?\d{2}[ .-]?(?:[0-9]{2})[ .-]?(?:\d{2}|2[AB])[ .-]?\d{3}[ .-]?\d{3}[ /.-]{0,3}\d{2}\b",
        proven(_french),
        yes=(
            "Mon numero est le «2 55 08 14 168 025 38».",
            "«255081416802538»",
            "n° SS «2.55.08.14.168.025.38».",
            "«2-55-08-14-168-025-38»",
        ),
        no=("255081416802539",),
    ),
    _national_near(
        r"\b[1-9]\d[ ./-]?\d{3}[ ./-]?\d{3}[ ./-]?\d{3}\b",
        compact(idnr.is_valid),
        yes=("Steuer-ID: «36 574 261 809»", "IdNr. «36574261809»"),
        no=("36574261809",),
    ),
    _national(r"\b\d{8}[ -]?[A-HJ-NP-TV-Z]\b", proven(dni.is_valid), yes=("DNI «54362315K»",), no=("54362315Z",)),
    _national(r"\b[XYZ][ -]?\d{7}[ -]?[A-Z]\b", proven(nie.is_valid), yes=("«X-2482300-W»",), no=("X-2482300A",)),
    _national(
        r"\b[A-Z]{3} ?[A-Z]{3} ?[0-9LMNP-V]{2} ?[A-EHLMPRST][0-9LMNP-V]{2} ?[A-Z][0-9LMNP-V]{3} ?[A-Z]\b",
        proven(compact(codicefiscale.is_valid)),
        caseless=True,
        yes=("codice fiscale «RCCMNL83S18D969H»",),
        no=("RCCMNL83S18D969",),
    ),
    _national_near(r"\b\d{9}\b", nif.is_valid, yes=("NIF «123456789»",), no=("123456789",)),
    _national_near(
        r"\b\d{9}\b|\b\d{4}[ .]\d{2}[ .]\d{3}\b",
        compact(bsn.is_valid),
        yes=("BSN: «111222333»", "burgerservicenummer «1112.22.333»"),
        no=("111222333",),
    ),
    _national(
        r"\b\d{2}[. ]?\d{2}[. ]?\d{2}[- ]?\d{3}[. ]?\d{2}\b",
        proven(compact(lambda value: checksums.belgian(value) and bool(nn.is_valid(value)))),
        yes=("«85.07.30-033.28»",),
        no=("85.07.30-033.61",),
    ),
    _national_near(r"\b\d{11}\b", pesel.is_valid, yes=("PESEL «44051401359»",), no=("44051401359",)),
    _national(
        r"\b(?:19|20)?\d{6}[-+]\d{4}\b",
        proven(lambda value: bool(personnummer.is_valid(value) or _danish(value))),
        yes=("«880320-0016»", "CPR «211062-5629»"),
        no=("880320-0018 or 991399-1234",),
    ),
    _national(r"\b\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]\b", proven(hetu.is_valid), yes=("«131052-308T»",), no=("131052-308U",)),
    _national(
        r"\b\d{6} ?\d{5}\b",
        proven(compact(lambda value: checksums.norwegian(value) and bool(fodselsnummer.is_valid(value)))),
        yes=("«151086 95088»",),
        no=("151086 95077",),
    ),
    _national(
        r"\b756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}\b",
        proven(ahv.is_valid),
        yes=("«756.9217.0769.85»",),
        no=("7569217076984",),
    ),
    _national_near(
        r"\b\d{4} ?\d{6}\b",
        compact(vnr.is_valid),
        yes=("SVNR «1237 010180»", "SV-Nummer lt. e-card: «1237010180»"),
        no=("1237 010180",),
    ),
    _national(r"\b\d{7}[A-W][A-IW]?\b", proven(pps.is_valid), caseless=True, yes=("PPS «6433435F»",), no=("6433435E",)),
    _national_near(
        r"\b\d{3}[ .-]?\d{3}[ .-]?\d{3}\b",
        compact(sin.is_valid),
        yes=("my SIN is «123-456-782»", "the office gave me «123456782» as my SIN"),
        no=("123-456-782",),
    ),
    _national_near(
        r"\b[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}\b",
        _verhoeff,
        yes=("Aadhaar «2341 2341 2346»",),
        no=("2341 2341 2346",),
    ),
    _national(
        r"\b[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]\b", proven(_always), yes=("PAN «ACUPA7085R»",), no=("ABCXE1234F",)
    ),
    _national(
        r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b",
        proven(lambda value: ("-" in value or "." in value) and bool(cpf.is_valid(value))),
        yes=("CPF «390.533.447-05»",),
        no=("390.533.447-06",),
    ),
    _national(
        r"\b\d{1,2}\.?\d{3}\.?\d{3}-[0-9K]\b",
        proven(rut.is_valid),
        caseless=True,
        yes=("RUT «76.086.428-5»",),
        no=("76.086.428-6",),
    ),
    _national(
        r"\b[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d\b",
        proven(curp.is_valid),
        yes=("CURP «BOXW310820HNERXN09»",),
        no=("BOXW310820HNERXN08",),
    ),
    _national_near(r"\b[1-8]\d{12}\b", cnp.is_valid, yes=("CNP «1630615123457»",), no=("1630615123457",)),
    _national(r"\b\d{6}/\d{3,4}\b", proven(rc.is_valid), yes=("«710319/2745»",), no=("710319/2746",)),
    _national(
        r"\b[1-9]\d{10}\b",
        proven(lambda value: checksums.turkish(value) and bool(tckimlik.is_valid(value))),
        yes=("«17291716060»",),
        no=("17291716050",),
    ),
    _national_near(r"\b\d{11}\b", oib.is_valid, yes=("OIB «33392005961»",), no=("33392005961",)),
    _national_near(
        r"\b\d{13}\b|\b\d{6} \d{4} \d{2} \d\b",
        compact(za_id.is_valid),
        yes=("ID number «7503305044089»",),
        no=("7503305044089",),
    ),
    _national(r"\b\d{6}-\d{7}\b", proven(rrn.is_valid), yes=("«971013-9019902»",), no=("971013-9019901",)),
    _national(
        r"\b\d{17}[0-9X]\b",
        proven(ric.is_valid),
        caseless=True,
        yes=("«360426199101010071»", "«110001198001011237»"),
        no=("360426199101010072",),
    ),
    _national_near(
        r"\b\d{3}[ -]?\d{3}[ -]?\d{4}\b",
        compact(nhs.is_valid),
        yes=("NHS number «943 476 5870»",),
        no=("order 943 476 5870",),
    ),
    _national_near(r"\b[STFGM]\d{7}[A-Z]\b", _always, yes=("NRIC «S1234567D»",), no=("S1234567D",)),
)
CUED: Final = (
    Cued(
        PiiType.NATIONAL_ID,
        Cue.NATIONAL,
        behind(_VALUE),
        check=_announced,
        form=_FORM,
        is_named_behind=True,
        yes=(
            "Steuer-ID lautet «12 345 678 901»",
            "National Insurance number: «QQ 12 34 56 C»",
            "The tax office gave me «615 567 179» as my SIN.",
            "CPF «993 979 210 70» belongs to my wife",
            "tax_id=«26911043577»",
            "<nationalId>«AB 12 34 56 C»</nationalId>".replace("nationalId", "nino"),
            "Steuer-ID ........ «26-911-043-577»",
        ),
        no=("national insurance since 2019", "tax id is missing"),
    ),
    Cued(
        PiiType.SSN,
        Cue.SSN,
        behind(_SSN),
        check=_announced,
        form=_SSN_FORM,
        is_named_behind=True,
        yes=(
            "SSN: «078 05 1120»",
            "ssn = «078.05.1120»",
            "<ssn>«078051120»</ssn>",
            "«078/05/1120» is my social security number",
            "What is your social security number?\nJane: «078 - 05 - 1120»",
        ),
    ),
)


def _danish(value: str) -> bool:
    return bool(cpr.is_valid(value))
