"""IP addresses, and web or database addresses with a password or token in them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from pipeline.redact.cues import Cue
from pipeline.redact.patterns.pattern import Context, Pattern, Strength
from pipeline.redact.pii import PiiType
from pipeline.redact.shadow import expression

_V6: Final = expression(r"[0-9A-Fa-f:.]{2,45}")
_V6_PERSONAL: Final = expression(r"[23][0-9A-Fa-f]{0,3}:|f[cde][0-9A-Fa-f]{2}:|64:ff9b:|::ffff:", re.IGNORECASE)
_LONGEST_V6: Final = 45
_V6_REVERSED: Final = expression(r"[0-9A-Fa-f:]+")
_FULL_GROUPS: Final = 8

_SCHEME_REVERSED: Final = expression(r"[A-Za-z0-9+.:-]{1,40}")
_URL: Final = expression(r"://[^\s<>\"'`{}|\\^\[\]]{1,2000}(?:\[[0-9a-fA-F:.]{3,45}\][^\s<>\"'`{}|\\^\[\]]{0,500})?")
_SHORTEST_URL: Final = 8
_TRAILING: Final = ".,;:!?)'\""
_USERINFO: Final = expression(r"://(?!\*+(?::\*+)?@)[^\s/?#@]{0,200}:[^\s/?#]{1,200}@|://[^\s/?#@:]{16,200}@")
_SECRET_PARAMETER: Final = expression(
    r"[?&#;](?:[a-z0-9]{0,20}[_-]){0,3}(?:token|api_?key|apikey|key|secret|password|passwd|pwd|pass|auth"
    r"|authorization|sig"
    r"|signature|session|sessionid|sid|jwt|code|access|credential|credentials|otp|ticket|awsaccesskeyid"
    r"|googleaccessid|accesskeyid|clientsecret"
    r"|refreshtoken|accesstoken|authtoken|sessiontoken|hmac|policy|sharedaccesssignature)=[^&\s#]{4,}",
    re.IGNORECASE,
)


def _v4(context: Context, start: int, end: int) -> tuple[int, int] | None:
    text = context.text
    before = context.before(start)
    if before in ".-" or before.isalnum() or context.behind(end) == "-":
        return None
    if context.behind(end) == "." and text[end + 1 : end + 2].isdigit():
        return None
    octets = text[start:end].split(".")
    if any(int(octet) > 255 or (len(octet) > 1 and octet[0] == "0") for octet in octets):
        return None
    if before == "/" and octets[3] == "0" and text[start - 2 : start - 1].isalpha():
        return None
    return None if context.named(Cue.VERSION, start) else (start, end)


def _v6(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    text = context.text
    if head := _V6_REVERSED.match(text[max(0, start - _LONGEST_V6) : start][::-1]):
        start -= len(head[0])
    match = _V6.match(text, start)
    if match is None or context.before(start).isalnum():
        return None
    value = match[0].rstrip(".")
    value = value if value.endswith("::") else value.rstrip(":")
    if _V6_PERSONAL.match(value) is None and value.count(":") != _FULL_GROUPS - 1:
        return None
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return None
    return start, start + len(value)


def _url(context: Context, start: int, _end: int) -> tuple[int, int] | None:
    """`start` is the last character of the scheme."""
    text, start = context.text, start + 1
    if text.find("://", max(0, start - _SHORTEST_URL), start) >= 0:
        return None
    match = _URL.match(text, start)
    scheme = _SCHEME_REVERSED.match(text[max(0, start - 40) : start][::-1])
    if match is None or scheme is None:
        return None
    address = match[0].rstrip(_TRAILING)
    if _USERINFO.match(address) is None and _SECRET_PARAMETER.search(address) is None:
        return None
    return start - len(scheme[0].rstrip(":.+-")), start + len(address)


PATTERNS: Final = (
    Pattern(
        PiiType.IP_ADDRESS,
        r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
        Strength.PROVEN,
        check=_v4,
        yes=("from «192.168.10.20».", "«10.0.0.1»:8080", "ip=«203.0.113.7»,"),
        no=("version 2.10.3.1", "v1.2.3.4", "1.2.3.4.5", "300.1.1.1", "build 10.0.19045.1", "Chrome/122.0.0.0 Safari"),
    ),
    Pattern(
        PiiType.IP_ADDRESS,
        r"[0-9A-Fa-f]{1,4}::?[0-9A-Fa-f]{1,4}:|[0-9A-Fa-f]{1,4}::[0-9A-Fa-f]{1,4}\b|::[fF]{4}:\d",
        Strength.PROVEN,
        check=_v6,
        by_start=True,
        yes=(
            "from «2001:db8::8a2e:370:7334» and",
            "«fe80::1ff:fe23:4567:890a»",
            "«2001:0db8:85a3:0000:0000:8a2e:0370:7334»",
            "«::ffff:192.0.2.128»",
        ),
        no=("at 12:30:45 today", "std::string", "aa:bb:cc:dd:ee:ff", "ratio 1:2:3"),
    ),
    Pattern(
        PiiType.URL_CREDENTIALS,
        r"[A-Za-z0-9+.:-]://[^ \n/]",
        Strength.PROVEN,
        check=_url,
        by_start=True,
        yes=(
            "see «https://jane:pw123@example.org/x?y=1».",
            "«postgres://app:s3cret@db.example.org:5432/crm»",
            "«https://example.org/reset?user=jane&token=Zm9vYmFy», then",
            "«redis://:pw123@cache.example.net:6379/0»",
            "«https://example.org/a.csv?X-Amz-Algorithm=AWS4&X-Amz-Signature=9e175a4c0d70074c», opened",
            "«https://example.org/a?se=2026-01-01&sp=r&sig=Zm9vYmFy%3D»",
            "«jdbc:mysql://db.example.org/crm?user=a&password=geheim»",
        ),
        no=("https://example.org/articles/reset-2fa", "https://example.org/?page=2", "http://example.org:8080/x"),
    ),
)
