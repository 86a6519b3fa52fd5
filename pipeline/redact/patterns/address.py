"""Postal addresses: a street is known by its type's word or by the postcode behind it; a house number must be there."""

from __future__ import annotations

import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns import streets
from pipeline.redact.patterns.pattern import Context, Cued, Pattern, Strength
from pipeline.redact.patterns.postal import (
    CANADA_CODE,
    FLAT,
    HOUSE,
    UK_CODE,
    US_CODE,
    end_of_address,
    start_of_address,
    start_of_town,
)
from pipeline.redact.patterns.streets import FRENCH_TYPES, LOWER_TYPES, WHOLE_STREETS
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression


def _by_code(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """`text[start:end]` is a postcode little else looks like. Without a street, the town before it is the address."""
    text = context.text
    if not _stands_alone(context, start, end):
        return None
    floor, context.postcode_end = context.postcode_end, end
    begin = start_of_address(text, start, floor)
    if begin is None:
        begin = start_of_town(text, start, floor)
    return None if begin is None else (begin, end_of_address(text, end))


def _by_town(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """`text[start:end]` is a postcode and a town, or the other way round: only with a street before them."""
    if not _stands_alone(context, start, end):
        return None
    floor, context.postcode_end = context.postcode_end, end
    begin = start_of_address(context.text, start, floor)
    return None if begin is None else (begin, end_of_address(context.text, end))


def _by_house(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """`start` is a house number, behind it stand a postcode and a town: the street, of whatever type, goes before."""
    text = context.text
    house = _HOUSE_AT.match(text, start)
    if house is None:
        return None
    begin = start_of_address(text, house.end(), context.postcode_end)
    if begin is None or begin == start:
        return None
    return begin, end_of_address(text, house.end())


def _stands_alone(context: Context, start: int, end: int) -> bool:
    if context.behind(end).isalnum() or context.before(start).isalnum() or context.before(start) in "-/#_":
        return False
    return not (
        context.named(Cue.OTHER_NUMBER, start)
        or context.after(Cue.POLICY, start, reach=12)
        or context.after(Cue.PASSPORT, start, reach=12)
    )


_HOUSE_AT: Final = expression(rf"{HOUSE}\.?")


def _said(context: Context, start: int, end: int) -> tuple[int, int] | None:
    """Behind a word for addresses: a house number and a name in either order, whatever the type of street."""
    text = context.text
    value = text[start:end]
    if _MONTH_OR_UNIT.search(value):
        return None
    if value[0].isdigit():
        stop = end_of_address(text, end)
        return (start, stop) if stop > end or " " in value.strip() else None
    return start, end_of_address(text, end)


_MONTH_OR_UNIT: Final = expression(
    r"\b(?:days?|weeks?|months?|years?|jan|feb|mar|apr|may|june?|july?|aug|sep|sept|oct|nov|dec|january|february"
    r"|march|april"
    r"|august|september|october|november|december|januar|februar|marz|mai|juni|juli|oktober|dezember|janvier"
    r"|fevrier|mars"
    r"|avril|juin|juillet|aout|septembre|octobre|novembre|decembre|version|error|uhr|am|pm|eur|usd)\b",
    re.IGNORECASE,
)
_BEHIND_TYPES: Final = (
    "laan|calle|c/|avenida|avda|avd|av|avenue|plaza|pza|paseo|pso|camino|carretera|ctra|ronda|travesia|rambla"
    "|glorieta|cuesta"
    "|urbanizacion|pasaje|pasadizo|callejon|calzada|prolongacion|viaducto|periferico|circuito|retorno|privada"
    "|diagonal"
    "|vial|acceso|alameda|via|viale|v\\.le|piazza|piazzale|p\\.za|p\\.zza|corso|c\\.so|largo"
    "|vicolo|strada"
    "|contrada|borgo|lungomare|salita|rua|r\\.|travessa|praca|estrada|rodovia|viela|beco|quinta|rue|boulevard"
    "|chaussee|chemin"
    "|place|quai|ulica|ul\\.|al\\.|aleja|plac|pl\\.|os\\.|osiedle|jalan|jl\\.|calea|bulevardul|str\\.|aleea"
    "|drumul|intrarea|soseaua|splaiul|piata|fundatura|praceta|azinhaga|calcada|escadas|ladeira|vereda|jardim"
    "|parque|avinguda|carrer|passeig"
)
_COMPOUND_TYPES: Final = (
    "strase|strasse|str\\.|str|weg|gasse|platz|allee|ring|damm|ufer|chaussee|steig|stieg|graben|wall|hof|markt"
    "|kamp|berg|tor"
    "|straat|laan|plein|gracht|kade|singel|dijk|pad|steeg|dreef|baan|plantsoen|lei|gatan|gata|vagen|vag|grand"
    "|stigen|torget"
    "|backen|vej|vejen|gade|alle|plads|straede|veien|vei|gate|gaten|plass|katu|kuja|utca|sokak|caddesi|ulice"
    "|ulica|utja"
)
PATTERNS: Final = (
    Pattern(
        PiiType.ADDRESS,
        r"\b\d{1,6}[A-Za-z]?(?:[-/]\d{1,5}[A-Za-z]?)?(?: 1/2)?,? (?:(?:[NSEW]{1,2}|the|St|\d{1,3}(?:st|nd|rd|th|ST"
        r"|ND|RD"
        r"|TH))[ .]{1,2}|[A-Z][A-Za-z'-]{0,24} )[A-Z0-9]"
        rf"|\b\d{{1,5}}[A-Za-z]?(?:[/-]\d{{1,4}}[A-Za-z]?)?,? (?:The )?(?:{WHOLE_STREETS})\b"
        rf"|\b\d{{1,6}}[A-Za-z]?,?(?: [a-z'.-]{{3,20}}){{1,2}} (?:{LOWER_TYPES})\b",
        Strength.SHAPE,
        check=streets.english,
        by_start=True,
        yes=(
            "at «153 Edwards Pike, New Ameliaville TF85 0NS».",
            "from «9354 Monroe Street Apt 12A\nJessicaview, WY 13378».",
            "to «Flat 11, 75 Williams Run, Baxterton G7K 1LR»?",
            "«1600 Pennsylvania Ave NW, Washington, DC 20500»",
            "at «12 main street» today",
            "at «Apt 9, 128 E Jefferson Ct, Boise ID».",
            "at «88 SE 17th Drive, Springfield, MO  65873».",
            "is «Hill View, 64 St. Mary's Road, Dublin 4, D04 T9F8» now",
            "at «110-21 5th Blvd, Montreal, QC  H2X 4H7».",
            "«221B Baker Street, London»",
            "«350 5th Ave, New York, NY 10118»",
            "at «6 Queensway, Limerick».",
            "is «88 Kingsway, Fitzroy VIC, 3065» now",
            "to «83 Orchard Drive, Todmorden» please",
            "to «11 Station Road, Barrow-upon-Soar», not",
            "«720 Old Mill Way, Portland, Oregon, USA»",
        ),
        no=("2 miles down the road", "3 Days on Park", "the Green Way", "I have 2 other road cases"),
    ),
    Pattern(
        PiiType.ADDRESS,
        rf"\b\d{{1,5}}(?:[ -]?(?:bis|ter|quater|[a-d]))?(?:[-/]\d{{1,4}})?,? (?:(?:{FRENCH_TYPES})\b|r\. )",
        Strength.SHAPE,
        check=streets.french,
        by_start=True,
        caseless=True,
        yes=(
            "demeurant «79 chemin de Charpentier\n20810 Coulonboeuf», declare",
            "«42 bis, rue de la Paix, 75002 Paris».",
            "au «12 rue victor hugo 69002 Lyon»",
            "«3 allee des Tilleuls»",
            "J'habite «12 rue du 8 Mai 1945, 75010 Paris».",
            "au «3 place du 11-Novembre, 69002 Lyon» et",
            "sis «72 R. du Général Leclerc, appt 13, 5000 Namur» est",
        ),
        no=("2 places de parking", "12 cours par semaine"),
    ),
    Pattern(
        PiiType.ADDRESS,
        rf"\b(?:{_BEHIND_TYPES})[ .]",
        Strength.SHAPE,
        check=streets.romance,
        by_start=True,
        caseless=True,
        yes=(
            "vivo en «Calle de Alcalá 45, 3º B, 28014 Madrid»",
            "«C/ Mayor, 5»",
            "en «Plaza de España 17, 2.º izq., 08014 Barcelona».",
            "in «Viale Europa, 22/A, 50126 Firenze».",
            "op «Laan van Meerdervoort 170 A, 2517 VL Den Haag».",
            "abito in «Via Giuseppe Garibaldi 12, 20121 Milano (MI)».",
            "«Rua das Flores, 123, 4050-262 Porto»",
            "«Rue de la Loi 16, 1000 Bruxelles»",
            "Endereço: «Alameda Santos, 41 - Jardins, São Paulo/SP, 01419-001»",
            "«ul. Marszałkowska 12/34, 00-590 Warszawa»",
        ),
        no=("via email 2 times", "sent via SMS", "Av. 5,20 EUR"),
    ),
    Pattern(
        PiiType.ADDRESS,
        rf"(?:{_COMPOUND_TYPES}),? \d{{1,4}}(?: ?[a-z])?(?:[-/] ?\d{{1,4}} ?[a-z]?)?\b",
        Strength.SHAPE,
        check=streets.compound,
        caseless=True,
        yes=(
            "wohnhaft «Ellinor-Trommler-Ring 42, 69294 Anklam».",
            "«Lange Straße 5a\n41166 Hersbruck»",
            "in der «Hauptstr. 12», bitte",
            "«Keizersgracht 123, 1015 CJ Amsterdam»",
            "«Storgatan 12, 111 23 Stockholm»",
            "«Alte Poststraße 7, 10115 Berlin»",
            "«Schillerplatz 223, 3. OG, 4051 Basel»,",
            "«Lindenallee 12, Frankfurt am Main».",
            "«Dorpsstraat 85-II, 3511 ZJ Utrecht».",
            "is «Singel 216 hs, 1012 UK Amsterdam».",
            "«Rosenweg 52 in 3012 Bern»",
            "«Lindenweg 5, 61543 Bad Homburg v. d. Höhe», am",
        ),
        no=("Weg 5", "der Weg 5 ist", "Parkplatz 12", "auf dem Weg 2 Stunden"),
    ),
    Pattern(
        PiiType.ADDRESS,
        r"\b(?:Am|An der|An den|Im|In der|In den|Auf der|Auf dem|Zum|Zur|Unter den|Hinter dem|Vor dem|Beim|Bei der"
        r"|Op de|Aan de) [A-Z][a-z-]{2,30}(?: [A-Z][a-z-]{2,30})? \d{1,4}(?:-\d{1,4})? ?[a-z]?\b",
        Strength.SHAPE,
        check=streets.prefixed,
        yes=(
            "«Unter den Linden 77, 10117 Berlin»",
            "wohnhaft «Am Markt 5»",
            "Ada Roe\n«Im Winkel 7a»\n",
            "Ada Roe, «An der Kirche 7»",
        ),
        no=("Im Oktober 12 Mal", "Am Montag 5 Uhr", "Im Kapitel 12", "Im Mai 5\n"),
    ),
    Pattern(
        PiiType.ADDRESS,
        rf"\b(?:{US_CODE}|{UK_CODE.replace(' ?', ' ')}|{CANADA_CODE})\b",
        Strength.SHAPE,
        check=_by_code,
        yes=(
            "at «3887 Traci Bayside Apt 28B, West Johnville, ND 65005»",
            "«10 The Cedars, Little Wenlock, Telford TF6 5BB»",
            "lives in «Springfield, IL 62704»",
        ),
        no=("order AB12 3CD",),
    ),
    Pattern(
        PiiType.ADDRESS,
        r"\b\d{1,4}[A-Za-z]?(?:/\d{1,4})?\.?(?: ?, ?\n?|\n)(?:[A-Z]{1,2}-)?(?:\d{4,5}|\d{3} \d{2}|\d{2}-\d{3}"
        r"|\d{4} ?[A-Z]{2}"
        r"|\d{4}-\d{3})[ \n][A-Z][a-z]",
        Strength.SHAPE,
        check=_by_house,
        by_start=True,
        yes=(
            "Adresa: «Moravská 273\n266 39 Sobotka»",
            "«Petőfi út 202., H-9236 Hídháza»",
            "«Jänkäpolku 7, 08485 Oulu»",
        ),
        no=("am 12, 2000 Stück", "on 5, 2024 March"),
    ),
    Pattern(
        PiiType.ADDRESS,
        r"\b[A-Z][a-z]{2,24}(?: ?- ?| )[1-9]\d{5}\b|\b\d{5}-?\d{3},? [A-Za-z' ]{2,40} ?[/-] ?[A-Z]{2}\b"
        r"|\b[A-Z][A-Za-z -]{2,30}, (?:[A-Z]{2,5} )?\d{5,6}(?:-\d{4})?\b|\b[A-Z]{3,5} \d{5}(?:-\d{4})?\b",
        Strength.SHAPE,
        check=_by_town,
        yes=(
            "H: «40/76, Suresh Chowk, Kavali 524201»",
            "at «92/A, Park Street, Kolkata 700016» and",
            "«Distrito da Luz, 16\nSanta Inês\n23418754 Duarte / SE»",
            "«Calzada Acuña 907, San Alvaro, BCS 92320»",
            "«Vial de Sarita Zaragoza 31, Ourense, 43739»",
        ),
        no=("Bestellung 123456", "Berlin, 10115", "call Anna, 123456"),
    ),
    Pattern(
        PiiType.ADDRESS,
        r"\b(?:The )?(?:[A-Z][a-z'-]{2,15} ){1,2}(?:House|Cottage|Vicarage|Rectory|Manor|Lodge|Farm|Farmhouse"
        r"|Barn|Mill|Hall"
        r"|Grange|Villa|Croft|Chapel|Schoolhouse|Stables|Bungalow|Manse|Priory|Oast|Court|View|Towers?"
        r"|Mansions?|Gatehouse"
        r"|Coach House|Forge|Dairy|Granary|Hermitage|Parsonage|Presbytery)"
        r",",
        Strength.SHAPE,
        check=streets.house_name,
        yes=(
            "is «Oak House, Queensway, Perth WA, 6000».",
            "at «The Old Vicarage, Abbey Gardens, Cork, T12 C954».",
            "at «Rose Cottage, Church Lane, Todmorden, OL14 5AA» until",
        ),
        no=("the White House, said he", "Oak House, London"),
    ),
    Pattern(
        PiiType.ADDRESS,
        r"\b(?:[HDS]\.? ?No|Sy\.? ?No|(?:Plot|Flat|Door|House|Shop|Villa|Site|Survey|Ward|Block"
        r"|Quarter)(?: No)?)[.:]{0,2} ?#?"
        r"[A-Z]?-?\d{1,4}[A-Z]?(?:[-/][0-9A-Z]{1,4}){0,4}\b",
        Strength.SHAPE,
        check=streets.plot,
        caseless=True,
        yes=(
            "to «H.No. 10-99/3, Banjara Hills, Hyderabad - 500034» please",
            "is «Plot No. 44, Jubilee Hills, Hyderabad 500033».",
            "«D.No. 4-1/2, Gandhi Road, Near Temple, Guntur 522 002»",
        ),
        no=("Plot 12 of the story", "house no. 5 was sold"),
    ),
    Pattern(
        PiiType.ADDRESS,
        r"\b(?:B\.?P\.?|C\.?S\.?|TSA|C\.?P\.?|Pf\.?) ?\d[\d ]{0,6}\b",
        Strength.SHAPE,
        check=streets.boxed,
        yes=("sis «BP 112, 94240 L'Haÿ-les-Roses».", "«CS 30001\n75013 Paris»"),
        no=("BP 120 over 80", "CS 12, page 5"),
    ),
    Pattern(
        PiiType.ADDRESS,
        r"\b(?:[A-Z]{1,2}-)?\d{4,5} [A-Z][A-Za-z .()/-]{2,30},\n? ?[A-Z][A-Za-z.'-]{1,30}(?: [A-Za-z.'-]{1,25}){0,4},?"
        r" \d{1,4}(?: ?[a-z])?\b",
        Strength.SHAPE,
        check=streets.town_first,
        yes=(
            "Ada Roe, «01924 Dresden, An der Kirche 202»",
            "in «8400 Winterthur, Goethestrasse 54»,",
            "wohnt in «D-18453 Rostock, Im Winkel 14a».",
        ),
        no=("seit 2023 Berlin, Mai 12", "order 12345 Berlin, Haus 5"),
    ),
    Pattern(
        PiiType.ADDRESS,
        r"\b(?:P\.? ?O\.? ?Box|G\.?P\.?O\.? Box|Locked Bag|Private Bag|Boite Postale|Apdo\.?|Casilla"
        r"|Skrytka pocztowa|Postfach|Postbus|Apartado(?: de correos)?|Casella postale"
        r"|Caixa postal) \d[\d ]{0,8}\b",
        Strength.SHAPE,
        check=lambda context, start, end: (start, end_of_address(context.text, end)),
        caseless=True,
        yes=("write to «PO Box 1234, Springfield, IL 62704».", "«Postfach 12 34 56, 10115 Berlin»"),
        no=("inbox 12",),
    ),
)
CUED: Final = (
    Cued(
        PiiType.ADDRESS,
        Cue.ADDRESS,
        expression(
            r"(?:[ ,]{0,2}(?:\b(?:is|are|was|now|ist|lautet|est|es|e|should be|changed to|from|to|of|at|in|on"
            r"|record)\b|[:=-])){0,4}"
            rf"[ \n]{{1,2}}(?P<value>(?:{FLAT})?\d{{1,5}}[A-Za-z]?,? [A-Z][A-Za-z'-]{{2,24}}"
            r"(?: [A-Z][A-Za-z'-]{1,24}){0,3}"
            r"|[A-Z][A-Za-z'.-]{2,30}(?: [A-Z][A-Za-z'.-]{1,24}){0,3},? \d{1,4}[A-Za-z]?)(?![A-Za-z0-9%\xa4])"
        ),
        check=_said,
        yes=("my address is «42 Wistful Vista, Peoria, IL 61602»", "Adresse: «Sonnenhang 7, 3000 Bern»"),
        no=("address changed 3 Times", "the address is wrong"),
    ),
)
